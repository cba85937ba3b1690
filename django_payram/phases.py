"""What a customer is told about a payment, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.db import models
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from django_payram.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

    from django_payram.models import Payment

CENT = Decimal("0.01")


class Phase(models.TextChoices):
    """Where a payment stands, as its customer sees it."""

    PREPARING = "preparing", _("Preparing")
    WAITING = "waiting", _("Waiting for your payment")
    CONFIRMING = "confirming", _("Payment seen on the chain")
    SHORT = "short", _("Partly paid")
    CLOSED_SHORT = "closed-short", _("Partly paid and closed")
    PAID = "paid", _("Paid")
    OVERPAID = "overpaid", _("Paid, with a surplus")
    HELD = "held", _("Being looked at")
    EXPIRED = "expired", _("Expired")
    FAILED = "failed", _("No payment was made")


# What to say, and the tone in which the page says it.
SENTENCES: Mapping[Phase, _StrPromise] = MappingProxyType(
    {
        Phase.PREPARING: _("Your payment link is being made. This page will tell you when it is ready."),
        Phase.WAITING: _("%(amount)s USD are to be paid. This page turns by itself when the money arrives."),
        Phase.CONFIRMING: _(
            "Your money is on its way: %(confirmations)s of %(required)s confirmations. There is nothing more to do."
        ),
        Phase.SHORT: _(
            "%(received)s USD have arrived, and you are short by %(missing)s USD. "
            "Please send the rest to the same address."
        ),
        Phase.CLOSED_SHORT: _(
            "%(received)s of %(amount)s USD have arrived before the link closed. "
            "The shop has been told and will settle this with you."
        ),
        Phase.PAID: _("%(amount)s USD have been paid. Thank you!"),
        Phase.OVERPAID: _(
            "%(amount)s USD have been paid, and %(surplus)s USD more than was asked for. "
            "The shop can see the surplus. Thank you!"
        ),
        Phase.HELD: _("Your money has arrived, and a person at the shop is looking at it. You need not pay again."),
        Phase.EXPIRED: _(
            "The link has expired and nothing was received. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
        Phase.FAILED: _("No payment link could be made. You can try again from your order."),
    }
)

TONES: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.PREPARING: "calm",
        Phase.WAITING: "calm",
        Phase.CONFIRMING: "busy",
        Phase.SHORT: "warn",
        Phase.CLOSED_SHORT: "warn",
        Phase.PAID: "good",
        Phase.OVERPAID: "good",
        Phase.HELD: "busy",
        Phase.EXPIRED: "stop",
        Phase.FAILED: "stop",
    }
)

FINAL = frozenset({Phase.PAID, Phase.OVERPAID, Phase.FAILED})
"""Nothing more happens by itself. An expired link is not final: late money may come."""

PAYABLE = frozenset({Phase.WAITING, Phase.SHORT})


@dataclass(frozen=True)
class Standing:
    """A payment's phase, the words for it, and its figures in US dollars with two places.

    What is missing is rounded up, what has come is rounded down.
    """

    phase: Phase
    title: str
    sentence: str
    tone: str
    is_final: bool
    is_payable: bool
    amount_usd: Decimal
    received_usd: Decimal
    missing_usd: Decimal
    surplus_usd: Decimal


def standing(payment: Payment) -> Standing:
    """Return what the customer of ``payment`` is told now, in the active language."""
    phase = _phase(payment)
    figures = {
        "amount_usd": payment.amount_usd,
        "received_usd": payment.received_usd.quantize(CENT, rounding=ROUND_DOWN),
        "missing_usd": payment.missing_usd.quantize(CENT, rounding=ROUND_UP),
        "surplus_usd": payment.surplus_usd.quantize(CENT, rounding=ROUND_DOWN),
    }
    words = {
        **{name.removesuffix("_usd"): number_format(sum_, decimal_pos=2) for name, sum_ in figures.items()},
        "confirmations": payment.confirmations or 0,
        "required": payment.confirmations_required or 1,
    }
    return Standing(
        phase=phase,
        title=str(phase.label),
        sentence=SENTENCES[phase] % words,
        tone=TONES[phase],
        is_final=phase in FINAL,
        is_payable=phase in PAYABLE and bool(payment.url),
        **figures,
    )


def _phase(payment: Payment) -> Phase:
    if payment.is_paid:
        return Phase.OVERPAID if payment.surplus_usd >= CENT else Phase.PAID
    if payment.is_filled:
        return Phase.HELD
    if payment.state == State.PARTIALLY_FILLED:
        return Phase.SHORT if payment.is_open else Phase.CLOSED_SHORT
    if payment.is_confirming:
        return Phase.CONFIRMING
    return PLAIN[State(payment.state)]


PLAIN: Mapping[State, Phase] = MappingProxyType(
    {
        State.CREATING: Phase.PREPARING,
        State.FAILED: Phase.FAILED,
        State.OPEN: Phase.WAITING,
        State.CANCELED: Phase.EXPIRED,
    }
)
