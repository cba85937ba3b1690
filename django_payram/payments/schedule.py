"""When to ask PayRam about a payment again without a webhook: tables of ages and intervals.

A webhook may never come, and PayRam does not reliably report expiry, so every payment that reached PayRam is asked
about: often while it is young, rarely when it is old, and never once nothing can change any more. Ages are measured
with clocks, and a clock may be wrong: a payment leaves the schedule only after a number of checks as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from django_payram.models import State

if TYPE_CHECKING:
    from django_payram.models import Payment

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Tier(NamedTuple):
    """Until an age, and for so many claims since the last update, however old the payment looks, ask at an interval.

    Polling that runs in time makes more checks than these.
    """

    until: timedelta
    interval: timedelta
    checks: int


LINK = (
    Tier(30 * MINUTE, MINUTE, 15),
    Tier(DAY, 5 * MINUTE, 150),
    Tier(30 * DAY, HOUR, 250),
    Tier(180 * DAY, DAY, 300),
)
MONEY_MOVING = (
    Tier(2 * HOUR, MINUTE, 30),
    Tier(DAY, 5 * MINUTE, 150),
    Tier(30 * DAY, HOUR, 250),
    Tier(180 * DAY, DAY, 300),
)
CANCELED = (Tier(7 * DAY, HOUR, 20), Tier(180 * DAY, DAY, 30))
SETTLED = (Tier(HOUR, HOUR, 2),)

TIERS: MappingProxyType[State, tuple[Tier, ...]] = MappingProxyType(
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
    for tier in tiers:
        if timedelta(0) <= age < tier.until or payment.checks < tier.checks:
            return now + tier.interval
    # A wrong clock has measured the age of a payment that is yet to be made: it ends no schedule either.
    return now + tiers[-1].interval if tiers and age < timedelta(0) else None
