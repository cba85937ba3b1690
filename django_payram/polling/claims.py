"""Which payments a worker asks about. A claim pushes each to its next check before PayRam is asked."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from django_payram.models import Payment, database, pages
from django_payram.payments import schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from django_payram.models import PaymentQuerySet
    from django_payram.polling.rate_limit import StopSignal

logger = logging.getLogger("django_payram")

CLAIM_ATTEMPTS = 5
CLAIM_PAUSE_SECONDS = 0.2


def claim(size: int, *, now: datetime | None = None, without: Collection[str] = ()) -> list[Payment]:
    """Claim up to ``size`` due payments: push them to their next check and return them.

    ``without`` names projects that are not to be asked. Rows that another worker is claiming are skipped where the
    database can (PostgreSQL, MariaDB). On SQLite the second of two workers fails with "database is locked" and
    claims again.
    """
    now = now or timezone.now()
    due = Payment.objects.due(now).exclude(project__in=without)
    return _push(due[:size], now=now, skip_locked=_can_skip())


def due(
    size: int, limit: int | None, *, stop: StopSignal, unavailable: Callable[[], Collection[str]]
) -> Iterator[Payment]:
    """Claim the due payments, batch by batch. ``unavailable`` tells which projects are not to be asked by now."""
    left = sys.maxsize if limit is None else limit
    _recall()
    while left and not stop.is_set and (batch := _claim_patiently(min(size, left), stop, unavailable())):
        yield from batch
        left -= len(batch)


def _recall() -> None:
    """Make due what a clock that was ahead has scheduled: later than anything is, or before it was put back an hour."""
    now = timezone.now()
    ahead = Q(next_check_at__gt=now + schedule.LONGEST_INTERVAL)
    if not settings.USE_TZ:
        soon = Q(next_check_at__range=(now + schedule.MINUTE, now + 2 * schedule.HOUR))
        ahead |= soon & (Q(checked_at__gt=now) | Q(created_at__gt=now))
    misdated = Payment.objects.scheduled().filter(ahead)
    if misdated.using(database()).exists():
        update_unlocked(misdated, next_check_at=now)


def _claim_patiently(size: int, stop: StopSignal, without: Collection[str]) -> list[Payment]:
    for _attempt in range(CLAIM_ATTEMPTS):
        try:
            return claim(size, without=without)
        except OperationalError as exc:
            logger.info("Payments could not be claimed, because another worker is claiming some. %s", exc)
            stop.wait(CLAIM_PAUSE_SECONDS)
    return claim(size, without=without)


def chosen(
    payments: PaymentQuerySet,
    size: int,
    limit: int | None,
    *,
    stop: StopSignal,
    unavailable: Callable[[], Collection[str]],
) -> Iterator[Payment]:
    """Claim given payments, due or not.

    Those of projects that turn out to be down are left out, but for the ones whose receivers have yet to be notified.
    """
    left = sys.maxsize if limit is None else limit
    for page in pages(payments.filter(reference__isnull=False), size):
        if stop.is_set or not left:
            return
        down = unavailable()
        keys = [payment.pk for payment in page if payment.project not in down or payment.undelivered][:left]
        yield from _push(Payment.objects.filter(pk__in=keys).order_by("pk"), now=timezone.now())
        left -= len(keys)


def _push(payments: PaymentQuerySet, *, now: datetime, skip_locked: bool = False) -> list[Payment]:
    by_moment = defaultdict(list)
    with transaction.atomic(using=database()):
        # Locking rows, as updating them, goes to the database that payments are written to.
        rows = list(payments.select_for_update(skip_locked=skip_locked))
        for row in rows:
            # The last check of all is pushed as well, or a killed worker would lose it.
            row.checks += 1
            row.next_check_at = schedule.next_check(row, now=now) or now + schedule.RETRY
            by_moment[row.next_check_at].append(row.pk)
        # A batch has a handful of tiers: one plain UPDATE for each is far cheaper than a CASE with a branch a row.
        for moment, keys in by_moment.items():
            Payment.objects.filter(pk__in=keys).update(next_check_at=moment, checks=F("checks") + 1)
    return rows


def release(payments: Iterable[Payment], *, at: datetime) -> None:
    """Make payments due at a moment, however rare their tier: PayRam was not asked, or gave no answer.

    A payment that is being written is skipped: whoever writes it sets its next check.
    """
    rows = Payment.objects.filter(pk__in=[payment.pk for payment in payments], next_check_at__gt=at)
    update_unlocked(rows, next_check_at=at)


def keep_tier(payment: Payment, *, asked_at: datetime) -> None:
    """Make a payment due when its tier says so, and past its last age never: asking sooner would be useless.

    Where the claim is gone, whoever took it or wrote the payment has set its next check.
    """
    claimed = Payment.objects.filter(pk=payment.pk, next_check_at=payment.next_check_at)
    update_unlocked(claimed, next_check_at=schedule.next_check(payment, now=asked_at))


def mark_checked(payments: Iterable[Payment]) -> None:
    """Write that PayRam has been asked about ``payments`` just now. A payment that is being written is skipped."""
    update_unlocked(Payment.objects.filter(pk__in=[payment.pk for payment in payments]), checked_at=timezone.now())


def update_unlocked(payments: PaymentQuerySet, **values: datetime | None) -> None:
    """Update times of payments, but for those that are being written at the moment, where the database can tell."""
    with transaction.atomic(using=database()):
        # Locked in the order in which transitions lock, or the two could block each other for good.
        rows = payments.only("pk").order_by("pk").select_for_update(skip_locked=_can_skip())
        Payment.objects.filter(pk__in=[row.pk for row in rows]).update(**values)


def _can_skip() -> bool:
    return connections[database()].features.has_select_for_update_skip_locked
