"""A chart of what was received and sent back, as rectangles of an SVG picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_payram.reports.figures import Sums, first_days

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from django_payram.reports.figures import Range

WIDTH, HEIGHT = 900, 200
"""Of the picture, in its own units."""

MOST_BARS = 120
"""Of a longer range the last periods are drawn; the table has all of them."""


@dataclass(frozen=True)
class Bar:
    """One period: where it stands, and how tall its two rectangles are."""

    first: date
    sums: Sums
    x: int
    width: int
    received: int
    refunded: int

    @property
    def received_y(self) -> int:
        """The upper end of what was received."""
        return HEIGHT - self.received

    @property
    def half_width(self) -> int:
        """How wide the bar of what was sent back is: it stands before the other one."""
        return self.width // 2

    @property
    def refunded_y(self) -> int:
        """The upper end of what was sent back."""
        return HEIGHT - self.refunded


def bars(periods: Mapping[date, Sums], of: Range, *, by: str) -> list[Bar]:
    """Return a bar for each period of the range, also for those in which nothing came."""
    if of.since is None or of.until is None:
        return []
    firsts = first_days(of.since, of.until, by=by)[-MOST_BARS:]
    shown = [periods.get(first, Sums()) for first in firsts]
    tallest = max((max(sums.received, sums.refunded) for sums in shown), default=0)
    step = WIDTH // max(len(firsts), 1)
    found = []
    for place, (first, sums) in enumerate(zip(firsts, shown, strict=True)):
        heights = _height(sums.received, tallest), _height(sums.refunded, tallest)
        found.append(Bar(first, sums, place * step, max(step - 2, 2), *heights))
    return found


def _height(amount: Decimal, tallest: Decimal | int) -> int:
    # What is more than nothing is seen.
    return max(int(amount * HEIGHT / tallest), 2) if amount > 0 else 0
