"""Which payments are due, and asking PayRam about many of them.

``next_check_at`` is schedule and lease in one: a batch is claimed by pushing it to the next tier, which is committed
before PayRam is asked. A killed worker's payments come round again by themselves, and no two workers ask about one
payment in one tier. Threads only ask; what they bring back is recorded one by one.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from django_payram import conf, lifecycle, schedule
from django_payram.client import client_for
from django_payram.exceptions import PayramError, PayramUnavailable
from django_payram.models import Payment, Source, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django_payram.models import PaymentQuerySet
    from django_payram.wire import Report

logger = logging.getLogger("django_payram")

DEFAULT_THREADS = 8
BATCH_PER_THREAD = 8
FAILURES_IN_A_ROW = 10
"""So many calls without an answer, one after the other, stop the run: PayRam is down."""
LONGEST_PAUSE_SECONDS = 60
"""How long a run waits when PayRam says 429; past that it stops, and the payments come round again."""


@dataclass(frozen=True)
class Asked:
    """One payment that PayRam was asked about: what was recorded, or the error."""

    payment: Payment
    state_before: str
    news: bool = False
    announced: bool = True
    error: Exception | None = None


@dataclass
class Summary:
    """What a run did."""

    asked: int = 0
    news: int = 0
    failed: int = 0
    receivers_failed: int = 0
    announced: int = 0
    stopped: str = ""
    errors: list[str] = field(default_factory=list)

    def count(self, asked: Asked) -> None:
        """Add one payment to the sums."""
        self.asked += 1
        self.news += asked.news
        self.failed += asked.error is not None
        self.receivers_failed += not asked.announced

    @property
    def exit_code(self) -> int:
        """0 all well, 1 PayRam could not be asked, 3 a receiver failed and will be told again."""
        if self.failed or self.stopped:
            return 1
        return 3 if self.receivers_failed else 0


def run(
    payments: PaymentQuerySet | None = None,
    *,
    threads: int = DEFAULT_THREADS,
    limit: int | None = None,
    source: Source = Source.RESYNC,
    summary: Summary | None = None,
) -> Iterator[Asked]:
    """Ask PayRam about payments and record the answers, yielding each as it is done.

    Without ``payments`` the due ones are claimed, batch by batch; given ones are asked whether or not they are due.
    ``summary`` is filled while the run goes on. The run stops early when PayRam is down: ``summary.stopped`` says so.
    """
    summary = summary if summary is not None else Summary()
    claims = _claims(limit, threads) if payments is None else _pages(payments, limit, threads)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="payram") as pool:
        breaker = _Breaker()
        for batch in claims:
            for asked in _ask_batch(batch, pool, breaker, source):
                summary.count(asked)
                yield asked
            if breaker.is_open:
                summary.stopped = breaker.reason
                return


def announce_pending(*, limit: int | None = None, summary: Summary | None = None) -> Iterator[Asked]:
    """Tell receivers what they have not been told yet, yielding each payment as it is done."""
    summary = summary if summary is not None else Summary()
    pending = Payment.objects.using(database()).unannounced().order_by("pk")
    for payment in list(pending[:limit] if limit is not None else pending[:MAX_PENDING]):
        recorded = lifecycle.announce(payment)
        summary.announced += recorded.announced
        summary.receivers_failed += not recorded.announced
        yield Asked(payment=payment, state_before=payment.state, announced=recorded.announced)


MAX_PENDING = 1000
"""Payments whose receivers are told again in one run; the rest follows in the next."""


# Which


def claim(size: int, *, now: datetime | None = None) -> list[Payment]:
    """Claim up to ``size`` due payments: push them to their next tier and return them.

    Rows that another worker is claiming at the moment are skipped where the database can (PostgreSQL, MariaDB). On
    SQLite the second of two workers fails with "database is locked" and claims again.
    """
    now = now or timezone.now()
    using = database()
    skip = connections[using].features.has_select_for_update_skip_locked
    with transaction.atomic(using=using):
        rows = list(Payment.objects.using(using).select_for_update(skip_locked=skip).due(now)[:size])
        for row in rows:
            row.next_check_at = lifecycle.next_check(row, now=now)
        Payment.objects.using(using).bulk_update(rows, ["next_check_at"])
    return rows


def _claims(limit: int | None, threads: int) -> Iterator[list[Payment]]:
    left = limit
    while left is None or left > 0:
        size = threads * BATCH_PER_THREAD
        batch = _claim_patiently(size if left is None else min(size, left))
        if not batch:
            return
        yield batch
        left = None if left is None else left - len(batch)


def _claim_patiently(size: int) -> list[Payment]:
    for _attempt in range(CLAIM_ATTEMPTS):
        try:
            return claim(size)
        except OperationalError as exc:
            logger.info("Payments could not be claimed, another worker is at it. %s", exc)
            threading.Event().wait(CLAIM_PAUSE_SECONDS)
    return claim(size)


CLAIM_ATTEMPTS = 5
CLAIM_PAUSE_SECONDS = 0.2


def _pages(payments: PaymentQuerySet, limit: int | None, threads: int) -> Iterator[list[Payment]]:
    """Walk through given payments by primary key, so that memory does not grow with their number."""
    rows = payments.using(database()).filter(reference__isnull=False).order_by("pk")
    left, last = limit, 0
    while left is None or left > 0:
        size = threads * BATCH_PER_THREAD
        batch = list(rows.filter(pk__gt=last)[: size if left is None else min(size, left)])
        if not batch:
            return
        yield batch
        last = batch[-1].pk
        left = None if left is None else left - len(batch)


# Asking


class _Breaker:
    """Counts calls without an answer; enough of them in a row mean that PayRam is down."""

    def __init__(self) -> None:
        self.failures = 0
        self.reason = ""

    @property
    def is_open(self) -> bool:
        return bool(self.reason)

    def note(self, error: Exception | None) -> None:
        self.failures = self.failures + 1 if isinstance(error, PayramUnavailable) else 0
        if self.failures >= FAILURES_IN_A_ROW:
            self.reason = f"PayRam gave no answer {FAILURES_IN_A_ROW} times in a row. {error}"
        elif isinstance(error, PayramUnavailable) and (error.retry_after or 0) > LONGEST_PAUSE_SECONDS:
            self.reason = f"PayRam asks to be left alone for {error.retry_after} seconds."


def _ask_batch(batch: list[Payment], pool: ThreadPoolExecutor, breaker: _Breaker, source: Source) -> Iterator[Asked]:
    """Ask about a batch in threads, record in this one. When the breaker opens, the rest is given back."""
    pause = _Pause()
    answers = pool.map(lambda payment: _fetch(payment, pause, breaker), batch)
    for payment, (asked_at, answer) in zip(batch, answers, strict=True):
        if answer is None:
            _come_round(payment, at=asked_at)
            continue
        asked = _record(payment, answer, asked_at, source)
        breaker.note(asked.error)
        if asked.error is not None:
            _come_round(payment, at=asked_at + schedule.RETRY)
        yield asked


class _Pause:
    """Lets every thread of a batch wait when PayRam has answered 429 with Retry-After."""

    def __init__(self) -> None:
        self.until = timezone.now()

    def wait(self) -> None:
        left = (self.until - timezone.now()).total_seconds()
        if left > 0:
            threading.Event().wait(left)

    def extend(self, seconds: int) -> None:
        self.until = max(self.until, timezone.now() + timedelta(seconds=seconds))


def _fetch(payment: Payment, pause: _Pause, breaker: _Breaker) -> tuple[datetime, Report | Exception | None]:
    """Ask about one payment, in a thread, without the database. None means that the run had stopped before."""
    if breaker.is_open:
        return timezone.now(), None
    pause.wait()
    asked_at = timezone.now()
    reference = payment.reference or ""
    try:
        client = client_for(conf.project(payment.project))
        answer = client.fetch(reference, customer_id=payment.customer_id)
    except PayramUnavailable as exc:
        if exc.retry_after is not None:
            pause.extend(min(exc.retry_after, LONGEST_PAUSE_SECONDS))
        return asked_at, exc
    except (PayramError, ImproperlyConfigured) as exc:
        # A project that was taken out of the settings must not keep the others from being asked.
        return asked_at, exc
    return asked_at, replace(answer, reference=reference)


def _record(payment: Payment, answer: Report | Exception, asked_at: datetime, source: Source) -> Asked:
    if isinstance(answer, Exception):
        return Asked(payment=payment, state_before=payment.state, error=answer)
    try:
        recorded = lifecycle.record(payment, answer, source=source, asked_at=asked_at)
    except (OperationalError, Payment.DoesNotExist) as exc:
        logger.warning("PayRam's answer about %s could not be recorded.", payment, exc_info=True)
        return Asked(payment=payment, state_before=payment.state, error=exc)
    return Asked(
        payment=recorded.payment,
        state_before=payment.state,
        news=recorded.news,
        announced=recorded.announced,
    )


def _come_round(payment: Payment, *, at: datetime) -> None:
    """Ask again soon, however rare the payment's tier: this time PayRam could not be asked."""
    rows = Payment.objects.using(database()).filter(pk=payment.pk)
    rows.filter(next_check_at__gt=at).update(next_check_at=at)
