"""Which payments are asked about, and the lease on them: each is pushed to its next tier before PayRam is asked."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from django.db import OperationalError, connections, transaction
from django.utils import timezone

from django_payram import lifecycle, schedule
from django_payram.models import Payment, database

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from django_payram.models import PaymentQuerySet
    from django_payram.resync.limits import Brake

logger = logging.getLogger("django_payram")

CLAIM_ATTEMPTS = 5
CLAIM_PAUSE_SECONDS = 0.2


def claim(size: int, *, now: datetime | None = None, without: Collection[str] = ()) -> list[Payment]:
    """Claim up to ``size`` due payments: push them to their next tier and return them.

    ``without`` names projects that are left alone. Rows that another worker is claiming at the moment are skipped where
    the database can (PostgreSQL, MariaDB). On SQLite the second of two workers fails with "database is locked" and
    claims again.
    """
    now = now or timezone.now()
    due = Payment.objects.due(now).exclude(project__in=without)
    return _lease(due[:size], now=now, skip_locked=_can_skip())


def due(size: int, limit: int | None, *, brake: Brake, cut: Callable[[], Collection[str]]) -> Iterator[Payment]:
    """Claim the due payments, batch by batch. ``cut`` tells which projects are left alone by now."""
    left = limit
    while not brake.is_on and left != 0:
        batch = _claim_patiently(size if left is None else min(size, left), brake, cut())
        if not batch:
            return
        yield from batch
        left = None if left is None else left - len(batch)


def _claim_patiently(size: int, brake: Brake, without: Collection[str]) -> list[Payment]:
    for _attempt in range(CLAIM_ATTEMPTS):
        try:
            return claim(size, without=without)
        except OperationalError as exc:
            logger.info("Payments could not be claimed, another worker is at it. %s", exc)
            brake.wait(CLAIM_PAUSE_SECONDS)
    return claim(size, without=without)


def chosen(
    payments: PaymentQuerySet, size: int, limit: int | None, *, brake: Brake, cut: Callable[[], Collection[str]]
) -> Iterator[Payment]:
    """Walk through given payments, due or not, leaving out the projects that turn out to be down."""
    left = limit
    for page in by_key(payments.filter(reference__isnull=False), size):
        keys = [payment.pk for payment in page if payment.project not in cut()][:left]
        yield from _lease(Payment.objects.filter(pk__in=keys).order_by("pk"), now=timezone.now())
        left = None if left is None else left - len(keys)
        if left == 0 or brake.is_on:
            return


def by_key(payments: PaymentQuerySet, size: int) -> Iterator[list[Payment]]:
    """Walk through payments by primary key, so that memory does not grow with their number."""
    rows, last = payments.using(database()).order_by("pk"), 0
    while batch := list(rows.filter(pk__gt=last)[:size]):
        yield batch
        last = batch[-1].pk


def _lease(payments: PaymentQuerySet, *, now: datetime, skip_locked: bool = False) -> list[Payment]:
    using = database()
    by_moment = defaultdict(list)
    with transaction.atomic(using=using):
        rows = list(payments.using(using).select_for_update(skip_locked=skip_locked))
        for row in rows:
            # The last check of all is leased as well, or a killed worker would lose it.
            row.next_check_at = lifecycle.next_check(row, now=now) or now + schedule.RETRY
            by_moment[row.next_check_at].append(row.pk)
        # A batch has a handful of tiers: one plain UPDATE for each is far cheaper than a CASE with a branch a row.
        for moment, keys in by_moment.items():
            Payment.objects.using(using).filter(pk__in=keys).update(next_check_at=moment)
    return rows


def come_round(payments: Iterable[Payment], *, at: datetime) -> None:
    """Ask again at a moment, however rare the payments' tier: this time PayRam could not be asked.

    A payment that is being written is left alone: whoever writes it sets its next check.
    """
    rows = Payment.objects.filter(pk__in=[payment.pk for payment in payments], next_check_at__gt=at)
    lifecycle.update_unlocked(rows, next_check_at=at)


def back_to_tier(payment: Payment, *, asked_at: datetime) -> None:
    """Ask again when the payment's tier says so, and past its last age never: asking sooner would be useless.

    Where its lease is gone, whoever took it or wrote the payment has set its next check.
    """
    leased = Payment.objects.filter(pk=payment.pk, next_check_at=payment.next_check_at)
    lifecycle.update_unlocked(leased, next_check_at=lifecycle.next_check(payment, now=asked_at))


def _can_skip() -> bool:
    return connections[database()].features.has_select_for_update_skip_locked
