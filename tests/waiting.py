"""Waiting for what another thread or process does, and not waiting for the clock."""

from __future__ import annotations

import time

PATIENCE = 60
"""Seconds that nothing takes, however slow the machine."""


def wait_until(condition, explain=str):
    """Wait until ``condition()`` holds; a failure says what ``explain()`` returns."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"It did not happen within {PATIENCE} seconds. {explain()}"
        time.sleep(0.02)


class Clock:
    """Stands for the module ``time`` in code that sleeps: sleeping takes no time, the clock moves on by as much."""

    def __init__(self):
        self.slept = 0

    def monotonic(self):
        return time.monotonic() + self.slept

    def sleep(self, seconds):
        self.slept += seconds
