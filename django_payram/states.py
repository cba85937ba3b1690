"""The states of a payment, the reasons to look at one, and the rule that orders both.

A payment is a ratchet: each state has a rank, and reports only ever move it up. The final state is therefore
a function of the set of reports, whatever their order and number.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal


class State(models.TextChoices):
    """PayRam's states in PayRam's words, and two of our own for payments it has not confirmed yet."""

    CREATING = "CREATING", _("Being created")
    """Saved here; PayRam's answer to the create call is not known (yet)."""
    FAILED = "FAILED", _("Failed")
    """PayRam certainly made no payment: the call was refused or never left."""
    OPEN = "OPEN", _("Open")
    """The link waits for money. Money that is on the chain but unconfirmed leaves the payment open."""
    CANCELED = "CANCELED", _("Canceled")
    """The link expired or was replaced. Money may still arrive."""
    PARTIALLY_FILLED = "PARTIALLY_FILLED", _("Partially filled")
    """Less than the amount has arrived."""
    FILLED = "FILLED", _("Filled")
    """The amount has arrived, by PayRam's own tolerance."""
    OVER_FILLED = "OVER_FILLED", _("Overfilled")
    """More than the amount has arrived."""


# Declared in the order of their rank: FAILED ranks below OPEN, because a payment that PayRam does report on
# exists after all, and nothing may be lost.
RANK = MappingProxyType({state: rank for rank, state in enumerate(State)})

FULLY_FILLED = frozenset({State.FILLED, State.OVER_FILLED})
FUNDED = FULLY_FILLED | {State.PARTIALLY_FILLED}
AWAITING = frozenset({State.CREATING, State.OPEN, State.PARTIALLY_FILLED})


class Review(models.TextChoices):
    """Why a person should look at a payment, the weightiest reason first. Only AMOUNT holds a payment back."""

    AMOUNT = "amount", _("Amount differs")
    """PayRam's requested amount is not ours, or the payment is FILLED but short beyond the tolerance."""
    REGRESSION = "regression", _("PayRam reports less than before")
    """PayRam's own answer fell below what was recorded. Nothing is un-paid by itself."""
    DUPLICATE = "duplicate", _("Second payment for the order")
    """A second payment of the same order was paid."""
    LATE = "late", _("Money after cancellation")
    """Money arrived after the link had been canceled, or replaced by one for another amount."""
    PARTIAL = "partial", _("Closed while partly paid")
    """PayRam closed the link when only a part had arrived."""


WEIGHT = MappingProxyType({review: -place for place, review in enumerate(Review)})


def rises(before: State, after: State) -> bool:
    """Return whether ``after`` ranks above ``before``."""
    return RANK[after] > RANK[before]


def higher(before: State, reported: State) -> State:
    """Return the state a payment has once ``reported`` was heard."""
    return reported if rises(before, reported) else before


def larger(before: Decimal | None, reported: Decimal | None) -> Decimal | None:
    """Return the sum received once ``reported`` was heard; None means that no sum is known."""
    known = [amount for amount in (before, reported) if amount is not None]
    return max(known, default=None)


def weightiest(reasons: Iterable[str]) -> str:
    """Return the reason that stands for all of ``reasons``, or ``""`` when there is none."""
    return max((Review(reason) for reason in reasons if reason), key=WEIGHT.__getitem__, default="")
