"""The usual answer of a resync, that nothing has changed: seen without locking the row, noted for many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, transaction
from django.utils import timezone

from django_payram.lifecycle import ratchet
from django_payram.lifecycle.entry import next_check
from django_payram.models import Payment, database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django_payram.models import PaymentQuerySet
    from django_payram.wire import Report


def changes_nothing(payment: Payment, report: Report, *, asked_at: datetime) -> bool:
    """Return whether recording PayRam's answer would write nothing of ``payment`` but when it was asked.

    ``payment`` may have moved on since it was read: what was no news of it then is none of it now. Whatever needs more
    than a look goes through the gate: filled, held and topped-up payments, pending announcements, the last check.
    """
    simple = not (payment.is_filled or payment.is_paid or payment.pending or payment.raised or payment.parent_id)
    return (
        simple
        and not payment.topped_up_usd
        and next_check(payment, now=asked_at) is not None
        and ratchet.adds_nothing(payment, report, asked_at=asked_at)
    )


def note_checked(payments: Iterable[Payment]) -> None:
    """Write that PayRam has been asked about ``payments`` just now. A payment that is being written is left alone."""
    update_unlocked(Payment.objects.filter(pk__in=[payment.pk for payment in payments]), checked_at=timezone.now())


def update_unlocked(payments: PaymentQuerySet, **values: object) -> None:
    """Update payments, but for those that are being written at the moment, where the database can tell."""
    using = database()
    can_skip = connections[using].features.has_select_for_update_skip_locked
    with transaction.atomic(using=using):
        # Locked in the order in which the gate locks, or the two could block each other for good. Locking rows, as
        # updating them, goes to the database that payments are written to.
        rows = payments.only("pk").order_by("pk").select_for_update(skip_locked=can_skip)
        Payment.objects.filter(pk__in=[row.pk for row in rows]).update(**values)
