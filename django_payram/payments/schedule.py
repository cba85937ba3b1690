"""When to ask PayRam about a payment again without a webhook: tables of (age, interval).

A webhook may never come, and PayRam does not reliably report expiry, so every payment that reached PayRam is asked
about: often while it is young, rarely when it is old, and never once nothing can change any more. Ages are measured
with clocks, and a clock may be wrong: a payment leaves the schedule only after a number of checks as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from django_payram.models import State

if TYPE_CHECKING:
    from django_payram.models import Payment

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Tiers = tuple[tuple[timedelta, timedelta], ...]

# (until this age, ask at this interval); past the last age at the last interval, up to the least number of checks.
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

LEAST_CHECKS: MappingProxyType[Tiers, tuple[int, ...]] = MappingProxyType(
    {(): (), LINK: (15, 150, 250, 300), MONEY_MOVING: (30, 150, 250, 300), CANCELED: (20, 30), SETTLED: (2,)}
)
"""For each tier, how many times a payment is claimed since its last update before it leaves that tier, however old it
looks. Polling that runs in time makes more checks than these."""

LONGEST_INTERVAL = 2 * DAY
"""No payment is scheduled later than this: a later time was written by a wrong clock, or is read with one."""

RETRY = 5 * MINUTE
"""A payment that PayRam could not be asked about is due again after this, however rare its tier."""


def next_check(payment: Payment, *, now: datetime) -> datetime | None:
    """Return when PayRam should next be asked about ``payment`` without a webhook; None means never."""
    # A payment that its top-ups have paid is as settled as a filled one.
    state = State.FILLED if payment.is_paid else State(payment.state)
    since = payment.paid_at or payment.closed_at or payment.created_at
    if payment.is_confirming or state == State.PARTIALLY_FILLED:
        since = payment.updated_at
    tiers = MONEY_MOVING if payment.is_confirming else TIERS[state]
    age = now - since
    for (until, interval), checks in zip(tiers, LEAST_CHECKS[tiers], strict=True):
        if timedelta(0) <= age < until or payment.checks < checks:
            return now + interval
    # A wrong clock has measured the age of a payment that is yet to be made: it ends no schedule either.
    return now + tiers[-1][1] if tiers and age < timedelta(0) else None
