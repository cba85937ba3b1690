"""Claimed payments on their way through a queue: who may ask about them, and until when.

``next_check_at`` is the lease, as in ``resync``: a payment whose lease runs out is due again, so a batch that is lost
with its message or its worker comes round by itself. A lease is passed on only by whoever still holds it, so that a
message that arrives twice, or too late, asks about nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from django_payram.models import Payment, database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django_payram.models import PaymentQuerySet

QUEUED = timedelta(minutes=5)
"""How long a batch may wait for a worker; then its message is void and its payments are due again."""
TAKEN = timedelta(minutes=5)
"""How long a worker may ask about a batch."""


@dataclass(frozen=True)
class Lease:
    """The payments with these primary keys are leased until then: their ``next_check_at`` is exactly that moment."""

    keys: tuple[int, ...]
    until: datetime

    def payments(self) -> PaymentQuerySet:
        """Return the payments of which this lease still holds."""
        return Payment.objects.using(database()).filter(pk__in=self.keys, next_check_at=self.until)


def lend(claimed: Iterable[Payment]) -> Lease:
    """Lease payments that were just claimed to whoever gets the message, however rare or frequent their tier."""
    payments = Payment.objects.using(database()).filter(pk__in=[payment.pk for payment in claimed])
    return _lease(payments, until=timezone.now() + QUEUED)


def take(lease: Lease) -> Lease:
    """Take over what is still leased, for as long as asking about it may last. A second taker gets nothing."""
    return _lease(lease.payments(), until=timezone.now() + TAKEN)


def _lease(payments: PaymentQuerySet, *, until: datetime) -> Lease:
    with transaction.atomic(using=database()):
        # Locked in the order in which the gate locks, or the two could block each other for good.
        rows = payments.select_for_update().order_by("pk")
        keys = tuple(rows.values_list("pk", flat=True))
        Payment.objects.using(database()).filter(pk__in=keys).update(next_check_at=until)
    return Lease(keys, until)
