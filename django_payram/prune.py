"""Forgetting what is no longer needed: old events, and e-mail addresses of old payments. Never money or states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_payram.models import Payment, PaymentEvent, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import QuerySet

BATCH = 1000
"""Rows deleted or changed in one statement, so that locks stay short and memory flat."""

DEFAULT_EVENT_DAYS = 365


def old_events(before: datetime) -> QuerySet[PaymentEvent]:
    """Return the events from before that time."""
    return PaymentEvent.objects.using(database()).filter(created_at__lt=before)


def old_emails(before: datetime) -> QuerySet[Payment]:
    """Return settled payments with an e-mail address that had their last news before that time."""
    rows = Payment.objects.using(database()).filter(updated_at__lt=before, customer_email__gt="")
    return rows.filter(next_check_at=None)


def delete_events(before: datetime) -> Iterator[int]:
    """Delete old events, yielding the number of each batch."""
    rows = old_events(before)
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        rows.filter(pk__in=batch).delete()
        yield len(batch)


def scrub_emails(before: datetime) -> Iterator[int]:
    """Blank the e-mail addresses of old payments, yielding the number of each batch."""
    rows = old_emails(before)
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        rows.filter(pk__in=batch).update(customer_email="")
        yield len(batch)
