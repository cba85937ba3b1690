"""Asking about many payments at a time, and recording what PayRam says as the answers come."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from django_payram import conf, lifecycle, schedule
from django_payram.exceptions import PayramRefused
from django_payram.models import Payment, Source, database
from django_payram.resync import claiming
from django_payram.resync.limits import Brake, Pace
from django_payram.resync.lines import Lines
from django_payram.resync.summary import Asked, Summary, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django_payram.models import PaymentQuerySet
    from django_payram.resync.lines import Line
    from django_payram.wire import Report

logger = logging.getLogger("django_payram")

DEFAULT_THREADS = 8
BATCH_PER_THREAD = 8
"""Payments claimed at a time, for each thread, and calls handed to the pool, so that none is idle during a claim."""
SECONDS_AHEAD = 5
"""With a rate, no more is claimed than can be asked in this time: a lease must not run out before its turn."""
WRITTEN_AT_ONCE = 500
"""Answers without news that are noted by one statement."""
ANNOUNCED_AT_ONCE = 100
USELESS_TO_REPEAT = (PayramRefused, ImproperlyConfigured)
"""PayRam does not know the payment, or the settings do not know its project: nothing that passes in five minutes."""


class Answer(NamedTuple):
    """What PayRam said of a payment and when it was asked; None when it was not asked, because the run was ending."""

    payment: Payment
    asked_at: datetime
    said: Report | Exception | None


def run(
    payments: PaymentQuerySet | None = None,
    *,
    threads: int = DEFAULT_THREADS,
    limit: int | None = None,
    rate: float | None = None,
    source: Source = Source.RESYNC,
    summary: Summary | None = None,
    brake: Brake | None = None,
) -> Iterator[Asked]:
    """Ask PayRam about payments and record the answers, yielding each as it is done.

    Without ``payments`` the due ones are claimed, batch by batch; given ones are asked whether or not they are due.
    ``rate`` is how many payments a second are asked about at most. ``summary`` is filled while the run goes on, and
    ``brake`` ends it early. A project whose PayRam is down is left alone for the rest of the run: ``summary.stopped``
    says so.
    """
    summary = summary if summary is not None else Summary()
    brake, pace, lines = brake or Brake(), Pace(rate), Lines()
    size = _batch_size(threads, rate)
    if payments is None:
        lifecycle.hear_left(stop=lambda: brake.is_on)
        stream = claiming.due(size, limit, brake=brake, cut=lines.cut)
    else:
        stream = claiming.chosen(payments, size, limit, brake=brake, cut=lines.cut)
    jobs = ((payment, lines[payment.project], pace, brake) for payment in stream)
    desk = _Desk(source)
    try:
        for answer in _in_threads(jobs, threads, size):
            for asked in desk.take(answer):
                summary.count(asked)
                yield asked
    finally:
        desk.clear()
    cut = " ".join(line.cut for line in lines.values() if line.cut)
    summary.down, summary.stopped = bool(cut), cut or brake.reason


def announce_pending(*, summary: Summary | None = None, brake: Brake | None = None, after: int = 0) -> Iterator[Told]:
    """Tell receivers what they have not been told yet, yielding each payment as it is done.

    ``after`` is the primary key of the payment to begin behind.
    """
    summary = summary if summary is not None else Summary()
    brake = brake or Brake()
    pending = Payment.objects.using(database()).unannounced().filter(pk__gt=after)
    for batch in claiming.by_key(pending, ANNOUNCED_AT_ONCE):
        for payment in batch:
            if brake.is_on:
                return
            told = Told(payment=payment, announced=_announce(payment))
            summary.count_told(told)
            yield told


def _announce(payment: Payment) -> bool:
    try:
        return lifecycle.announce(payment).announced
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("The receivers of %s could not be told. %s", payment, conf.redact(str(exc)))
        return False


# Asking


def _batch_size(threads: int, rate: float | None) -> int:
    size = threads * BATCH_PER_THREAD
    return size if rate is None else max(1, min(size, int(rate * SECONDS_AHEAD)))


def _in_threads(jobs: Iterable[tuple[Payment, Line, Pace, Brake]], threads: int, most: int) -> Iterator[Answer]:
    """Ask in threads and yield the answers as they come; at most so many payments wait for theirs."""
    done: SimpleQueue[Future[Answer]] = SimpleQueue()
    under_way = 0
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="payram")
    try:
        for job in jobs:
            pool.submit(_fetch, *job).add_done_callback(done.put)
            under_way += 1
            while under_way >= most or (under_way and not done.empty()):
                yield done.get().result()
                under_way -= 1
        for _rest in range(under_way):
            yield done.get().result()
    finally:
        # A caller that stops listening waits for the calls under way, not for those that have yet to begin.
        pool.shutdown(cancel_futures=True)


def _fetch(payment: Payment, line: Line, pace: Pace, brake: Brake) -> Answer:
    """Ask about one payment, in a thread, without the database."""
    if not (line.cut or brake.is_on):
        brake.wait(pace.turn())
        brake.wait(line.held_for)
    asked_at = timezone.now()
    lost = payment.next_check_at is not None and payment.next_check_at <= asked_at
    if line.cut or brake.is_on or lost:
        # A lease that has run out while we waited may be another worker's by now.
        return Answer(payment, asked_at, None)
    return Answer(payment, asked_at, line.ask(payment))


# Recording


class _Desk:
    """Where answers are taken in, one by one: news goes through the gate, the rest is noted by the batch."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._without_news: list[Payment] = []
        self._not_asked: list[Payment] = []

    def take(self, answer: Answer) -> Iterator[Asked]:
        """Record an answer and yield what became of it; nothing when PayRam was not asked."""
        payment, asked_at, said = answer
        if said is None:
            self._not_asked.append(payment)
            return
        if isinstance(said, Exception):
            asked = Asked(payment=payment, state_before=payment.state, error=said)
        elif lifecycle.changes_nothing(payment, said, asked_at=asked_at):
            asked = self._note(payment)
        else:
            asked = self._record(payment, said, asked_at)
        if asked.error is not None:
            _if_possible(lambda: _schedule_again(answer))
        yield asked

    def clear(self) -> None:
        """Write what has been noted. What was not asked when the run ended comes round again."""
        if self._without_news:
            _if_possible(lambda: lifecycle.note_checked(self._without_news))
        if self._not_asked:
            _if_possible(lambda: claiming.come_round(self._not_asked, at=timezone.now()))
        self._without_news, self._not_asked = [], []

    def _note(self, payment: Payment) -> Asked:
        self._without_news.append(payment)
        if len(self._without_news) >= WRITTEN_AT_ONCE:
            self.clear()
        return Asked(payment=payment, state_before=payment.state)

    def _record(self, payment: Payment, said: Report, asked_at: datetime) -> Asked:
        try:
            recorded = lifecycle.record(payment, said, source=self._source, asked_at=asked_at)
        except (DatabaseError, InterfaceError, Payment.DoesNotExist) as exc:
            logger.warning("PayRam's answer about %s could not be recorded. %s", payment, conf.redact(str(exc)))
            return Asked(payment=payment, state_before=payment.state, error=exc)
        return Asked(
            payment=recorded.payment,
            state_before=payment.state,
            news=recorded.news,
            announced=recorded.announced,
        )


def _schedule_again(answer: Answer) -> None:
    """Say when to ask about a payment again after an error: soon, unless the same question gets the same answer."""
    if isinstance(answer.said, USELESS_TO_REPEAT):
        claiming.back_to_tier(answer.payment, asked_at=answer.asked_at)
    else:
        claiming.come_round([answer.payment], at=answer.asked_at + schedule.RETRY)


def _if_possible(write: Callable[[], None]) -> None:
    """Write something down, unless the database is busy: every payment is leased, and comes round when that ends."""
    try:
        write()
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("When to ask about some payments again could not be written. %s", conf.redact(str(exc)))
