"""What a customer is told about a payment, in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext_lazy as _

from django_payram.models import Review, Status
from django_payram.models.statuses import CENT
from django_payram.payments.links import usable_link

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from django.utils.functional import _StrPromise

    from django_payram.models import Payment

SENTENCES: Mapping[Status, _StrPromise] = MappingProxyType(
    {
        Status.PREPARING: _("Your payment link is being made. This page will tell you when it is ready."),
        Status.WAITING: _("%(amount)s USD are to be paid. This page turns by itself when the money arrives."),
        Status.CONFIRMING: _(
            "Your money is on its way: %(confirmations)s of %(required)s confirmations. There is nothing more to do."
        ),
        Status.PARTLY_PAID: _(
            "%(received)s USD have arrived, and you are short by %(missing)s USD. Please send the rest."
        ),
        Status.PAID: _("%(amount)s USD have been paid. Thank you!"),
        Status.OVERPAID: _(
            "%(amount)s USD have been paid, and %(surplus)s USD more than was asked for. "
            "The shop can see the surplus. Thank you!"
        ),
        Status.HELD: _("Your money has arrived, and a person at the shop is looking at it. You need not pay again."),
        Status.EXPIRED: _(
            "The link has expired and nothing was received. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
        Status.WITHDRAWN: _(
            "The shop takes no money on this link any more, and nothing was received. Please do not pay here. "
            "If you have sent money, it is not lost: this page will show it."
        ),
        Status.REFUNDED: _("The shop has sent %(refunded)s USD back."),
        Status.FAILED: _("No payment link could be made. You can try again from your order."),
    }
)

TWICE = _("Paid twice")
TWICE_SENTENCE = _(
    "This order has been paid already, and %(received)s USD have come once more. "
    "The shop has been told and will settle this with you."
)

LATE = _("Paid late")
LATE_SENTENCE = _(
    "%(received)s USD have come after the time for this payment was over. "
    "The shop has been told and will settle this with you."
)

DO_NOT_SEND = _("Please do not send any money to the address that you were given before.")

FORGIVEN_SENTENCE = _("%(received)s of %(amount)s USD have been paid, and the shop takes that as enough. Thank you!")

TIME_OVER_SENTENCE = _(
    "The time for this payment is over. You can pay again from your order. "
    "If you have sent money, it is not lost: this page will show it."
)

CLOSED = _("Partly paid and closed")
CLOSED_SENTENCE = _(
    "%(received)s of %(amount)s USD have arrived before the link closed. "
    "The shop has been told and will settle this with you."
)

MORE_COMING_SENTENCE = _(
    "%(received)s USD have arrived, and more is on its way: %(confirmations)s of %(required)s confirmations. "
    "Please wait for it before you send the rest."
)

PART_SENTENCE = _("A part of the %(amount)s USD has arrived. Please send the rest.")
CLOSED_PART_SENTENCE = _(
    "A part of the %(amount)s USD has arrived before the link closed. "
    "The shop has been told and will settle this with you."
)
"""For servers that do not say how much has come."""

# The tone in which the page says it.
TONES: Mapping[Status, str] = MappingProxyType(
    {
        Status.PREPARING: "calm",
        Status.WAITING: "calm",
        Status.CONFIRMING: "busy",
        Status.PARTLY_PAID: "warn",
        Status.PAID: "good",
        Status.OVERPAID: "good",
        Status.HELD: "busy",
        Status.EXPIRED: "stop",
        Status.WITHDRAWN: "stop",
        Status.REFUNDED: "calm",
        Status.FAILED: "stop",
    }
)

AMOUNT = re.compile(r"\d[\d.,\u00a0\u202f\u066b\u066c]{0,40}[\u00a0 ]USD")

FINAL = frozenset({Status.PAID, Status.OVERPAID, Status.REFUNDED, Status.FAILED})
"""Nothing more happens by itself. An expired link is not final: late money may come."""

PAYABLE = frozenset({Status.WAITING, Status.PARTLY_PAID})

RECEIVED = frozenset({Status.PAID, Status.OVERPAID, Status.PARTLY_PAID})

DEAD = frozenset({Status.EXPIRED, Status.WITHDRAWN})
"""What came after these would surprise the shop."""

REPEATABLE = frozenset({Status.EXPIRED, Status.FAILED})
"""What a new link for the order comes after."""


@dataclass(frozen=True)
class CustomerStatus:
    """A payment's status, the words for it, and its figures in US dollars with two places.

    What is missing is rounded up, what has come is rounded down.
    """

    status: Status
    title: str
    sentence: str
    tone: str
    is_final: bool
    url: str
    """The page where the customer pays, ``""`` when there is nothing to pay there."""
    is_more_coming: bool
    """Whether more money has been seen that is short of confirmations: nobody should send the rest yet."""
    warning: str
    """What the customer must not do, ``""`` when there is nothing of the kind."""
    is_repeatable: bool
    """Whether the order can be paid by another link."""
    amount_usd: Decimal
    received_usd: Decimal
    missing_usd: Decimal
    surplus_usd: Decimal
    forgiven_usd: Decimal
    refunded_usd: Decimal


def customer_status(payment: Payment) -> CustomerStatus:
    """Return what the customer of ``payment`` is told now, in the active language."""
    status = payment.status
    is_closed = status == Status.PARTLY_PAID and not payment.is_open
    is_over = status == Status.WAITING and payment.expires_at is not None and payment.expires_at <= timezone.now()
    surprise = _surprise(payment, status)
    figures = _figures(payment, status)
    words = {
        **{name.removesuffix("_usd"): number_format(sum_, decimal_pos=2) for name, sum_ in figures.items()},
        "confirmations": payment.confirmations or 0,
        "required": payment.confirmations_required or 1,
    }
    is_sum_known = figures["received_usd"] > 0
    sentence = _sentence(payment, status, is_closed=is_closed, is_over=is_over, is_sum_known=is_sum_known)
    title = CLOSED if is_closed else Status.EXPIRED.label if is_over else status.label
    tone = TONES[status]
    is_more_coming = status == Status.PARTLY_PAID and payment.is_open and _is_confirming(payment)
    if surprise:
        title, sentence, tone = *surprise, "warn"
    elif is_more_coming and is_sum_known:
        sentence, tone = MORE_COMING_SENTENCE, "busy"
    is_payable = status in PAYABLE and not (is_closed or is_over or surprise)
    return CustomerStatus(
        status=status,
        title=str(title),
        sentence=_isolated(sentence % words),
        tone=tone,
        is_final=status in FINAL,
        # Of what was sent back in part, PayRam's page would ask for too little.
        url=usable_link(payment) if is_payable and not payment.refunded_usd else "",
        is_more_coming=is_more_coming,
        warning=str(DO_NOT_SEND) if is_over or is_closed or status in DEAD else "",
        is_repeatable=is_over or status in REPEATABLE,
        **figures,
    )


def _figures(payment: Payment, status: Status) -> dict[str, Decimal]:
    """Return the sums that the customer is told, rounded so that whoever pays what is missing has paid it all."""
    received, missing = payment.received_usd, payment.missing_usd
    if status == Status.PARTLY_PAID and not received and payment.webhook_usd:
        # Old servers name the sum by webhook only. It counts for nothing, but it is what the customer has sent.
        received, missing = payment.webhook_usd, max(payment.amount_usd - payment.webhook_usd, CENT)
    return {
        "amount_usd": payment.amount_usd,
        "received_usd": received.quantize(CENT, rounding=ROUND_DOWN),
        "missing_usd": missing.quantize(CENT, rounding=ROUND_UP),
        "surplus_usd": payment.surplus_usd.quantize(CENT, rounding=ROUND_DOWN),
        "forgiven_usd": payment.forgiven_usd.quantize(CENT, rounding=ROUND_UP),
        "refunded_usd": payment.refunded_usd.quantize(CENT, rounding=ROUND_DOWN),
    }


def _isolated(sentence: str) -> str:
    """Return a sentence in which no amount changes places with its currency where it is read from right to left."""
    if not get_language_bidi():
        return sentence
    return AMOUNT.sub("\N{FIRST STRONG ISOLATE}\\g<0>\N{POP DIRECTIONAL ISOLATE}", sentence)


def _surprise(payment: Payment, status: Status) -> tuple[_StrPromise, _StrPromise] | None:
    """Return a title and a sentence for money that the shop did not expect, until it has settled that."""
    if status not in RECEIVED or not payment.received_usd:
        return None
    if payment.paid_second or payment.review == Review.DUPLICATE:
        return TWICE, TWICE_SENTENCE
    return (LATE, LATE_SENTENCE) if payment.review == Review.LATE else None


def _is_confirming(payment: Payment) -> bool:
    return payment.confirmations is not None and payment.confirmations < (payment.confirmations_required or 0)


def _sentence(payment: Payment, status: Status, *, is_closed: bool, is_over: bool, is_sum_known: bool) -> _StrPromise:
    if is_over:
        return TIME_OVER_SENTENCE
    if status == Status.PAID and payment.forgiven_usd:
        return FORGIVEN_SENTENCE
    if status != Status.PARTLY_PAID:
        return SENTENCES[status]
    if is_closed:
        return CLOSED_SENTENCE if is_sum_known else CLOSED_PART_SENTENCE
    return SENTENCES[status] if is_sum_known else PART_SENTENCE
