"""Servers as processes of their own: started, waited for, killed, started again, and always stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
READY_WITHIN = 60.0
STOPS_WITHIN = 15.0
TICK = 0.05
LOG_END = 4000


class NotReadyError(Exception):
    """A server did not start; the end of its log is in the message."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does: through every block that has a server to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait until ``condition()`` is true. Raises TimeoutError, naming ``what``."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come within {seconds:g} seconds.")
        time.sleep(TICK)


class Server:
    """One server and its children, in a process group of its own.

    ``ready_url`` is asked until it answers; what the server writes goes to ``log``, which survives restarts.
    """

    def __init__(self, command: Sequence[str], *, ready_url: str, log: Path, environment: Mapping[str, str]) -> None:
        self.command, self.ready_url, self.log = list(command), ready_url, log
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises NotReadyError."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=surroundings(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(self._is_settled, seconds=READY_WITHIN, what=f"An answer of {self.ready_url}")
        except TimeoutError as exc:
            self.kill()
            raise NotReadyError(f"{exc}\n{self.log_end()}") from exc
        if not self.is_running:
            raise NotReadyError(f"{' '.join(self.command)} ended.\n{self.log_end()}")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def answers(self) -> bool:
        """Whether the server answers HTTP requests."""
        try:
            requests.get(self.ready_url, timeout=5)
        except requests.RequestException:
            return False
        return True

    def _is_settled(self) -> bool:
        return not self.is_running or self.answers

    def stop(self) -> None:
        """End the server, kindly at first."""
        if self.process is not None and self.is_running:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOPS_WITHIN)
        self.kill()

    def kill(self) -> None:
        """End the server and all its children with SIGKILL."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log_end(self) -> str:
        """Return the last lines the server wrote."""
        return self.log.read_text(errors="replace")[-LOG_END:]


def surroundings(changes: Mapping[str, str]) -> dict[str, str]:
    """Return our own environment with ``changes``, this project importable, and no setting of the caller's Django."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PAYRAM_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **changes}


def run(*arguments: str, environment: Mapping[str, str], seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run ``python -m …`` to its end, whatever its exit code. Raises subprocess.TimeoutExpired."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=surroundings(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def port_of(url: str) -> int:
    """Return the port of a URL."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} names no port.")
    return port
