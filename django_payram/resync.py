"""Which payments are due, and asking PayRam about many of them.

``next_check_at`` is schedule and lease in one: a batch is claimed by pushing it to the next tier, which is committed
before PayRam is asked. A killed worker's payments come round again by themselves, and no two workers ask about one
payment in one tier. Threads only ask; what they bring back is recorded one by one.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.utils import timezone

from django_payram import conf, lifecycle, schedule
from django_payram.client import client_for
from django_payram.exceptions import PayramError, PayramUnavailable
from django_payram.models import Payment, Source, database

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
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
    ``summary`` is filled while the run goes on. A project whose PayRam is down is left alone for the rest of the run:
    ``summary.stopped`` says so.
    """
    summary = summary if summary is not None else Summary()
    lines = Lines()
    batches = _claims(limit, threads, lines) if payments is None else _pages(payments, limit, threads, lines)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="payram") as pool:
        for batch in batches:
            for asked in _ask_batch(batch, pool, lines, source):
                summary.count(asked)
                yield asked
    summary.stopped = " ".join(line.cut for line in lines.values() if line.cut)


def announce_pending(*, summary: Summary | None = None) -> Iterator[Asked]:
    """Tell receivers what they have not been told yet, yielding each payment as it is done."""
    summary = summary if summary is not None else Summary()
    for batch in _by_key(Payment.objects.using(database()).unannounced(), ANNOUNCED_AT_ONCE):
        for payment in batch:
            announced = _announce(payment)
            summary.announced += announced
            summary.receivers_failed += not announced
            yield Asked(payment=payment, state_before=payment.state, announced=announced)


ANNOUNCED_AT_ONCE = 100


def _announce(payment: Payment) -> bool:
    try:
        return lifecycle.announce(payment).announced
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("The receivers of %s could not be told. %s", payment, conf.redact(str(exc)))
        return False


# Which


def claim(size: int, *, now: datetime | None = None, without: Collection[str] = ()) -> list[Payment]:
    """Claim up to ``size`` due payments: push them to their next tier and return them.

    ``without`` names projects that are left alone. Rows that another worker is claiming at the moment are skipped where
    the database can (PostgreSQL, MariaDB). On SQLite the second of two workers fails with "database is locked" and
    claims again.
    """
    now = now or timezone.now()
    using = database()
    skip = connections[using].features.has_select_for_update_skip_locked
    with transaction.atomic(using=using):
        due = Payment.objects.using(using).select_for_update(skip_locked=skip).due(now)
        rows = list(due.exclude(project__in=without)[:size])
        for row in rows:
            # The last check of all is leased as well, or a killed worker would lose it.
            row.next_check_at = lifecycle.next_check(row, now=now) or now + schedule.RETRY
        Payment.objects.using(using).bulk_update(rows, ["next_check_at"])
    return rows


def _claims(limit: int | None, threads: int, lines: Lines) -> Iterator[list[Payment]]:
    left = limit
    while left is None or left > 0:
        size = threads * BATCH_PER_THREAD
        batch = _claim_patiently(size if left is None else min(size, left), lines.cut())
        if not batch:
            return
        yield batch
        left = None if left is None else left - len(batch)


def _claim_patiently(size: int, without: Collection[str]) -> list[Payment]:
    for _attempt in range(CLAIM_ATTEMPTS):
        try:
            return claim(size, without=without)
        except OperationalError as exc:
            logger.info("Payments could not be claimed, another worker is at it. %s", exc)
            threading.Event().wait(CLAIM_PAUSE_SECONDS)
    return claim(size, without=without)


CLAIM_ATTEMPTS = 5
CLAIM_PAUSE_SECONDS = 0.2


def _pages(payments: PaymentQuerySet, limit: int | None, threads: int, lines: Lines) -> Iterator[list[Payment]]:
    """Walk through given payments, leaving out the projects that turn out to be down."""
    left = limit
    for page in _by_key(payments.using(database()).filter(reference__isnull=False), threads * BATCH_PER_THREAD):
        batch = [payment for payment in page if payment.project not in lines.cut()][:left]
        yield batch
        left = None if left is None else left - len(batch)
        if left == 0:
            return


def _by_key(payments: PaymentQuerySet, size: int) -> Iterator[list[Payment]]:
    """Walk through payments by primary key, so that memory does not grow with their number."""
    rows, last = payments.order_by("pk"), 0
    while batch := list(rows.filter(pk__gt=last)[:size]):
        yield batch
        last = batch[-1].pk


# Asking


class Line:
    """The line to one project's PayRam: cut when it seems to be down, held while it asks to be left alone."""

    def __init__(self) -> None:
        self.failures = 0
        self.cut = ""
        self.held_until = timezone.now()
        self._lock = threading.Lock()

    def note(self, error: Exception | None) -> None:
        """Take in how a call ended; enough of them without an answer, one after the other, cut the line."""
        with self._lock:
            self.failures = self.failures + 1 if _is_outage(error) else 0
            if self.failures >= FAILURES_IN_A_ROW:
                self.cut = f"PayRam gave no answer {FAILURES_IN_A_ROW} times in a row. {error}"
        if isinstance(error, PayramUnavailable) and error.retry_after is not None:
            self.leave_alone(error.retry_after)

    def leave_alone(self, seconds: int) -> None:
        """Do as PayRam asks with Retry-After: wait for it, or cut the line when that would take too long."""
        if seconds > LONGEST_PAUSE_SECONDS:
            self.cut = f"PayRam asks to be left alone for {seconds} seconds."
        self.hold(min(seconds, LONGEST_PAUSE_SECONDS))

    def hold(self, seconds: int) -> None:
        """Let every thread wait for so long."""
        self.held_until = max(self.held_until, timezone.now() + timedelta(seconds=seconds))

    def wait(self) -> None:
        """Wait while the line is held."""
        left = (self.held_until - timezone.now()).total_seconds()
        if left > 0:
            threading.Event().wait(left)


class Lines(defaultdict[str, Line]):
    """The line of each project, by name."""

    def __init__(self) -> None:
        super().__init__(Line)

    def cut(self) -> set[str]:
        """Return the projects that are left alone for the rest of the run."""
        return {name for name, line in self.items() if line.cut}


def _is_outage(error: Exception | None) -> bool:
    return isinstance(error, PayramUnavailable) and (error.status is None or error.status >= 500)


def _ask_batch(batch: list[Payment], pool: ThreadPoolExecutor, lines: Lines, source: Source) -> Iterator[Asked]:
    """Ask about a batch in threads, record in this one. What was not asked when a line was cut comes round again."""
    work = [(payment, lines[payment.project]) for payment in batch]
    answers = pool.map(lambda job: _fetch(*job), work)
    for (payment, _line), (asked_at, answer) in zip(work, answers, strict=True):
        if answer is None:
            _come_round(payment, at=asked_at)
            continue
        asked = _record(payment, answer, asked_at, source)
        if asked.error is not None:
            _come_round(payment, at=asked_at + schedule.RETRY)
        yield asked


def _fetch(payment: Payment, line: Line) -> tuple[datetime, Report | Exception | None]:
    """Ask about one payment, in a thread, without the database. None means that the line was cut before."""
    if not line.cut:
        line.wait()
    asked_at = timezone.now()
    if line.cut:
        return asked_at, None
    answer = _answer(payment)
    line.note(answer if isinstance(answer, Exception) else None)
    return asked_at, answer


def _answer(payment: Payment) -> Report | Exception:
    try:
        client = client_for(conf.project(payment.project))
        answer = client.fetch(payment.reference, customer_id=payment.customer_id or None)
    except (PayramError, ImproperlyConfigured) as exc:
        # A project that was taken out of the settings must not keep the others from being asked.
        return exc
    return replace(answer, reference=payment.reference)


def _record(payment: Payment, answer: Report | Exception, asked_at: datetime, source: Source) -> Asked:
    if isinstance(answer, Exception):
        return Asked(payment=payment, state_before=payment.state, error=answer)
    try:
        recorded = lifecycle.record(payment, answer, source=source, asked_at=asked_at)
    except (DatabaseError, InterfaceError, Payment.DoesNotExist) as exc:
        logger.warning("PayRam's answer about %s could not be recorded. %s", payment, conf.redact(str(exc)))
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
