"""Forgetting what is no longer needed: old events, and e-mail addresses in old rows. Never money or states.

Everything is done in batches, so that locks stay short and memory flat. A run that is broken off has done whole
batches, and the next one does the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from django_payram import emails, erasing
from django_payram.models import Payment, PaymentEvent, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import QuerySet

BATCH = 1000
"""Events deleted in one statement."""

DEFAULT_EVENT_DAYS = 365


def old_events(before: datetime) -> QuerySet[PaymentEvent]:
    """Return the events from before that time."""
    return PaymentEvent.objects.using(database()).filter(created_at__lt=before)


def delete_events(before: datetime) -> Iterator[int]:
    """Delete old events, yielding the number of each batch."""
    for batch in erasing.pages(old_events(before).only("pk"), BATCH):
        PaymentEvent.objects.using(database()).filter(pk__in=[event.pk for event in batch]).delete()
        yield len(batch)


def old_emails(before: datetime) -> QuerySet[Payment]:
    """Return settled payments that may hold an e-mail address and had their last news before that time."""
    settled = Payment.objects.using(database()).filter(updated_at__lt=before, next_check_at=None)
    return settled.filter(Q(customer_email__gt="") | erasing.may_hold_address(["customer_id", "announce_error"]))


def payments_with_emails(before: datetime) -> Iterator[list[Payment]]:
    """Yield old payments that held an e-mail address in batches: it is taken out of them, and not yet saved."""
    for page in erasing.pages(old_emails(before)):
        yield [payment for payment in page if erasing.forget(payment)]


def scrub_payments(before: datetime) -> Iterator[int]:
    """Take the e-mail addresses out of old payments, yielding the number of each batch."""
    for batch in payments_with_emails(before):
        yield erasing.change_payments(batch, erasing.forget)


def old_texts(before: datetime, *, since: datetime | None = None) -> QuerySet[PaymentEvent]:
    """Return the events from before that time, and not before ``since``, whose texts may hold an e-mail address."""
    rows = old_events(before).filter(erasing.may_hold_address(erasing.OF_EVENTS)).only(*erasing.OF_EVENTS)
    return rows if since is None else rows.filter(created_at__gte=since)


def events_with_emails(before: datetime, *, since: datetime | None = None) -> Iterator[list[PaymentEvent]]:
    """Yield old events that held an e-mail address in batches: it is taken out of them, and not yet saved."""
    for page in erasing.pages(old_texts(before, since=since)):
        yield [event for event in page if erasing.clean(event, emails.scrub)]


def scrub_events(before: datetime, *, since: datetime | None = None) -> Iterator[int]:
    """Take the e-mail addresses out of old events, yielding the number of each batch."""
    for batch in events_with_emails(before, since=since):
        yield erasing.save_events(batch)
