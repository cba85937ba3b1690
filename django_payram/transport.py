"""HTTP that ends: kept-alive connections, no redirects, bounded bodies, one deadline for the whole call.

``requests`` bounds each read, not the call: a server that drips a byte at a time can hold a worker for hours. The
deadline is therefore kept where the bytes are read, for headers and body alike.
"""

from __future__ import annotations

import functools
import http.client
import io
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.poolmanager import ProxyManager
from urllib3.util import Retry

from django_payram import __version__
from django_payram.answers import Answer, NoAnswer, TooLarge

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

MAX_BODY = 1024 * 1024
MAX_ANSWER = 2 * MAX_BODY
"""Bytes of one answer as it comes from the socket, headers and encodings included, also of one that is thrown away."""

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
"""Kept alive at a time; as many as a resync may have threads."""

SHORTEST_WAIT = 0.001
"""Seconds to connect in when the deadline has passed: a time-out of zero would mean something else."""

_call = threading.local()


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
        self._way = functools.cache(_way)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], json: object = None, ends: float | None = None
    ) -> Answer:
        """Send one request and read the whole answer. Raises NoAnswer and TooLarge.

        ``ends`` is the moment, by ``time.monotonic``, at which a deadline ends that several requests share.
        """
        _call.ends, _call.sent = time.monotonic() + self.deadline if ends is None else ends, False
        try:
            # Not through a Session: it would read ~/.netrc (PayRam answers 404 to a call that carries Authorization),
            # keep cookies, read the body of a redirect whole, and look at the environment anew for every call.
            request = requests.PreparedRequest()
            request.prepare(method=method, url=url, headers={**HEADERS, **headers}, json=json)
            way = self._way("/".join(url.split("/", 3)[:3]))
            response = self._adapters[method].send(request, timeout=self.timeout, **way)
        except (requests.RequestException, HTTPError) as exc:
            # The cause is dropped: its frames hold the request's headers, and error reports show frames.
            raise NoAnswer(_reason(exc), sent=_call.sent) from None
        except BaseException as exc:  # noqa: BLE001 - raised again
            # Something unforeseen, a task's time limit for instance: those frames are dropped as well.
            raise exc.with_traceback(None) from None
        with response:
            return Answer(response.status_code, response.headers, _body(response))

    def close(self) -> None:
        """Close the kept connections."""
        for adapter in self._adapters.values():
            adapter.close()


def _way(site: str) -> dict[str, Any]:
    """Return what the environment says of the way to a site: proxies and certificates."""
    with requests.Session() as session:
        return dict(session.merge_environment_settings(site, {}, stream=True, verify=None, cert=None))


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge(f"The answer is larger than {MAX_BODY} bytes.")
    except (requests.RequestException, HTTPError):
        raise NoAnswer("The answer broke off in the middle.", sent=True) from None
    return bytes(body)


# (error, what to say): the text of the exception itself is not shown, it may quote headers.
REASONS: tuple[tuple[type[Exception], str], ...] = (
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


class _TimedReader(io.RawIOBase):
    """A socket's reading side: every single read ends with the call's deadline, and all reads together are bounded.

    Its errors have no text: whoever made the call is told what became of it by NoAnswer.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, ends: float) -> None:
        self._raw, self._sock, self._ends = raw, sock, ends
        self._room = MAX_ANSWER
        self._patience = sock.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._room <= 0:
            raise ConnectionError
        self._sock.settimeout(min(left, self._patience))
        count = self._raw.readinto(buffer)
        self._room -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, _call.ends))


class _Connection(HTTPConnection):
    """Notes when the request begins to leave: whatever fails before that, PayRam certainly did not act."""

    response_class = _TimedResponse

    def connect(self) -> None:
        self.timeout = min(self.timeout or math.inf, max(_call.ends - time.monotonic(), SHORTEST_WAIT))
        try:
            super().connect()
        finally:
            # The TLS handshake and a proxy's tunnel are not the request yet.
            _call.sent = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _call.sent = True
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return what keeps the connections to a proxy. Asked anew for every call."""
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, ProxyManager):
            manager.pool_classes_by_scheme = POOLS
        else:
            # SOCKS has connections of its own, which do not note when a request leaves: any may have left.
            _call.sent = True
        return manager
