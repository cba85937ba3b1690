"""The states of a payment and the reasons to look at one. What moves it between them is in ``payments.rules``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """PayRam's states in PayRam's words, and two of our own for payments it has not confirmed yet.

    Declared in the order of their rank: a payment only ever moves to a later one. FAILED ranks below OPEN, because a
    payment that PayRam does report on exists after all, and nothing may be lost.
    """

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


FULLY_FILLED = frozenset({State.FILLED, State.OVER_FILLED})
FUNDED = FULLY_FILLED | {State.PARTIALLY_FILLED}
AWAITING = frozenset({State.CREATING, State.OPEN, State.PARTIALLY_FILLED})


class Review(models.TextChoices):
    """Why a person should look at a payment, the weightiest reason first. Only AMOUNT holds a payment back."""

    AMOUNT = "amount", _("Amount differs")
    """PayRam asked for another amount, or the payment is FILLED but short beyond the tolerance: it is held, not paid,
    until it is accepted, sent back, or put right by PayRam."""
    REGRESSION = "regression", _("PayRam reports less than before")
    """PayRam's own answer fell below what was recorded. Nothing is un-paid by itself."""
    DUPLICATE = "duplicate", _("Second payment for the order")
    """A second payment of an order that is paid was paid as well, or money topped up a paid one."""
    ORPHAN = "orphan", _("Money for an order that is gone")
    """Money came for an order that the shop has deleted; ``payment_paid`` is not sent."""
    UNCLEAR = "unclear", _("PayRam's report is unclear")
    """PayRam says something with money in it that cannot be read or placed, or that contradicts its own answer."""
    LATE = "late", _("Money after cancellation")
    """Money arrived after the link had been canceled, withdrawn, expired, or replaced by one for another price."""
    PARTIAL = "partial", _("Closed while partly paid")
    """PayRam closed the link when only a part had arrived."""


class Status(models.TextChoices):
    """Where a payment stands, in words for people: customers, merchants, and programs that read our JSON."""

    PREPARING = "preparing", _("Preparing")
    """The link is being made."""
    WAITING = "waiting", _("Waiting for your payment")
    CONFIRMING = "confirming", _("Payment seen on the chain")
    PARTLY_PAID = "partly_paid", _("Partly paid")
    HELD = "held", _("Being looked at")
    """All the money is there, and a person has to accept it first."""
    PAID = "paid", _("Paid")
    OVERPAID = "overpaid", _("Paid, with a surplus")
    EXPIRED = "expired", _("Expired")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    """The shop wants no money on the link any more, and none has come."""
    REFUNDED = "refunded", _("Refunded")
    """All that was received has been sent back."""
    FAILED = "failed", _("No payment was made")
