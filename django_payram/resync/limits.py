"""How long a run may go on, and how often it may ask."""

from __future__ import annotations

import math
import threading
import time

TICK_SECONDS = 0.2
"""How long a waiting thread does not notice that the brake was pulled."""


class Brake:
    """Ends a run early: when it is pulled, as by a signal, or after ``time_limit`` seconds.

    A plain attribute rather than an event: a signal's handler must not wait for a lock that its own thread may hold.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self._time_limit = time_limit
        self._ends = math.inf if time_limit is None else time.monotonic() + time_limit
        self._pulled = False

    def pull(self) -> None:
        """End the run after the calls that are under way."""
        self._pulled = True

    @property
    def is_on(self) -> bool:
        """Whether the run has to end."""
        return self._pulled or time.monotonic() >= self._ends

    @property
    def reason(self) -> str:
        """Why the run has to end; blank when it has not."""
        if self._pulled:
            return "A signal asked for it."
        return f"The time limit of {self._time_limit} seconds is over." if self.is_on else ""

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the run may go on."""
        until = time.monotonic() + seconds
        while not self.is_on and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK_SECONDS))


class Pace:
    """Spreads calls evenly over time: at most ``rate`` a second, over all threads; None for no limit."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Take the next turn and return in how many seconds it is."""
        if self.rate is None:
            return 0
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + 1 / self.rate
        return turn - now
