"""How long a run may go on, and how often it may ask."""

from __future__ import annotations

import math
import threading
import time

TICK_SECONDS = 0.2
"""How long a waiting thread does not notice that the run has to end."""


class StopSignal:
    """Ends a run early: when it is set, as by a signal of the system, or after ``time_limit`` seconds.

    With a ``parent`` it ends when that one does as well.

    A plain attribute rather than an event: a signal's handler must not wait for a lock that its own thread may hold.
    """

    def __init__(self, time_limit: float | None = None, *, parent: StopSignal | None = None) -> None:
        self._parent = parent
        self._time_limit = time_limit
        self._ends = math.inf if time_limit is None else time.monotonic() + time_limit
        self._set = False

    def set(self) -> None:
        """End the run after the calls that are under way."""
        self._set = True

    @property
    def was_set(self) -> bool:
        """Whether somebody has set it, however much time is left."""
        return self._set or (self._parent is not None and self._parent.was_set)

    @property
    def is_set(self) -> bool:
        """Whether no call may begin any more."""
        return self.was_set or time.monotonic() >= self._ends or (self._parent is not None and self._parent.is_set)

    @property
    def reason(self) -> str:
        """Why the run has to end; blank when it has not."""
        if self.was_set:
            return "A signal asked for it."
        return f"The time limit of {self._time_limit} seconds is over." if self.is_set else ""

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the run may go on."""
        until = time.monotonic() + seconds
        while not self.is_set and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK_SECONDS))


class RateLimiter:
    """Spreads calls evenly over time: at most ``rate`` a second, over all threads; None for no limit."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self._next = -math.inf
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Reserve the next call and return in how many seconds it may begin."""
        if self.rate is None:
            return 0
        with self._lock:
            now = time.monotonic()
            begins = max(self._next, now)
            self._next = begins + 1 / self.rate
        return begins - now
