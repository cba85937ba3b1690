"""Whose data is whose, and what is stored of one customer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Exists, OuterRef, Q

from django_payram.models import Payment, PaymentEvent, database, order_type, pages
from django_payram.models.indexes import starts_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

PAYMENT_FIELDS = (
    *("token", "project", "reference", "order_id", "order_number", "purpose", "customer_id", "customer_email"),
    *("amount_usd", "price_amount", "price_currency", "state"),
    *(
        "filled_usd",
        "webhook_usd",
        "topped_up_usd",
        "refunded_usd",
        "filled_amount",
        "currency",
        "blockchain",
        "deposit_address",
        "explorer_url",
        "transaction_hash",
    ),
    *("confirmations", "confirmations_required", "url", "review", "metadata", "announce_error"),
    *("created_at", "updated_at", "paid_at", "closed_at", "expires_at", "withdrawn_at", "checked_at", "next_check_at"),
)
REFUND_FIELDS = ("amount_usd", "transaction", "note", "created_at")
EVENT_FIELDS = (
    *("project", "reference", "source", "outcome", "state_before", "state_after", "customer_id", "payload", "error"),
    *("note", "created_at"),
)

PAGE = 200
"""Rows read and written at a time: a payload may have 64 KiB."""

Row = TypeVar("Row", Payment, PaymentEvent)


@dataclass(frozen=True)
class Customer:
    """Whose data: an e-mail address or a customer id, in one project or in all of them.

    A payment is the customer's when it has the address, in upper or lower case, or the id; and when it has no address
    and shares its customer id with one that has the customer's.
    """

    name: str
    project: str | None = None

    @cached_property
    def spellings(self) -> set[str]:
        """How the name is written in payments."""
        if "@" not in self.name:
            return {self.name}
        rows = self._of_project(Payment.objects.using(database()).all())
        found = rows.filter(self._begins, customer_email__iexact=self.name)
        return {self.name, *found.values_list("customer_email", flat=True).distinct()}

    def named(self) -> QuerySet[Payment]:
        """Return the payments with the address or the id."""
        rows = self._of_project(Payment.objects.using(database()).all())
        has_address = self._begins & Q(customer_email__in=self.spellings)
        return rows.filter(has_address | Q(customer_id__in=self.spellings))

    def related(self) -> QuerySet[Payment]:
        """Return the payments without an address that share their customer id with one that has the customer's."""
        named = self.named().exclude(customer_id="")
        same = named.filter(project=OuterRef("project"), customer_id=OuterRef("customer_id"))
        rows = self._of_project(Payment.objects.using(database()).all())
        blank = rows.filter(customer_email="", customer_id__in=named.values("customer_id"))
        return blank.filter(Exists(same)).exclude(customer_id__in=self.spellings)

    def payments(self) -> Iterator[list[Payment]]:
        """Yield the customer's payments in pages; the related ones first, which are found by way of the others."""
        for rows in (self.related(), self.named()):
            yield from pages(rows.select_related("parent", "quote").prefetch_related("refunds"), PAGE)

    def kept_webhooks(self) -> QuerySet[PaymentEvent]:
        """Return the webhooks of the customer whose reference is not known."""
        events = self._of_project(PaymentEvent.objects.using(database()).all())
        return events.filter(payment=None, customer_id__in=self.spellings)

    @property
    def _begins(self) -> Q:
        # An index serves this; what else is asked of the address is asked of few rows.
        return starts_with("customer_email", self.name, using=database())

    def _of_project(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        return rows if self.project is None else rows.filter(project=self.project)


def payments(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield what is stored of each of the customer's payments."""
    for page in customer.payments():
        for payment in page:
            kind = None if payment.order_type_id is None else order_type(payment)
            quote = getattr(payment, "quote", None)
            yield {
                **{name: getattr(payment, name) for name in PAYMENT_FIELDS},
                "chosen_coin": quote and quote.chosen,
                "assigned_addresses": quote and quote.addresses,
                "order": kind and f"{kind.app_label}.{kind.model}",
                "tops_up": payment.parent and payment.parent.token,
                "refunds": [
                    {name: getattr(refund, name) for name in REFUND_FIELDS} for refund in payment.refunds.all()
                ],
            }


def events(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield what is stored of each event of the customer's payments, then of each kept webhook."""
    for page in _events(customer):
        for event in page:
            facts = {name: getattr(event, name) for name in EVENT_FIELDS}
            yield {**facts, "payment": event.payment and event.payment.token}


def _events(customer: Customer) -> Iterator[list[PaymentEvent]]:
    for page in customer.payments():
        of_payments = PaymentEvent.objects.using(database()).filter(payment__in=page)
        yield from pages(of_payments.select_related("payment"), PAGE)
    yield from pages(customer.kept_webhooks(), PAGE)
