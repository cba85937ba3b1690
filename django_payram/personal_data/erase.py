"""Taking personal data out of rows, a page at a time.

Of payments only the columns named here are written, of events only ``customer_id``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.db import transaction

from django_payram.models import OrderKey, Payment, PaymentEvent, database, order_type, pages
from django_payram.personal_data.export import PAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django_payram.personal_data.export import Customer

BLANK = MappingProxyType({"customer_email": "", "customer_id": "", "metadata": {}})
"""The personal columns of a payment, and what each holds once it is erased."""

ID_WITHOUT_ORDER = re.compile(r"payment-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
"""How the customer id ends that a payment without an order is given by default."""


@dataclass
class Erased:
    """How many rows were changed, and which customer ids were kept because PayRam is still asked about them."""

    payments: int = 0
    events: int = 0
    kept_customer_ids: set[str] = field(default_factory=set)


def erase(
    customer: Customer, *, metadata: bool = False, erased: Erased | None = None, dry_run: bool = False
) -> Iterator[int]:
    """Erase what says who the customer is, yielding the number of rows of each page.

    Addresses are blanked; a customer id that the shop has chosen as well, once PayRam is no longer asked about the
    payment. ``metadata`` empties the shop's own notes. ``erased`` is filled while it goes on; ``dry_run`` fills it
    without changing anything. Done again it changes nothing.
    """
    erased = erased if erased is not None else Erased()
    for page in customer.payments():
        erased.kept_customer_ids |= {payment.customer_id for payment in page if _is_recognised_by_id(payment)}
        due = [payment for payment in page if personal_columns(payment, metadata=metadata)]
        changed = len(due) if dry_run else blank(due, metadata=metadata)
        erased.payments += changed
        yield changed
    # A webhook that waits for its payment is recognised by the id, as long as a payment is.
    for events in pages(customer.kept_webhooks().exclude(customer_id__in=erased.kept_customer_ids), PAGE):
        changed = len(events) if dry_run else blank_events(events)
        erased.events += changed
        yield changed


def has_personal_id(payment: Payment) -> bool:
    """Return whether the customer id says more than which order was paid: then the shop has chosen it."""
    if not payment.customer_id or ID_WITHOUT_ORDER.search(payment.customer_id):
        return False
    if payment.order_type_id is None:
        return True
    return not OrderKey(order_type(payment), payment.order_id).is_customer_id(payment.customer_id)


def _is_recognised_by_id(payment: Payment) -> bool:
    """An answer about a payment is recognised by its customer id, and so is a top-up, as long as PayRam is asked."""
    return payment.next_check_at is not None and has_personal_id(payment)


def personal_columns(payment: Payment, *, addresses_only: bool = False, metadata: bool = False) -> list[str]:
    """Return the columns of a payment in which something personal stands that may be erased now.

    A customer id goes once PayRam is not asked any more; with ``addresses_only`` it goes only if it is an address.
    """
    columns = ["customer_email"] if payment.customer_email else []
    if payment.next_check_at is None and has_personal_id(payment):
        columns += ["customer_id"] if "@" in payment.customer_id or not addresses_only else []
    return columns + (["metadata"] if metadata and payment.metadata else [])


def blank(payments: Collection[Payment], *, addresses_only: bool = False, metadata: bool = False) -> int:
    """Erase the personal columns of payments. Return how many payments were changed.

    The rows are locked and read again, because news of them may have come since.
    """
    rows = Payment.objects.using(database())
    with transaction.atomic(using=database()):
        locked = rows.select_for_update().filter(pk__in=[payment.pk for payment in payments]).order_by("pk")
        found = {row.pk: personal_columns(row, addresses_only=addresses_only, metadata=metadata) for row in locked}
        for column, empty in BLANK.items():
            keys = [key for key, columns in found.items() if column in columns]
            rows.filter(pk__in=keys).update(**{column: empty})
    return sum(map(bool, found.values()))


def blank_events(events: Collection[PaymentEvent]) -> int:
    """Erase the customer ids of kept webhooks. Return their number."""
    rows = PaymentEvent.objects.using(database())
    return rows.filter(pk__in=[event.pk for event in events]).update(customer_id="")
