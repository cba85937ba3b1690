"""What a payment's page says first: where it stands, its money, what needs deciding, and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from django_payram.admin.columns import status_word
from django_payram.admin.inlines import still_missing
from django_payram.admin.words import advice, sentence
from django_payram.models import USD, Payment, database, order_type
from django_payram.templatetags.payram import price, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMELINE_LENGTH = 200
"""The newest events that a payment's page shows; older ones are in the list of events."""

MOST_NEIGHBOURS = 50
"""So many payments of one order are listed; a search for the order finds the others."""


def panel(payment: Payment) -> dict[str, Any]:
    """Return what the template of the panel needs."""
    events = list(payment.events.order_by("-created_at", "-pk")[:TIMELINE_LENGTH])
    neighbours = _neighbours(payment)
    return {
        "status": status_word(payment),
        "sentence": sentence(payment),
        "advice": advice(payment),
        "figures": list(figures(payment)),
        "neighbours": [(row, status_word(row)) for row in neighbours],
        "missing": _missing(payment, neighbours),
        "refunds": payment.refunds.order_by("created_at", "pk"),
        "timeline": reversed(events),
        "newest_event": max((event.pk for event in events), default=0),
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


def _missing(payment: Payment, neighbours: list[Payment]) -> tuple[str, str]:
    """Return what the link that requests the rest says, and its query, as on the order's page; blank without a rest."""
    others = [row for row in neighbours if row.parent_id is None]
    is_paid = any(row.is_paid and row.purpose == payment.purpose for row in others)
    if payment.parent_id is not None or is_paid or any(row.pk > payment.pk for row in others):
        return "", ""
    text, asked = still_missing(payment)
    if not asked:
        return "", ""
    query = {"email": payment.customer_email, "project": payment.project, "order_number": payment.order_number}
    if payment.order_type_id is not None:
        kind = order_type(payment)
        query |= {"order_model": f"{kind.app_label}.{kind.model}", "order_key": payment.order_id}
    return text, urlencode(query | asked)


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
