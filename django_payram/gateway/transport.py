"""HTTP calls that end: kept-alive connections, no redirects, bounded answers, one deadline for the whole call.

``requests`` bounds each read, not the call: a server that drips a byte at a time can hold a worker for hours. The
deadline is therefore kept where the bytes are read, for headers and body alike. It travels with the call: the time-out
that is handed to urllib3 carries a ``_Call``, a view of the connection pool gives it to the connection it takes, and
the connection to its answer.
"""

from __future__ import annotations

import copy
import functools
import http.client
import io
import math
import socket
import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.poolmanager import ProxyManager
from urllib3.util import Retry, Timeout
from urllib3.util.connection import create_connection

from django_payram import __version__
from django_payram.gateway import reach
from django_payram.gateway.responses import Answer, NoAnswer, UnacceptableAnswer
from django_payram.models import give_back_connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BODY = 1024 * 1024
MAX_ANSWER = 2 * MAX_BODY
"""Bytes of one answer as it comes from the socket, headers included, also of one that is thrown away."""

# Only a GET is ever repeated: asking twice does no harm, creating twice may.
RETRIES = {
    "GET": Retry(
        total=2,
        backoff_factor=0.2,
        status_forcelist=(502, 504),
        allowed_methods={"GET"},
        raise_on_status=False,
        respect_retry_after_header=False,
    ),
    "POST": Retry(total=0),
}

HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"django_payram/{__version__}"}

MOST_CONNECTIONS = 64
"""Kept alive at a time; as many as polling may have threads."""

SHORTEST_WAIT = 0.001
"""Seconds to connect in when the deadline has passed: a time-out of zero would mean something else."""


class Transport:
    """One server's kept-alive connections, shared by all threads of the process.

    ``timeout`` is (connect, read) in seconds, ``deadline`` the seconds a whole call may take. Proxies and certificates
    come from the environment, as everywhere in ``requests``: ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.
    Through a SOCKS proxy only ``timeout`` holds, and a call that fails counts as sent.
    """

    def __init__(self, *, timeout: tuple[float, float], deadline: float, connections: int = MOST_CONNECTIONS) -> None:
        self.timeout = timeout
        self.deadline = deadline
        self._adapters = {
            method: _Adapter(max_retries=retry, pool_maxsize=connections) for method, retry in RETRIES.items()
        }
        self._environment = functools.cache(_environment)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], json: object = None, ends: float | None = None
    ) -> Answer:
        """Send one request and read the whole answer. Raises NoAnswer and UnacceptableAnswer.

        ``ends`` is the moment, by ``time.monotonic``, at which a deadline ends that several requests share.
        """
        # Every call to PayRam comes through here, and may take until the deadline.
        give_back_connections()
        call = _Call(time.monotonic() + self.deadline if ends is None else ends)
        try:
            # Not through a Session: it would read ~/.netrc (PayRam answers 404 to a call that carries Authorization),
            # keep cookies, read the body of a redirect whole, and look at the environment anew for every call.
            request = requests.PreparedRequest()
            request.prepare(method=method, url=url, headers={**HEADERS, **headers}, json=json)
            environment = self._environment("/".join(url.split("/")[:3]))
            # SOCKS has connections of its own, which do not note when a request leaves: any may have left.
            call.sent = (select_proxy(url, environment["proxies"]) or "").startswith("socks")
            # requests hands urllib3's own kind of time-out on as it is, which its types do not say.
            timeout: Any = _CallTimeout(call, *self.timeout)
            response = self._adapters[method].send(request, timeout=timeout, **environment)
            with response:
                return Answer(response.status_code, response.headers, _body(response))
        except (_BrokenAnswer, *CALL_ERRORS) as exc:
            # Without the package for SOCKS the call is refused before it begins.
            sent = call.sent and not isinstance(exc, requests.exceptions.InvalidSchema)
            # The cause is dropped: its frames hold the request's headers, and error reports show frames.
            raise NoAnswer(_reason(exc), sent=sent) from None
        except BaseException as exc:  # noqa: BLE001 - raised again
            # Something that has nothing to do with the call, a task's time limit for instance.
            raise exc.with_traceback(None) from None

    def close(self) -> None:
        """Close the kept connections."""
        for adapter in self._adapters.values():
            adapter.close()


def _environment(site: str) -> dict[str, Any]:
    """Return what the environment says of calls to a site: proxies and certificates."""
    with requests.Session() as session:
        return dict(session.merge_environment_settings(site, {}, stream=None, verify=None, cert=None))


def _body(response: requests.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        # We asked for none, and a few hundred bytes may unpack to a gigabyte.
        raise UnacceptableAnswer("The answer is compressed, although no compression was asked for.")
    body = bytearray()
    chunks = response.raw.stream()
    while chunk := _next_chunk(chunks):
        body += chunk
        if len(body) > MAX_BODY:
            raise UnacceptableAnswer(f"The answer is larger than {MAX_BODY} bytes.")
    return bytes(body)


def _next_chunk(chunks: Iterator[bytes]) -> bytes:
    try:
        return next(chunks, b"")
    except CALL_ERRORS:
        raise _BrokenAnswer from None


# All that a call may raise: malformed addresses, headers and chunk lengths bring more than the libraries' own errors.
CALL_ERRORS = (
    requests.RequestException,
    HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
)


class _BrokenAnswer(Exception):
    """The answer began and did not come to its end."""


# (error, what to say): the text of the exception itself is not shown, it may quote headers.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (_BrokenAnswer, "The answer broke off in the middle."),
    (requests.exceptions.SSLError, "The TLS certificate or handshake failed."),
    (requests.exceptions.ProxyError, "The proxy could not be reached or broke off."),
    (requests.ConnectTimeout, "The connection timed out."),
    (requests.ReadTimeout, "The answer timed out."),
    (ReadTimeoutError, "The answer timed out."),
    (requests.ConnectionError, "The connection failed or broke off."),
    (Exception, "The call could not be carried out."),
)


def _reason(exc: Exception) -> str:
    # A GET that timed out every time comes as a mere ConnectionError, with the last time-out inside.
    inside = getattr(exc.args[0], "reason", None) if exc.args else None
    return next(text for kind, text in REASONS if isinstance(exc, kind) or isinstance(inside, kind))


# One call, and how it gets from the adapter to the socket


class _Call:
    """One call: when it has to end, and whether any byte of the request has left."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.sent = False

    def time_left(self) -> float:
        return self.ends - time.monotonic()


class _CallTimeout(Timeout):
    """A time-out that knows its call."""

    def __init__(self, call: _Call, connect: float, read: float) -> None:
        super().__init__(connect=connect, read=read)
        self.call = call


class _PoolOfCalls:
    """Kept connections, each of which is told the call that it is taken for."""

    call: _Call
    pool_class: Any

    def urlopen(self, *args: Any, timeout: _CallTimeout, **kwargs: Any) -> Any:
        # A view of the pool for this call: the connections in it are the same, the call is its own.
        view: Any = copy.copy(self)
        view.call = timeout.call
        return self.pool_class.urlopen(view, *args, timeout=timeout, **kwargs)

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = self.pool_class._get_conn(self, timeout)  # noqa: SLF001 - overridden here
        connection.start_call(self.call)
        return connection


class _Connection(HTTPConnection):
    """Notes when the request begins to leave: whatever fails before that, PayRam certainly did not act."""

    call: _Call

    def start_call(self, call: _Call) -> None:
        self.call = call
        self.response_class = functools.partial(_TimedResponse, call)  # type: ignore[assignment]

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            # The TLS handshake and a proxy's tunnel are not the request yet.
            self.call.sent = False

    def _new_conn(self) -> socket.socket:
        """Look the host up and try each of its addresses: one deadline holds for all of it."""
        try:
            addresses = _look_up(self.host, self.port, self._wait())
        except futures.TimeoutError:
            raise ConnectTimeoutError(self, "The name could not be looked up in time.") from None
        except (OSError, UnicodeError) as exc:
            raise NameResolutionError(self.host, self, exc) from exc  # type: ignore[arg-type]
        failure: OSError | None = None
        for *_kind, address in addresses:
            try:
                return create_connection(address[:2], self._wait(), socket_options=self.socket_options)
            except OSError as exc:
                failure = exc
        kind = ConnectTimeoutError if isinstance(failure, TimeoutError) else NewConnectionError
        raise kind(self, "No address could be connected to.") from failure

    def _wait(self) -> float:
        """Return the seconds that the next step of connecting may take."""
        return min(float(self.timeout or math.inf), max(self.call.time_left(), SHORTEST_WAIT))

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.call.sent = True
        super().send(data)


def _look_up(host: str, port: int, wait: float) -> list[Any]:
    """Return the addresses of a host. Raises futures.TimeoutError after ``wait`` seconds, else what the look-up raises.

    The system's look-up has no time-out of its own, so a thread does it that may be left behind. Connections are kept,
    so look-ups are rare.
    """
    result: futures.Future[list[Any]] = futures.Future()

    def work() -> None:
        try:
            result.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits
            result.set_exception(exc)

    threading.Thread(target=work, name="django_payram-look-up", daemon=True).start()
    return result.result(wait)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(_PoolOfCalls, HTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Connection
    pool_class = HTTPConnectionPool


class _SecurePool(_PoolOfCalls, HTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _SecureConnection
    pool_class = HTTPSConnectionPool


POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        # Here and no earlier: a call that a test's own tools answer goes nowhere.
        if reach.allowed is not None:
            reach.check(request.url or "")
        return super().get_connection_with_tls_context(request, *args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, ProxyManager):
            manager.pool_classes_by_scheme = POOLS
        return manager


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, call: _Call, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, call))


class _TimedReader(io.RawIOBase):
    """A socket's reading side: every single read ends with the call's deadline, and all reads together are bounded.

    Its errors have no text: whoever made the call is told what became of it by NoAnswer.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, call: _Call) -> None:
        self._raw, self._sock, self._call = raw, sock, call
        self._room = MAX_ANSWER
        self._read_timeout = sock.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._call.time_left()
        if left <= 0:
            raise TimeoutError
        if self._room <= 0:
            raise ConnectionError
        self._sock.settimeout(min(left, self._read_timeout))
        count = self._raw.readinto(buffer)
        self._room -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
