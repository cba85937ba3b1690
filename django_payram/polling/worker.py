"""Asking about many payments at a time, and recording what PayRam says as the answers come."""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramRefused
from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY, Payment, Source, database, give_back_connections, log_fields, pages
from django_payram.payments import rules, schedule, transitions, webhooks
from django_payram.payments.refresh import record_denial
from django_payram.polling import claims
from django_payram.polling.circuit_breaker import CircuitBreakers
from django_payram.polling.rate_limit import RateLimiter, StopSignal
from django_payram.receivers import send_due_mail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django_payram.gateway.payloads import PaymentUpdate
    from django_payram.models import PaymentQuerySet
    from django_payram.polling.circuit_breaker import CircuitBreaker

logger = logging.getLogger("django_payram")

DEFAULT_THREADS = 8
BATCH_PER_THREAD = 8
"""Payments claimed at a time, for each thread, and calls handed to the pool, so that none is idle during a claim."""
SECONDS_AHEAD = 5
"""With a rate, no more is claimed than can be asked in this time: a claim must not run out before its call."""
WRITTEN_AT_ONCE = 500
"""Answers without news that are written by one statement."""
NOTIFIED_AT_ONCE = 100
ASK_SECONDS = 50
"""How long ``watch``, or a Celery task, asks before it looks at what follows, and goes on in the next round."""
KEPT_WEBHOOK_SECONDS = 20
"""How long a run handles kept webhooks, once it has asked about what is due or its time is over."""
NOTIFY_SECONDS = 50
"""How long receivers are sent what is undelivered, after that."""
USELESS_TO_REPEAT = (PayramRefused, ImproperlyConfigured)
"""PayRam does not know the payment, or the settings do not know its project: nothing that passes in five minutes."""

SHORTEST_SLEEP_SECONDS = 1
LONGEST_SLEEP_SECONDS = 30
"""A payment made while ``watch`` sleeps is first due after a minute."""
NOTIFY_INTERVAL_SECONDS = 60
"""How often ``watch`` looks for what is undelivered."""


@dataclass(frozen=True)
class Result:
    """What became of one payment: what PayRam's answer changed, or the error, and whether a receiver failed.

    Not ``asked`` are those whose receivers were only sent what was undelivered.
    """

    payment: Payment
    state_before: str
    asked: bool = True
    news: bool = False
    announced: bool = True
    error: Exception | None = None


@dataclass
class Summary:
    """What a run did. ``stopped`` says why it ended early, ``down`` that PayRam was the reason."""

    asked: int = 0
    news: int = 0
    failed: int = 0
    receivers_failed: int = 0
    announced: int = 0
    stopped: str = ""
    down: bool = False

    def count(self, result: Result) -> None:
        """Add one payment."""
        self.asked += result.asked
        self.news += result.news
        self.announced += result.announced and not result.asked
        self.receivers_failed += not result.announced
        self.failed += result.error is not None

    @property
    def exit_code(self) -> int:
        """0 all well, 1 PayRam could not be asked, 3 a receiver failed and will be notified again."""
        if self.failed or self.down:
            return 1
        return 3 if self.receivers_failed else 0


class Answer(NamedTuple):
    """What PayRam said of a payment and when it was asked; None when it was not asked, because the run was ending."""

    payment: Payment
    asked_at: datetime
    said: PaymentUpdate | Exception | None


def run(
    payments: PaymentQuerySet | None = None,
    *,
    threads: int = DEFAULT_THREADS,
    limit: int | None = None,
    rate: float | None = None,
    source: Source = Source.RESYNC,
    summary: Summary | None = None,
    stop: StopSignal | None = None,
) -> Iterator[Result]:
    """Ask PayRam about payments and record the answers, yielding each as it is done.

    Without ``payments`` the due ones are claimed, batch by batch, and kept webhooks are handled after them; given ones
    are asked whether or not they are due, and their receivers are sent what is undelivered even if PayRam gives no
    answer. ``rate`` is how many payments a second are asked about at most. ``summary`` is filled while the run goes on.
    ``stop`` ends it early; its time limit is that of asking, kept webhooks have their own. A project whose PayRam is
    down is not asked for the rest of the run: ``summary.stopped`` says so.
    """
    summary = summary if summary is not None else Summary()
    stop, rate_limiter, breakers = stop or StopSignal(), RateLimiter(rate), CircuitBreakers()
    size = _batch_size(threads, rate)
    if payments is None:
        stream = claims.due(size, limit, stop=stop, unavailable=breakers.open)
    else:
        stream = claims.chosen(payments, size, limit, stop=stop, unavailable=breakers.open)
    jobs = ((payment, breakers[payment.project], rate_limiter, stop) for payment in stream)
    recorder = _Recorder(source, chosen=payments is not None)
    try:
        for answer in _in_threads(jobs, threads, size):
            for result in recorder.take(answer):
                summary.count(result)
                yield result
    finally:
        recorder.flush()
    if payments is None and not stop.was_set:
        ends = time.monotonic() + KEPT_WEBHOOK_SECONDS
        webhooks.retry_kept_webhooks(stop=lambda: stop.was_set or time.monotonic() >= ends)
    reasons = " ".join(breaker.open_reason for breaker in breakers.values() if breaker.open_reason)
    summary.down, summary.stopped = bool(reasons), reasons or stop.reason


def notify_undelivered(
    *, before: datetime | None = None, summary: Summary | None = None, stop: StopSignal | None = None
) -> Iterator[Result]:
    """Send receivers what is undelivered and due to be tried again, yielding each payment as it is done.

    What takes longer than NOTIFY_SECONDS is left to the next time: receivers may be slow, and asking must not wait.
    At the end the managers are sent the mail that is due, in a shop that has connected ``mail_managers``.
    ``before`` is the moment by which it was due (default: now): the start of a run that has just tried some of them.
    """
    summary = summary if summary is not None else Summary()
    stop = stop or StopSignal()
    now, ends = timezone.now(), time.monotonic() + NOTIFY_SECONDS
    # A time further away than any pause was written by a wrong clock.
    misdated = Q(next_delivery_at__gt=now + schedule.LONGEST_INTERVAL)
    due = Payment.objects.undelivered().filter(Q(next_delivery_at__lte=before or now) | misdated)
    for batch in pages(due, NOTIFIED_AT_ONCE):
        for payment in batch:
            if stop.was_set or time.monotonic() >= ends:
                return
            result = _notify(payment)
            summary.count(result)
            yield result
    send_due_mail()


def watch(
    *, stop: StopSignal, threads: int = DEFAULT_THREADS, rate: float | None = None, summary: Summary | None = None
) -> Iterator[Result]:
    """Ask about payments as they become due, until ``stop`` is set, yielding each payment as it is done.

    A database or a PayRam that is away for a while is waited for.
    """
    summary = summary if summary is not None else Summary()
    notified_at = -math.inf
    while not stop.is_set:
        # As at the start of a request: a connection that the database has closed is replaced.
        close_old_connections()
        try:
            started = timezone.now()
            asking = StopSignal(ASK_SECONDS, parent=stop)
            yield from run(threads=threads, rate=rate, summary=summary, stop=asking)
            pause = LONGEST_SLEEP_SECONDS if summary.down else seconds_to_the_next()
            if time.monotonic() - notified_at >= NOTIFY_INTERVAL_SECONDS:
                notified_at = time.monotonic()
                yield from notify_undelivered(before=started, summary=summary, stop=stop)
        except DATABASE_BUSY as exc:
            logger.warning("The database could not be reached; trying again soon. %s", redact(str(exc)))
            pause = LONGEST_SLEEP_SECONDS
        give_back_connections()
        stop.wait(pause)
    # PayRam may have been down for a while; ending when asked to is no failure.
    summary.down, summary.stopped = False, stop.reason


def seconds_to_the_next() -> float:
    """Return for how many seconds nothing is due, within bounds."""
    due = Payment.objects.using(database()).scheduled().values_list("next_check_at", flat=True).first()
    if due is None:
        return LONGEST_SLEEP_SECONDS
    left = (due - timezone.now()).total_seconds()
    return min(max(left, SHORTEST_SLEEP_SECONDS), LONGEST_SLEEP_SECONDS)


def _batch_size(threads: int, rate: float | None) -> int:
    size = threads * BATCH_PER_THREAD
    return size if rate is None else max(1, min(size, int(rate * SECONDS_AHEAD)))


# Asking


def _in_threads(
    jobs: Iterable[tuple[Payment, CircuitBreaker, RateLimiter, StopSignal]], threads: int, most: int
) -> Iterator[Answer]:
    """Ask in threads and yield the answers as they come; at most so many payments wait for theirs."""
    done: SimpleQueue[Future[Answer]] = SimpleQueue()
    under_way = 0
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="payram")
    try:
        for job in jobs:
            pool.submit(_fetch, *job).add_done_callback(done.put)
            under_way += 1
            while under_way >= most or (under_way and not done.empty()):
                yield _next(done)
                under_way -= 1
        for _rest in range(under_way):
            yield _next(done)
    finally:
        # A caller that stops listening waits for the calls under way, not for those that have yet to begin.
        pool.shutdown(cancel_futures=True)


def _next(done: SimpleQueue[Future[Answer]]) -> Answer:
    if done.empty():
        give_back_connections()
    return done.get().result()


def _fetch(payment: Payment, breaker: CircuitBreaker, rate_limiter: RateLimiter, stop: StopSignal) -> Answer:
    """Ask about one payment, in a thread, without the database."""
    if not (breaker.open_reason or stop.is_set):
        stop.wait(rate_limiter.reserve())
        stop.wait(breaker.seconds_to_wait)
    asked_at = timezone.now()
    # A claim that has run out while this thread waited may be another worker's by now.
    lost = payment.next_check_at is not None and payment.next_check_at <= asked_at
    if breaker.open_reason or stop.is_set or lost:
        return Answer(payment, asked_at, None)
    return Answer(payment, asked_at, breaker.ask(payment))


# Recording


class _Recorder:
    """Records answers one by one: news by a transition, the rest by the batch."""

    def __init__(self, source: Source, *, chosen: bool) -> None:
        self._source = source
        self._chosen = chosen
        self._without_news: list[Payment] = []
        self._not_asked: list[Payment] = []

    def take(self, answer: Answer) -> Iterator[Result]:
        """Record an answer and yield what became of it; nothing when there was nothing to do."""
        payment, _asked_at, said = answer
        # Those that were chosen are sent what is undelivered in any case.
        undelivered = self._chosen and bool(payment.undelivered)
        if said is None:
            self._not_asked.append(payment)
            if undelivered:
                yield _notify(payment)
        elif isinstance(said, Exception):
            with _unless_busy():
                _schedule_again(answer, said)
                record_denial(payment, said, source=self._source)
            announced = _notify(payment).announced if undelivered else True
            yield Result(payment, payment.state, error=said, announced=announced)
        elif rules.is_repetition(payment, said, timezone.now(), conf.project(payment.project)):
            self._without_news.append(payment)
            if len(self._without_news) >= WRITTEN_AT_ONCE:
                self.flush()
            yield Result(payment, payment.state)
        else:
            yield self._record(answer, said)

    def flush(self) -> None:
        """Write what has been collected. What was not asked when the run ended is due again."""
        if self._without_news:
            with _unless_busy():
                claims.mark_checked(self._without_news)
        if self._not_asked:
            with _unless_busy():
                claims.release(self._not_asked, at=timezone.now())
        self._without_news, self._not_asked = [], []

    def _record(self, answer: Answer, said: PaymentUpdate) -> Result:
        payment = answer.payment
        try:
            # A run over given payments was asked for; otherwise receivers that failed wait until their pause is over.
            result = transitions.apply(payment, said, source=self._source, retry=self._chosen)
        except (DatabaseError, InterfaceError, Payment.DoesNotExist) as exc:
            logger.warning(
                "PayRam's answer about %s could not be recorded. %s",
                payment,
                redact(str(exc)),
                extra=log_fields(payment),
            )
            with _unless_busy():
                _schedule_again(answer, exc)
            return Result(payment, payment.state, error=exc)
        return Result(result.payment, payment.state, news=result.is_news, announced=result.delivered)


def _notify(payment: Payment) -> Result:
    delivered = False
    try:
        delivered = transitions.notify(payment).delivered
    except (DatabaseError, InterfaceError) as exc:
        logger.warning(
            "The receivers of %s could not be notified. %s", payment, redact(str(exc)), extra=log_fields(payment)
        )
    return Result(payment, payment.state, asked=False, announced=delivered)


def _schedule_again(answer: Answer, error: Exception) -> None:
    """Say when to ask about a payment again after an error: soon, unless the same question gets the same answer."""
    if isinstance(error, USELESS_TO_REPEAT):
        claims.keep_tier(answer.payment, asked_at=answer.asked_at)
    else:
        claims.release([answer.payment], at=answer.asked_at + schedule.RETRY)


@contextmanager
def _unless_busy() -> Iterator[None]:
    """Write something down, unless the database is busy: every payment is claimed, and is due when that ends."""
    try:
        yield
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("When to ask about some payments again could not be written. %s", redact(str(exc)))
