"""What is stored of one customer: telling it, and erasing it. Money, states and times are never touched.

A payment is the customer's when it has the e-mail address or the customer id asked for, or when it has no address and
shares its customer id with one that has. An event is the customer's when it belongs to such a payment, or when it
repeats the address or names the id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q

from django_payram import emails, erasing
from django_payram.models import Payment, PaymentEvent, database, order_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

    from django_payram.models import PaymentQuerySet

PAYMENT_FIELDS = (
    *("token", "project", "reference", "order_id", "customer_id", "customer_email", "amount_usd", "state"),
    *("filled_usd", "topped_up_usd", "filled_amount", "currency", "blockchain", "deposit_address", "explorer_url"),
    *("confirmations", "confirmations_required", "url", "review", "metadata", "announce_error"),
    *("created_at", "updated_at", "paid_at", "closed_at", "checked_at", "next_check_at"),
)
EVENT_FIELDS = (
    *("project", "reference", "source", "outcome", "state_before", "state_after", "payload", "error", "note"),
    "created_at",
)


@dataclass(frozen=True)
class Customer:
    """Whose data: an e-mail address or a customer id, in one project or in all of them."""

    name: str
    project: str | None = None

    @property
    def email(self) -> str:
        """The e-mail address; blank when the customer is named by an id."""
        return self.name if "@" in self.name else ""

    @cached_property
    def spellings(self) -> set[str]:
        """How the name is written in payments; one walk through the table finds it out for an address."""
        if not self.email:
            return {self.name}
        found = self._payments().filter(customer_email__iexact=self.email)
        return {self.name, *found.values_list("customer_email", flat=True).distinct()}

    def named(self) -> PaymentQuerySet:
        """Return the payments with the address or the id."""
        return self._payments().filter(Q(customer_email__in=self.spellings) | Q(customer_id__in=self.spellings))

    def related(self) -> PaymentQuerySet:
        """Return the payments without an address that share their customer id with one that has the customer's."""
        named = self.named().exclude(customer_id="")
        same = named.filter(project=OuterRef("project"), customer_id=OuterRef("customer_id"))
        blank = self._payments().filter(customer_email="", customer_id__in=named.values("customer_id"))
        return blank.filter(Exists(same)).exclude(customer_id__in=self.spellings)

    def pages(self) -> Iterator[list[Payment]]:
        """Yield the customer's payments in batches; the related ones first, which are found by way of the others."""
        for rows in (self.related(), self.named()):
            yield from erasing.pages(rows.select_related("parent"))

    def mentions(self) -> Iterator[list[PaymentEvent]]:
        """Yield, in batches, events that are about the customer and belong to none of the customer's payments."""
        columns = erasing.OF_EVENTS if self.email else ["payload"]
        suspects = self._events().filter(erasing.holds(emails.spellings(self.name), columns))
        for page in erasing.pages(suspects.select_related("payment")):
            mine = self._mine({event.payment_id for event in page if event.payment_id is not None})
            yield [event for event in page if event.payment_id not in mine and self._is_mentioned(event)]

    def scrub(self, text: str) -> str:
        """Return a text, which may be about other people as well, without this customer."""
        return emails.scrub_person(text, email=self.email, customer_ids=[self.name])

    def _mine(self, keys: set[int]) -> set[int]:
        found = (rows.filter(pk__in=keys) for rows in (self.related(), self.named()))
        return {payment.pk for rows in found for payment in rows.only("pk")}

    def _is_mentioned(self, event: PaymentEvent) -> bool:
        texts = [getattr(event, name) for name in erasing.OF_EVENTS]
        return any(self.scrub(text) != text for text in texts)

    def _payments(self) -> PaymentQuerySet:
        rows = Payment.objects.using(database())
        return rows.all() if self.project is None else rows.filter(project=self.project)

    def _events(self) -> QuerySet[PaymentEvent]:
        rows = PaymentEvent.objects.using(database())
        return rows.all() if self.project is None else rows.filter(project=self.project)


# Telling


def payments(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield what is stored of each of the customer's payments."""
    for page in customer.pages():
        for payment in page:
            yield {
                **{name: getattr(payment, name) for name in PAYMENT_FIELDS},
                "order": _model_of_order(payment),
                "tops_up": payment.parent and payment.parent.token,
            }


def events(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield what is stored of each event that is about the customer, those of payments first."""
    for page in _all_events(customer):
        for event in page:
            facts = {name: getattr(event, name) for name in EVENT_FIELDS}
            yield {**facts, "payment": event.payment and event.payment.token}


def _all_events(customer: Customer) -> Iterator[list[PaymentEvent]]:
    for page in customer.pages():
        yield from _events_of(page)
    yield from customer.mentions()


def _events_of(page: list[Payment]) -> Iterator[list[PaymentEvent]]:
    events = PaymentEvent.objects.using(database()).filter(payment__in=page)
    return erasing.pages(events.select_related("payment"))


def _model_of_order(payment: Payment) -> str | None:
    if payment.order_type_id is None:
        return None
    kind = order_type(payment)
    return f"{kind.app_label}.{kind.model}"


# Erasing


@dataclass
class Erased:
    """How many rows were changed, and which customer ids were kept because PayRam is still asked about them."""

    payments: int = 0
    events: int = 0
    kept_customer_ids: set[str] = field(default_factory=set)


def erase(customer: Customer, *, metadata: bool = False, erased: Erased | None = None) -> Iterator[int]:
    """Erase what is personal in the customer's payments and events, yielding the number of rows of each batch.

    E-mail addresses go everywhere; a customer id that the shop has chosen goes once PayRam is no longer asked about the
    payment. ``metadata`` empties the shop's own notes as well. ``erased`` is filled while it goes on. Done again it
    changes nothing.
    """
    erased = erased if erased is not None else Erased()
    columns = erasing.OF_PAYMENTS + (erasing.OF_THE_SHOP if metadata else ())
    for changed in _changes(customer, metadata=metadata, erased=erased):
        erased.events += erasing.save_events(changed.events)
        forget = partial(_forget_all, metadata=metadata)
        erased.payments += erasing.change_payments(changed.payments, forget, columns)
        yield len(changed)


def preview(customer: Customer, *, metadata: bool = False) -> Erased:
    """Return what ``erase`` would do, without doing it."""
    erased = Erased()
    for changed in _changes(customer, metadata=metadata, erased=erased):
        erased.events += len(changed.events)
        erased.payments += len(changed.payments)
    return erased


@dataclass(frozen=True)
class _Changed:
    """Rows from which personal data was taken, not yet saved."""

    payments: list[Payment] = field(default_factory=list)
    events: list[PaymentEvent] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.payments) + len(self.events)


def _changes(customer: Customer, *, metadata: bool, erased: Erased) -> Iterator[_Changed]:
    """Yield what is to be saved: events before the payments by which they are found, should the run be broken off."""
    lost_ids = [customer.name]
    for page in customer.pages():
        erased.kept_customer_ids |= {payment.customer_id for payment in page if _must_keep_id(payment)}
        if any(payment.customer_id == customer.name and not _may_lose_id(payment) for payment in page):
            # What webhooks say of an id is kept as long as a payment keeps the id.
            lost_ids = []
        yield from _changed_events(page)
        yield _Changed(payments=[payment for payment in page if _forget_all(payment, metadata=metadata)])
    scrub = customer.scrub if customer.email else partial(emails.scrub, customer_ids=lost_ids)
    for mentions in customer.mentions():
        due = [event for event in mentions if lost_ids or not _is_awaited(event, customer)]
        yield _Changed(events=[event for event in due if erasing.clean(event, scrub)])


def _is_awaited(event: PaymentEvent, customer: Customer) -> bool:
    """An address may be a customer id as well: a webhook that waits for its payment is recognised by it."""
    if event.payment_id is not None or not customer.email:
        return False
    return emails.scrub_person(event.payload, customer_ids=[customer.name]) != event.payload


def _changed_events(page: list[Payment]) -> Iterator[_Changed]:
    lost_ids: dict[int | None, list[str]] = {
        payment.pk: [payment.customer_id] for payment in page if _may_lose_id(payment)
    }
    for events in _events_of(page):
        yield _Changed(events=[event for event in events if erasing.clean(event, _scrub_of(event, lost_ids))])


def _scrub_of(event: PaymentEvent, lost_ids: dict[int | None, list[str]]) -> Callable[[str], str]:
    return partial(emails.scrub, customer_ids=lost_ids.get(event.payment_id, []))


def _may_lose_id(payment: Payment) -> bool:
    """An answer about a payment is recognised by its customer id, and so is a top-up, as long as PayRam is asked."""
    return payment.next_check_at is None and erasing.has_personal_id(payment)


def _must_keep_id(payment: Payment) -> bool:
    return payment.next_check_at is not None and erasing.has_personal_id(payment)


def _forget_all(payment: Payment, *, metadata: bool) -> bool:
    lost_id, lost_metadata = _may_lose_id(payment), metadata and bool(payment.metadata)
    if lost_id:
        payment.customer_id = ""
    if lost_metadata:
        payment.metadata = {}
    return erasing.forget(payment) or lost_id or lost_metadata
