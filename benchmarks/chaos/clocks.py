"""Processes whose clock is wrong."""

from __future__ import annotations

HOUR, DAY = 3600, 86400

JUMPS = (-400 * DAY, -3 * HOUR, -30, 30, 3 * HOUR, 3650 * DAY)
"""Seconds by which the clocks are off."""


def wrong_clock(seconds: float) -> dict[str, str]:
    """Return what a process of the shop needs in its environment to live so far in the past or the future."""
    return {"CLOCK_OFFSET_SECONDS": str(seconds)}
