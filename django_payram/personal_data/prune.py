"""Forgetting what is no longer needed: old events, and e-mail addresses of old payments. Never money or states.

Everything is done in batches, so that locks stay short and memory flat. A run that is broken off has done whole
batches, and the next one does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils.timezone import now

from django_payram.models import Payment, PaymentEvent, database, pages
from django_payram.personal_data.erase import blank, blank_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

BATCH = 500
"""Rows deleted or written in one transaction."""

DEFAULT_EVENT_DAYS = 365


@dataclass(frozen=True)
class Step:
    """Old rows and what is done with a batch of them. ``name`` is that of the sum in reports."""

    name: str
    rows: QuerySet[Any]
    change: Callable[[list[Any]], int]

    def run(self) -> Iterator[int]:
        """Do it, yielding the number of rows of each batch."""
        for batch in pages(self.rows, BATCH):
            yield self.change(batch)


def steps(*, events_older_than: int | None = None, scrub_emails_older_than: int | None = None) -> list[Step]:
    """Return what is to be done by age, in days: events are deleted after a year, addresses stay, unless it is said.

    Addresses are taken out of settled payments without news for so long and out of kept webhooks as old, whose customer
    id is one.
    """
    events, payments = PaymentEvent.objects.using(database()), Payment.objects.using(database())
    deleted_before = now() - timedelta(days=events_older_than or DEFAULT_EVENT_DAYS)
    addresses, kept_webhooks = payments.none(), events.none()
    if scrub_emails_older_than is not None:
        before = now() - timedelta(days=scrub_emails_older_than)
        settled = payments.filter(updated_at__lt=before, next_check_at=None)
        addresses = settled.filter(Q(customer_email__gt="") | Q(customer_id__contains="@"))
        # What is deleted needs no scrubbing.
        left = events.filter(created_at__lt=before, created_at__gte=deleted_before)
        kept_webhooks = left.filter(customer_id__contains="@")
    return [
        Step("events_deleted", events.filter(created_at__lt=deleted_before).only("pk"), _delete),
        Step("emails_blanked", addresses, partial(blank, addresses_only=True)),
        Step("events_scrubbed", kept_webhooks.only("pk"), blank_events),
    ]


def _delete(events: list[PaymentEvent]) -> int:
    PaymentEvent.objects.using(database()).filter(pk__in=[event.pk for event in events]).delete()
    return len(events)
