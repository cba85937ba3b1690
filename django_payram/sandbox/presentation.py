"""Payments and deliveries in words: the filters of the pages' templates."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

from django.template import Library

from django_payram.sandbox.coins import Coin, coin_amount
from django_payram.sandbox.payloads import plain
from django_payram.sandbox.payments import CANCELLED, FILLED, OPEN, OVER_FILLED, PARTIALLY_FILLED, Payment

register = Library()


class Badge(NamedTuple):
    """The word for a state, and the tone of its colour."""

    word: str
    tone: str


BADGES = {
    OPEN: Badge("Open", "waiting"),
    PARTIALLY_FILLED: Badge("Partly paid", "partly"),
    FILLED: Badge("Paid", "paid"),
    OVER_FILLED: Badge("Overpaid", "paid"),
    CANCELLED: Badge("Expired", "closed"),
}
CONFIRMING = Badge("Confirming", "partly")

SENTENCES = {
    OPEN: "Waiting for the payment.",
    PARTIALLY_FILLED: "A part has arrived: {received} of {amount}. Please send the missing {missing}.",
    FILLED: "Paid in full. Thank you!",
    OVER_FILLED: "Paid. With {received} that is more than was asked.",
    CANCELLED: "This payment has expired. Please do not send anything any more.",
}
UNCHOSEN = "Choose the coin to pay with."
CLOSED_PARTLY = "This payment was closed with {received} of {amount}."
SEEN = "{pending} seen on the chain: {now} of {all} confirmations."


@register.filter
def badge(payment: Payment) -> Badge:
    """The state as the pages show it."""
    return CONFIRMING if payment.is_confirming else BADGES[payment.state]


@register.filter
def sentence(payment: Payment) -> str:
    """What the customer reads about the state."""
    return _pattern(payment).format(
        received=money(payment.filled_usd),
        amount=money(payment.amount_usd),
        missing=money(payment.missing_usd),
        pending=money(sum((one.usd for one in payment.pending), Decimal(0))),
        now=payment.confirmations,
        all=payment.confirmations_required,
    )


def _pattern(payment: Payment) -> str:
    if payment.is_confirming:
        return SEEN
    if payment.state == OPEN and payment.coin is None:
        return UNCHOSEN
    if payment.state == CANCELLED and payment.filled_usd:
        return CLOSED_PARTLY
    return SENTENCES[payment.state]


@register.filter
def money(amount: Decimal) -> str:
    """``$1,234.50``."""
    return f"${amount:,.2f}" if amount == round(amount, 2) else f"${amount:,f}"


@register.filter
def rest_in(payment: Payment, coin: Coin) -> str:
    """What is still to be sent, in that coin."""
    return plain(coin_amount(payment.unsent_usd, coin=coin))


@register.filter
def percent(payment: Payment) -> int:
    """How much of the payment has arrived, at most 100."""
    return min(int(payment.filled_usd * 100 / payment.amount_usd), 100)


@register.filter
def moment(when: datetime) -> str:
    """``22 Nov 2026, 21:05:09 UTC``."""
    return when.astimezone(timezone.utc).strftime("%d %b %Y, %H:%M:%S UTC")


@register.filter
def mark(payment: Payment) -> str:
    """Changes whenever the page of a payment would look different."""
    deposits = ",".join(str(one.confirmations) for one in payment.deposits)
    return f"{payment.state}/{payment.currency}/{payment.network}/{deposits}"


@register.filter
def page(reference: str, path: str = "/payments") -> str:
    """The address of a payment's page, or of something else about the payment."""
    return f"{path}?{urlencode({'reference_id': reference})}"


@register.filter
def phrase(status: int | None) -> str:
    """``404 Not Found``."""
    if status is None:
        return "No answer"
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".strip()
