"""Requests as fast as a server takes them: whole requests as bytes, over a few kept-alive connections.

HTTP libraries cost more than an empty view does, on the very processors that the server needs. What is sent and read
here is our own server's plain HTTP/1.1.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.stage.processes import HOST, port_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_SECONDS = 120


class WrongAnswerError(Exception):
    """The server answered with another status than expected: nothing was measured."""


def request(method: str, path: str, *, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a whole request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Wire:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, whole: bytes) -> tuple[int, bytes]:
        """Send a request and read the whole answer: its status and its body."""
        self._socket.sendall(whole)
        come = self._read(b"")
        while b"\r\n\r\n" not in come:
            come = self._read(come)
        head, _blank, body = come.partition(b"\r\n\r\n")
        length = _length(head)
        while len(body) < length:
            body = self._read(body)
        return int(head[9:12]), body

    def _read(self, come: bytes) -> bytes:
        more = self._socket.recv(1 << 20)
        if not more:
            raise ConnectionError("The server closed the connection in the middle of an answer.")
        return come + more

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(b"content-length:") + len(b"content-length:")
    return int(lowered[start:].split(b"\r\n", 1)[0])


def throughput(url: str, requests: Sequence[bytes], *, connections: int, status: int = 200) -> float:
    """Send every request once and return how many a second were answered. Raises WrongAnswerError."""
    port = port_of(url)
    shares = [requests[start::connections] for start in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        started = time.perf_counter()
        statuses = sum(pool.map(lambda share: _send(port, share), shares), Counter())
        took = time.perf_counter() - started
    if set(statuses) != {status}:
        raise WrongAnswerError(f"{urlsplit(url).path or url}: statuses {dict(statuses)}, expected {status} only.")
    return len(requests) / took


def _send(port: int, share: Sequence[bytes]) -> Counter[int]:
    with closing(Wire(port)) as wire:
        return Counter(wire.ask(whole)[0] for whole in share)


def seconds(url: str, whole: bytes, *, times: int) -> float:
    """Send one request so many times, one after the other, and return the median seconds. Raises WrongAnswerError."""
    took = []
    with closing(Wire(port_of(url))) as wire:
        for _ in range(times):
            started = time.perf_counter()
            status, body = wire.ask(whole)
            took.append(time.perf_counter() - started)
            if status != 200:
                raise WrongAnswerError(f"{whole.split()[1].decode()}: status {status}, {body[:300]!r}")
    return median(took)
