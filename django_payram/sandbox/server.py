"""An HTTP server for the sandbox: a thread per connection, persistent connections, an end that closes them."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.core.handlers.wsgi import LimitedStream

from django_payram.sandbox.messages import Pause, content_length

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BytesIO

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

# An application asks for slow headers by this key of the environment it was given.
SLOW_HEADERS = "django_payram.sandbox.slow_headers"
IDLE_SECONDS = 60
LONGEST_LINE = 65536

WSGI = {
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


class Connection(WSGIRequestHandler):
    """One client, for as many requests as it likes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS
    server: Server
    # That of the class above it closes the connection after one request.
    handle = BaseHTTPRequestHandler.handle

    def handle_one_request(self) -> None:
        """Read one request, let the application answer it, make room for the next."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
        if not self.raw_requestline or len(self.raw_requestline) > LONGEST_LINE or not self.parse_request():
            return
        environ = {**self.get_environ(), **WSGI}
        body = environ["wsgi.input"] = LimitedStream(cast("BytesIO", self.rfile), content_length(environ))
        self._respond(environ)
        self.wfile.flush()
        # What nobody read must not be taken for the next request.
        while body.read(64 * 1024):
            pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Log nothing: the pages show what happened."""

    def _respond(self, environ: WSGIEnvironment) -> None:
        """Send the application's answer; the connection goes on if the answer is as long as it said."""
        head: list[Any] = []
        app = self.server.get_app()
        chunks = app(environ, lambda status, fields, *_: head.extend((status, fields)))  # type: ignore[arg-type,misc] # no write() here
        status, headers = head
        self._send_head(status, headers, slow=SLOW_HEADERS in environ)
        sent = sum(self._send(chunk) for chunk in chunks)
        if self.command != "HEAD" and sent != int(dict(headers)["Content-Length"]):
            self.close_connection = True

    def _send_head(self, status: str, headers: list[tuple[str, str]], *, slow: bool) -> None:
        lines = [f"{name}: {value}" for name, value in [("Date", formatdate(usegmt=True)), *headers]]
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")
        for byte in head if slow else b"":
            self._send(bytes([byte]))
            self.server.pause(1)
        if not slow:
            self.wfile.write(head)

    def _send(self, chunk: bytes) -> int:
        self.wfile.write(chunk)
        self.wfile.flush()
        return len(chunk)


class Server(ThreadingMixIn, WSGIServer):
    """A thread for every connection; closing it closes them all."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, *, app: WSGIApplication, pause: Pause) -> None:
        """Listen; raises OSError when the port is taken."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.pause = pause
        self._open: set[Any] = set()
        self._ending = threading.Event()
        super().__init__((host, port), Connection)
        self.set_app(app)

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.server_name}]" if self.address_family == socket.AF_INET6 else self.server_name
        return f"http://{host}:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, which can take seconds."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while it lasts."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection early is no error; all else is logged."""
        del request, client_address
        fault = sys.exc_info()[1]
        if not isinstance(fault, (ConnectionError, TimeoutError)):
            logger.error("The sandbox failed to answer a request.", exc_info=fault)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take connections in a thread of its own until the block ends, then close them all."""
        thread = threading.Thread(target=self._serve, name="payram-sandbox", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            # One more connection, our own, wakes the thread.
            with suppress(OSError):
                socket.create_connection((self.server_name, self.server_port), timeout=1).close()
            thread.join()
            self.server_close()
            for connection in list(self._open):
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        """As ``serve_forever``, which would look for the end only every so often."""
        while not self._ending.is_set():
            self.handle_request()
