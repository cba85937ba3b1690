"""Ports, and child processes that stop together: what the demo command needs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HOST = "127.0.0.1"
TICK = 0.2
STOPS_WITHIN = 10
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class BusyPortError(Exception):
    """A port that was asked for cannot be had."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port


class StopSignal:
    """Remembers that somebody wants the program to stop (Ctrl-C, SIGTERM, a closed terminal)."""

    def __init__(self) -> None:
        self.received = False
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        self.received = True


@dataclass(frozen=True)
class Child:
    """A server that runs as a process of its own."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    @property
    def answers(self) -> bool:
        """Whether the server answers HTTP requests."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def stop(self) -> None:
        """End the process, kindly at first."""
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_ports(*wanted: int) -> list[int]:
    """Return the ports to use; 0 stands for any free one. Raises BusyPortError."""
    with ExitStack() as held:
        return [_hold_port(held, port) for port in wanted]


def _hold_port(held: ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket())
    # As the servers do: a port whose last connections are just fading away counts as free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as exc:
        raise BusyPortError(port) from exc
    return int(listener.getsockname()[1])


def start(name: str, *, port: int, command: Sequence[str], environment: dict[str, str]) -> Child:
    """Start ``command``, a server on ``port``, with ``environment`` on top of our own."""
    process = subprocess.Popen(command, env=os.environ | environment)  # noqa: S603 - our own command
    return Child(name=name, port=port, process=process)


def wait_until_ready(children: Iterable[Child], *, stop: StopSignal, timeout: float) -> bool:
    """Return whether all ``children`` answer within ``timeout`` seconds."""
    waiting, ends = list(children), time.monotonic() + timeout
    while waiting and not stop.received and time.monotonic() < ends:
        if any(child.has_ended for child in waiting):
            return False
        waiting = [child for child in waiting if not child.answers]
        time.sleep(TICK)
    return not waiting


def first_to_end(children: Iterable[Child], *, stop: StopSignal) -> Child | None:
    """Wait until a child ends by itself and return it; None when a stop signal comes first."""
    children, ended = list(children), None
    while not stop.received and ended is None:
        time.sleep(TICK)
        ended = next((child for child in children if child.has_ended), None)
    # Ctrl-C in a terminal reaches the children as well: give our own signal a moment to show.
    time.sleep(TICK)
    return None if stop.received else ended
