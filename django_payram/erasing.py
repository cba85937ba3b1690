"""Taking personal data out of rows, a page at a time. Only the columns named here are ever written."""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import transaction
from django.db.models import Q

from django_payram import emails
from django_payram.models import Payment, PaymentEvent, database, order_type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from django.db.models import QuerySet

OF_PAYMENTS = ("customer_email", "customer_id", "announce_error")
OF_THE_SHOP = ("metadata",)
OF_EVENTS = ("payload", "error", "note")

PAGE = 200
"""Rows read and written at a time: a payload may have 64 KiB."""

ID_WITHOUT_ORDER = re.compile(r"payment-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
"""How the customer id ends that a payment without an order is given by default."""

Row = TypeVar("Row", Payment, PaymentEvent)


def pages(rows: QuerySet[Row], size: int = PAGE) -> Iterator[list[Row]]:
    """Walk through rows by primary key, so that neither memory nor a transaction grows with their number."""
    last: Any = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield page
        last = page[-1].pk


def holds(words: Collection[str], columns: Collection[str]) -> Q:
    """Return the condition for rows of which one of these columns holds one of these words, in upper or lower case."""
    return _any(columns, "icontains", words)


def may_hold_address(columns: Collection[str]) -> Q:
    """Return the condition for rows that look as if one of these columns held an e-mail address."""
    return _any(columns, "contains", emails.AT_SIGNS)


def _any(columns: Collection[str], lookup: str, words: Collection[str]) -> Q:
    conditions = (Q(**{f"{column}__{lookup}": word}) for column in columns for word in sorted(words))
    return functools.reduce(operator.or_, conditions)


def has_personal_id(payment: Payment) -> bool:
    """Return whether the customer id says more than which order was paid: then the shop has chosen it."""
    if not payment.customer_id or ID_WITHOUT_ORDER.search(payment.customer_id):
        return False
    return not payment.customer_id.endswith(_id_of_order(payment))


def _id_of_order(payment: Payment) -> str:
    if payment.order_type_id is None:
        return "\0"
    kind = order_type(payment)
    return f"{kind.app_label}.{kind.model}-{payment.order_id}"


def forget(payment: Payment) -> bool:
    """Blank the e-mail address of a payment without saving it. Return whether anything changed.

    A customer id that is an address goes as well, but only once PayRam is not asked any more: an answer is recognised
    by it, and so is a top-up.
    """
    before = [getattr(payment, name) for name in OF_PAYMENTS]
    payment.customer_email = ""
    payment.announce_error = emails.scrub(payment.announce_error)
    if payment.next_check_at is None and "@" in payment.customer_id and has_personal_id(payment):
        payment.customer_id = ""
    return before != [getattr(payment, name) for name in OF_PAYMENTS]


def clean(event: PaymentEvent, scrub: Callable[[str], str]) -> bool:
    """Scrub an event's texts without saving them. Return whether anything changed."""
    before = [getattr(event, name) for name in OF_EVENTS]
    after = [scrub(text) for text in before]
    for name, text in zip(OF_EVENTS, after, strict=True):
        setattr(event, name, text)
    return before != after


def save_events(events: Collection[PaymentEvent]) -> int:
    """Save the texts of events. Return how many they were."""
    # Texts that are blank were so before; of most events only the payload is left, and one column is far cheaper.
    columns = [name for name in OF_EVENTS if any(getattr(event, name) for event in events)]
    return PaymentEvent.objects.using(database()).bulk_update(events, columns) if columns else 0


def change_payments(
    payments: Collection[Payment], change: Callable[[Payment], bool], columns: Collection[str] = OF_PAYMENTS
) -> int:
    """Lock payments, change their personal columns and save these. Return how many were changed.

    The rows are read again, because news of them may have come since.
    """
    with transaction.atomic(using=database()):
        rows = Payment.objects.using(database()).select_for_update().filter(pk__in=[row.pk for row in payments])
        changed = [row for row in rows.order_by("pk") if change(row)]
        for column in columns:
            _save_column(changed, column)
    return len(changed)


def _save_column(payments: Collection[Payment], column: str) -> None:
    """Save a column that was blanked or left alone; only receivers' errors keep a part of what they were."""
    rows = Payment.objects.using(database())
    blank = {} if column in OF_THE_SHOP else ""
    rows.filter(pk__in=[row.pk for row in payments if getattr(row, column) == blank]).update(**{column: blank})
    if column == "announce_error":
        rows.bulk_update([row for row in payments if row.announce_error], [column])
