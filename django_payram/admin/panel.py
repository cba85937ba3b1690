"""What a payment's page says first: where it stands, its money, what needs deciding, and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_payram.admin.columns import status_word
from django_payram.admin.words import advice, sentence
from django_payram.models import USD, Payment, database
from django_payram.templatetags.payram import price, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMELINE_LENGTH = 200
"""The newest events that a payment's page shows; older ones are in the list of events."""

MOST_NEIGHBOURS = 50
"""So many payments of one order are listed; a search for the order finds the others."""


def panel(payment: Payment) -> dict[str, Any]:
    """Return what the template of the panel needs."""
    events = payment.events.order_by("-created_at", "-pk")[:TIMELINE_LENGTH]
    return {
        "status": status_word(payment),
        "sentence": sentence(payment),
        "advice": advice(payment),
        "figures": list(figures(payment)),
        "neighbours": [(row, status_word(row)) for row in _neighbours(payment)],
        "refunds": payment.refunds.order_by("created_at", "pk"),
        "timeline": reversed(events),
    }


def figures(payment: Payment) -> Iterator[tuple[str, str]]:
    """Yield the money of a payment: what was asked and what has come always, the rest where there is any."""
    yield _("Asked"), usd(payment.amount_usd)
    amount, currency = payment.price
    if currency != USD:
        yield _("Price"), price((amount, currency))
    yield _("Received"), usd(payment.received_usd)
    others = (
        (_("Missing"), payment.missing_usd),
        (_("Forgiven"), payment.forgiven_usd),
        (_("Surplus"), payment.surplus_usd),
        (_("Refunded"), payment.refunded_usd),
        (_("Received according to a webhook only"), payment.webhook_usd),
    )
    yield from ((name, usd(figure)) for name, figure in others if figure)
    if payment.refunded_usd:
        yield _("Kept"), usd(payment.net_usd)


def _neighbours(payment: Payment) -> list[Payment]:
    """Return the other payments of the order, or those that belong together without one: each before its top-ups."""
    rows = Payment.objects.using(database())
    if payment.order_type_id is not None:
        rows = rows.filter(order_type=payment.order_type_id, order_id=payment.order_id)
    else:
        root = payment.parent_id or payment.pk
        rows = rows.filter(pk=root) | rows.filter(parent=root)
    found = rows.exclude(pk=payment.pk).order_by("-pk")[:MOST_NEIGHBOURS]
    return sorted(found, key=lambda row: (row.parent_id or row.pk, row.parent_id is not None, row.pk))
