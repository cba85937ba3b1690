"""Servers that misbehave on the socket itself, where no well-behaved HTTP server can."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "tls" / "localhost.pem"


class Connection:
    """One client's connection: ``request`` is what it asked last."""

    def __init__(self, sock):
        self.sock = sock
        self.request = b""

    def receive(self):
        """Read one whole request; returns whether there was one."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return False
            data += more
        head, _blank, body = data.partition(b"\r\n\r\n")
        length = int(header(head, "content-length") or 0)
        while len(body) < length:
            body += self.sock.recv(65536)
        self.request = head + b"\r\n\r\n" + body
        return True

    def send(self, data):
        self.sock.sendall(data)


class RawServer:
    """``talk(connection)`` answers each request; True keeps the connection. ``requests`` are those that came."""

    def __init__(self, talk, *, tls):
        self.talk = talk
        self.requests = []
        self.connections = 0
        self.closing = threading.Event()
        self._tls = tls
        self._open = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def serve(self):
        with suppress(OSError):
            while True:
                sock, _address = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                self._start(lambda sock=sock: self._answer(sock))

    def _start(self, work):
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _answer(self, sock):
        # A client that turns away in the middle is what most of these tests are about.
        with suppress(OSError), sock:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            connection = Connection(sock)
            with sock:
                while connection.receive():
                    self.requests.append(connection.request)
                    if not self.talk(connection):
                        return

    def start(self):
        self._start(self.serve)

    def stop(self):
        self.closing.set()
        for sock in [self._listener, *self._open]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)


@contextmanager
def raw_server(talk, *, tls=False):
    """Run a server whose answers are the bytes ``talk``, or what the function ``talk`` does with the connection."""
    if isinstance(talk, bytes):
        answer = talk
        talk = lambda connection: connection.send(answer)  # noqa: E731
    server = RawServer(talk, tls=_tls() if tls else None)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent_server(*, tls=False):
    """Run a server that takes requests and answers none."""
    with raw_server(lambda _connection: server.closing.wait(), tls=tls) as server:
        yield server


@contextmanager
def full_backlog():
    """Listen and never accept, with a full backlog: whoever connects waits for ever. Yields the URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [_begin(listener.getsockname()) for _ in range(8)]
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for sock in waiting:
            sock.close()


def closed_port():
    """Return a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


def http(status=200, body=b"", **headers):
    """Return the bytes of an HTTP answer; a body that is not bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content_Type": "application/json", "Content_Length": len(content), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode("latin-1") + content


def header(head, name):
    """Return the value of a header in the head of a request, None when it is not there."""
    for line in head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
        given, _colon, value = line.partition(":")
        if given.lower() == name.lower():
            return value.strip()
    return None


def _begin(address):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(address)
    return sock


def _tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context
