"""Payments and deliveries in words, as the pages show them: templates get nothing but text."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from django_payram.sandbox import qr
from django_payram.sandbox.coins import COINS, coin_amount
from django_payram.sandbox.controls import BUTTONS, usual_part
from django_payram.sandbox.payloads import Project, plain
from django_payram.sandbox.payments import (
    CANCELLED,
    EXPIRING,
    FILLED,
    OPEN,
    OVER_FILLED,
    PARTIALLY_FILLED,
    SETTLED,
    Payment,
)

if TYPE_CHECKING:
    from django_payram.sandbox.deliveries import Delivery
    from django_payram.sandbox.processor import Processor

Facts = dict[str, object]

# State, the word on the badge, the tone of its colour.
BADGES = {
    OPEN: ("Open", "waiting"),
    PARTIALLY_FILLED: ("Partly paid", "partly"),
    FILLED: ("Paid", "paid"),
    OVER_FILLED: ("Overpaid", "paid"),
    CANCELLED: ("Expired", "closed"),
}
CONFIRMING = ("Confirming", "partly")

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


def badge(payment: Payment) -> tuple[str, str]:
    """The word for the state and its tone."""
    confirming = payment.pending and payment.state not in SETTLED
    return CONFIRMING if confirming else BADGES[payment.state]


def sentence(payment: Payment) -> str:
    """What to tell the customer about the state."""
    return _pattern(payment).format(
        received=money(payment.filled_usd),
        amount=money(payment.amount_usd),
        missing=money(payment.missing_usd),
        pending=money(sum((one.usd for one in payment.pending), Decimal(0))),
        now=payment.confirmations,
        all=payment.confirmations_required,
    )


def _pattern(payment: Payment) -> str:
    if payment.pending and payment.state not in SETTLED:
        return SEEN
    if payment.state == OPEN and payment.coin is None:
        return UNCHOSEN
    if payment.state == CANCELLED and payment.filled_usd:
        return CLOSED_PARTLY
    return SENTENCES[payment.state]


def money(amount: Decimal) -> str:
    """``$1,234.50``."""
    return f"${amount:,.2f}" if amount == round(amount, 2) else f"${amount:,f}"


def moment(when: datetime) -> str:
    """``22 Nov 2026, 21:05:09 UTC``."""
    return when.astimezone(timezone.utc).strftime("%d %b %Y, %H:%M:%S UTC")


def mark(payment: Payment) -> str:
    """Changes whenever the page of a payment would look different."""
    deposits = ",".join(str(one.confirmations) for one in payment.deposits)
    return f"{payment.state}/{payment.currency}/{payment.network}/{deposits}"


def way_back(payment: Payment, *, processor: Processor) -> str:
    """Where the customer returns to: the success URL also when only a part was paid."""
    target = _target(payment, project=processor.project)
    if not (target and processor.api_version.return_parameters):
        return target
    where = urlsplit(target)
    ids = {"reference_id": payment.reference, "invoice_id": payment.invoice_id}
    return where._replace(query=urlencode([*parse_qsl(where.query), *ids.items()])).geturl()


def _target(payment: Payment, *, project: Project) -> str:
    if payment.filled_usd:
        return project.success_url
    return project.cancel_url if payment.state == CANCELLED else ""


def summary(payment: Payment) -> Facts:
    """One payment in a list."""
    word, tone = badge(payment)
    return {
        "reference": payment.reference,
        "page": page_of(payment.reference),
        "customer": payment.customer_id,
        "email": payment.customer_email,
        "invoice": payment.invoice_id if payment.invoice_id != payment.reference else "",
        "amount": money(payment.amount_usd),
        "received": money(payment.filled_usd),
        "created": moment(payment.created_at),
        "expires": moment(payment.expires_at),
        "badge": word,
        "tone": tone,
    }


def page_of(reference: str) -> str:
    """The path of a payment's page."""
    return f"/payments?{urlencode({'reference_id': reference})}"


def payment_facts(payment: Payment, *, processor: Processor) -> Facts:
    """Everything the payment page shows."""
    settled = payment.state in SETTLED
    return {
        **summary(payment),
        "sentence": sentence(payment),
        "mark": mark(payment),
        "watch": f"/sandbox/state?{urlencode({'reference_id': payment.reference})}",
        "takes_money": payment.state in EXPIRING and bool(payment.unsent_usd),
        "settled": settled,
        "percent": str(min(int(payment.filled_usd * 100 / payment.amount_usd), 100)),
        "has_received": bool(payment.filled_usd),
        "back": way_back(payment, processor=processor),
        "chosen": _chosen(payment),
        "coins": [] if payment.deposits else _coins(payment),
        "buttons": [
            {"name": name, "text": one.text, "help": one.help, "asks_amount": one.asks_amount}
            for name, one in BUTTONS.items()
            if one.when(payment)
        ],
        "part": f"{usual_part(payment):f}",
    }


def _chosen(payment: Payment) -> Facts | None:
    coin = payment.coin
    if coin is None or payment.deposit_address is None:
        return None
    return {
        "currency": coin.currency,
        "network": coin.network_name,
        "amount": plain(coin_amount(payment.unsent_usd, coin=coin)),
        "address": payment.deposit_address,
        "picture": f"/sandbox/qr.svg?{urlencode({'reference_id': payment.reference})}",
        "has_picture": qr.can_draw(),
    }


def _coins(payment: Payment) -> list[Facts]:
    return [
        {
            "code": coin.code,
            "currency": coin.currency,
            "name": coin.currency_name,
            "network": coin.network_name,
            "amount": plain(coin_amount(payment.unsent_usd, coin=coin)),
            "chosen": coin == payment.coin,
        }
        for coin in COINS
    ]


def delivery_facts(delivery: Delivery) -> Facts:
    """One attempt to tell the shop."""
    return {
        "at": moment(delivery.at),
        "reference": delivery.reference,
        "page": page_of(delivery.reference),
        "state": delivery.state,
        "attempt": str(delivery.attempt),
        "succeeded": delivery.succeeded,
        "status": _status(delivery.status),
        "answer": delivery.answer,
        "next": moment(delivery.next_at) if delivery.next_at else "",
    }


def _status(status: int | None) -> str:
    if status is None:
        return "No answer"
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".strip()
