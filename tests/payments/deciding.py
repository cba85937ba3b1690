"""Payments and decisions without a database: rows that were never saved, and what the rules make of updates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import count

from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, State
from django_payram.payments import rules

NOW = datetime(2026, 8, 1, 12, tzinfo=timezone.utc)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
KEYS = count(1)


@dataclass
class Options:
    shortfall_percent: float = 3
    shortfall_usd: Decimal = Decimal(10)


def payment(state=State.OPEN, **fields):
    """Return a payment of 50 US dollars, made an hour ago, whose receivers know its state."""
    given = {"pk": next(KEYS), "amount_usd": Decimal(50), "reference": "reference", "notified_state": state}
    given |= {"created_at": EARLIER, "updated_at": EARLIER, "live_slot": "1:1"}
    return Payment(**{**given, "state": state, **fields})


def update(state=State.OPEN, usd=None, *, asked_at=NOW, **fields):
    """Return PayRam's answer: the payment is in that state, with that sum received."""
    filled = None if usd is None else Decimal(usd)
    return PaymentUpdate(state=state, word=str(state), filled_usd=filled, asked_at=asked_at, **fields)


def confirming(**fields):
    return {"on_chain": True, "confirmations": 1, "confirmations_required": 3, **fields}


def decide(row, said, *others, now=NOW, options=None, **how):
    """Return what the rules decide of a payment, beside the others that are decided with it."""
    members = tuple(sorted((row, *others), key=lambda member: member.pk))
    return rules.decide(rules.Group(row, members), said, now, options or Options(), **how)


def after(row, *updates, others=(), **how):
    """Return the payment as it is after these updates, one after the other."""
    for said in updates:
        row = decide(row, said, *others, **how).group.payment
    return row


def changed(decision):
    """Return the names of the fields that a decision changes, by primary key."""
    return {row.pk: set(names) for row, names in decision.changes}


def outcomes(decision):
    return [event.outcome.value for event in decision.events]
