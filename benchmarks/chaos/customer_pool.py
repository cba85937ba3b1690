"""Many customers at once: a queue of who wants to do something when, and threads that let them."""

from __future__ import annotations

import heapq
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.chaos.customers import Customer, Steps

IDLE_SECONDS = 0.02


class CustomerPool:
    """Works off customers' histories, ``at_once`` of them at a time, with so many threads.

    An error that nobody expected, in a history or put into ``errors`` from outside, ends the run.
    """

    def __init__(self, customers: Iterable[Customer], *, at_once: int, threads: int, errors: list[Exception]) -> None:
        self._waiting = iter(customers)
        self._at_once, self._threads = at_once, threads
        self._agenda: list[tuple[float, int, Steps[None]]] = []
        self._tickets = count()
        self._active = 0
        self._lock = threading.Lock()
        self.errors = errors

    def run(self, *, done: Callable[[], object]) -> None:
        """Work until everybody has left; ``done()`` is called for each."""
        threads = [threading.Thread(target=self._work, args=(done,), daemon=True) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _work(self, done: Callable[[], object]) -> None:
        while not self.errors:
            with self._lock:
                self._let_in()
                if not self._active:
                    return
                steps = self._take_due()
            if steps is None:
                time.sleep(IDLE_SECONDS)
                continue
            self._go_on(steps, done)

    def _let_in(self) -> None:
        while self._active < self._at_once:
            customer = next(self._waiting, None)
            if customer is None:
                return
            self._active += 1
            heapq.heappush(self._agenda, (time.monotonic(), next(self._tickets), customer.history()))

    def _take_due(self) -> Steps[None] | None:
        if not self._agenda or self._agenda[0][0] > time.monotonic():
            return None
        return heapq.heappop(self._agenda)[2]

    def _go_on(self, steps: Steps[None], done: Callable[[], object]) -> None:
        try:
            pause = next(steps)
        except StopIteration:
            with self._lock:
                self._active -= 1
            done()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the run is not worth anything any more
            self.errors.append(exc)
        else:
            with self._lock:
                heapq.heappush(self._agenda, (time.monotonic() + pause, next(self._tickets), steps))
