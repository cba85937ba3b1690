"""When to ask PayRam again without being told to: tables of (age, interval).

A webhook may never come and PayRam does not reliably tell about expiry, so every payment is asked about, often
while it is young, rarely when it is old, and never once nothing can change any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from django_payram.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Tiers = tuple[tuple[timedelta, timedelta], ...]

# (until this age, ask at this interval); past the last age: never again.
LINK: Tiers = ((30 * MINUTE, MINUTE), (DAY, 5 * MINUTE), (30 * DAY, HOUR), (180 * DAY, DAY))
MONEY_MOVING: Tiers = ((2 * HOUR, MINUTE), (DAY, 5 * MINUTE), (30 * DAY, HOUR), (180 * DAY, DAY))
CANCELED: Tiers = ((7 * DAY, HOUR), (180 * DAY, DAY))
SETTLED: Tiers = ((HOUR, HOUR),)

TIERS: MappingProxyType[State, Tiers] = MappingProxyType(
    {
        State.CREATING: LINK,
        State.FAILED: (),
        State.OPEN: LINK,
        State.CANCELED: CANCELED,
        State.PARTIALLY_FILLED: MONEY_MOVING,
        State.FILLED: SETTLED,
        State.OVER_FILLED: SETTLED,
    }
)

RETRY = 5 * MINUTE
"""A payment that PayRam could not be asked about comes round again after this, however rare its tier."""


def next_check(state: State, *, since: datetime, now: datetime, confirming: bool = False) -> datetime | None:
    """Return when to ask again about a payment that has been in ``state`` ``since`` then; None means never."""
    return _next(MONEY_MOVING if confirming else TIERS[state], since=since, now=now)


def _next(tiers: Sequence[tuple[timedelta, timedelta]], *, since: datetime, now: datetime) -> datetime | None:
    age = now - since
    for until, interval in tiers:
        if age < until:
            return now + interval
    return None
