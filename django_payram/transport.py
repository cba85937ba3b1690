"""HTTP that ends: kept-alive connections, no redirects, bounded bodies, one deadline for the whole call.

``requests`` bounds each read, not the call: a server that drips a byte at a time can hold a worker for hours. The
deadline is therefore kept where the bytes are read, for headers and body alike.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.util import Retry

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

MAX_BODY = 1024 * 1024

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

_call = threading.local()


class NoAnswer(Exception):
    """No whole answer arrived. ``sent`` is False when certainly no byte of the request left."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class TooLarge(Exception):
    """The answer's body is over the limit."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """One server's kept-alive connections, shared by all threads of the process.

    ``timeout`` is (connect, read) in seconds, ``deadline`` the seconds a whole call may take.
    """

    def __init__(self, *, timeout: tuple[float, float], deadline: float, connections: int = 32) -> None:
        self.timeout = timeout
        self.deadline = deadline
        self._sessions = {method: _session(retry, connections) for method, retry in RETRIES.items()}

    def send(self, method: str, url: str, *, headers: Mapping[str, str], json: object = None) -> Answer:
        """Send one request and read the whole answer. Raises NoAnswer and TooLarge."""
        _call.ends = time.monotonic() + self.deadline
        try:
            response = self._sessions[method].request(
                method,
                url,
                headers=headers,
                json=json,
                timeout=self.timeout,
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as exc:
            raise NoAnswer(_reason(exc), sent=_was_sent(exc)) from exc
        with response:
            return Answer(response.status_code, response.headers, _body(response))

    def close(self) -> None:
        """Close the kept connections."""
        for session in self._sessions.values():
            session.close()


def _session(retry: Retry, connections: int) -> requests.Session:
    session = requests.Session()
    adapter = _Adapter(max_retries=retry, pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.auth = _no_credentials
    # The session is shared by threads, and a server's cookies are none of our business.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
    return session


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from reading ~/.netrc: PayRam answers 404 to a call that carries Authorization."""
    return request


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge(f"The answer is larger than {MAX_BODY} bytes.")
    except (requests.RequestException, HTTPError) as exc:
        raise NoAnswer("The answer broke off in the middle.", sent=True) from exc
    return bytes(body)


def _was_sent(exc: requests.RequestException) -> bool:
    """Return False only for what surely failed before a byte of the request left: DNS, refused, TLS, proxy."""
    if isinstance(exc, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    if isinstance(exc, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return False
    cause = exc.args[0] if exc.args else None
    return not (isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError))


# (error, what to say): the text of the exception itself is not shown, it may quote headers.
REASONS: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.SSLError, "The TLS certificate or handshake failed."),
    (requests.exceptions.ProxyError, "The proxy could not be reached."),
    (requests.ConnectTimeout, "The connection timed out."),
    (requests.ReadTimeout, "The answer timed out."),
    (requests.ConnectionError, "The connection failed or broke off."),
    (requests.RequestException, "The request could not be made."),
)


def _reason(exc: requests.RequestException) -> str:
    return next(text for kind, text in REASONS if isinstance(exc, kind))


class _TimedReader(io.RawIOBase):
    """A socket's reading side on which every single read ends with the call's deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, ends: float) -> None:
        self._raw, self._sock, self._ends = raw, sock, ends
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The call's deadline has passed.")
        self._sock.settimeout(left if self._patience is None else min(left, self._patience))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, _call.ends))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
