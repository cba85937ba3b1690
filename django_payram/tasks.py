"""The same work as the commands, for Celery. Imported only by Celery's autodiscovery.

``resync`` claims what is due and sends it to the workers in batches, each a task ``resync_batch``. The queue holds no
state that matters: messages are acknowledged before the work, and what is lost with a message or a worker comes round
again by its lease in the database. A schedule to copy::

    CELERY_BEAT_SCHEDULE = {
        "payram-resync": {"task": "django_payram.tasks.resync", "schedule": 60, "options": {"expires": 55}},
        "payram-prune": {"task": "django_payram.tasks.prune", "schedule": 86400, "options": {"expires": 3600}},
    }
"""

from __future__ import annotations

import logging
import random
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from celery import shared_task
from django.utils.timezone import now

from django_payram import leases, lifecycle
from django_payram import prune as pruning
from django_payram import resync as resyncing
from django_payram.models import Payment, database
from django_payram.resync.running import BATCH_PER_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.leases import Lease

logger = logging.getLogger("django_payram")

MOST_AT_ONCE = 10_000
"""Payments one run sends to the workers unless told otherwise, so that the queue is bounded; the rest stays due."""
DEFAULT_BATCH = resyncing.DEFAULT_THREADS * BATCH_PER_THREAD
HEARING_SECONDS = 20
"""No kept webhook is heard later than this after a run began: a slow PayRam must not hold up what is due."""
ASKING_SECONDS = 240
"""No call begins later than this after a worker began with a batch, so that all have ended when its lease does."""
ANNOUNCING_SECONDS = 50
"""A run that tells receivers ends after this, before the next one begins."""


@shared_task(name="django_payram.tasks.resync", ignore_result=True, acks_late=False)
def resync(
    limit: int = MOST_AT_ONCE,
    batch_size: int = DEFAULT_BATCH,
    threads: int = resyncing.DEFAULT_THREADS,
    rate: float | None = None,
) -> dict[str, int]:
    """Send the payments that are due to the workers, ``batch_size`` a task, and what is pending for receivers.

    ``limit`` is the most payments that are sent. Each worker asks about its batch in ``threads`` threads, at most
    ``rate`` times a second. Returns how many batches and payments were sent.
    """
    _at_least_one(limit=limit, batch_size=batch_size, threads=threads)
    if rate is not None and not rate > 0:
        raise ValueError(f"rate must be a number above 0, not {rate!r}.")
    hearing = resyncing.Brake(HEARING_SECONDS)
    lifecycle.hear_left(stop=lambda: hearing.is_on)
    if Payment.objects.using(database()).unannounced().exists():
        announce_pending.apply_async(expires=ANNOUNCING_SECONDS)
    batches = payments = 0
    for lease in _leases(limit, batch_size):
        arguments = {"payments": list(lease.keys), "leased_until": lease.until.isoformat()}
        # In seconds: Celery would read the end of the lease as UTC in a shop whose times have no zone.
        expires = leases.QUEUED.total_seconds()
        resync_batch.apply_async(kwargs={**arguments, "threads": threads, "rate": rate}, expires=expires)
        batches, payments = batches + 1, payments + len(lease.keys)
    logger.info("Sent %d payments to the workers, in %d batches.", payments, batches)
    return {"batches": batches, "payments": payments}


def _leases(limit: int, batch_size: int) -> Iterator[Lease]:
    while limit > 0 and (claimed := resyncing.claim(min(batch_size, limit))):
        yield leases.lend(claimed)
        limit -= len(claimed)


@shared_task(
    name="django_payram.tasks.resync_batch",
    ignore_result=True,
    acks_late=False,
    # A worker that hangs is stopped when its lease ends; until then the brake has ended the run.
    time_limit=leases.TAKEN.total_seconds(),
)
def resync_batch(
    payments: list[int],
    leased_until: str,
    threads: int = resyncing.DEFAULT_THREADS,
    rate: float | None = None,
) -> dict[str, int | str]:
    """Ask PayRam about the payments with these primary keys that are still leased to this message. Returns the sums.

    ``leased_until`` is the end of their lease in ISO 8601. Sent by ``resync``.
    """
    lease = leases.take(leases.Lease(tuple(payments), datetime.fromisoformat(leased_until)))
    summary = resyncing.Summary()
    brake = resyncing.Brake(ASKING_SECONDS)
    _exhaust(resyncing.run(lease.payments(), threads=threads, rate=rate, summary=summary, brake=brake))
    sums = {
        "asked": summary.asked,
        "news": summary.news,
        "failed": summary.failed,
        "receivers_failed": summary.receivers_failed,
        "skipped": len(payments) - len(lease.keys),
    }
    _log_batch(sums, stopped=summary.stopped)
    return {**sums, "stopped": summary.stopped}


def _log_batch(sums: dict[str, int], *, stopped: str) -> None:
    level = logging.WARNING if sums["failed"] or sums["receivers_failed"] or stopped else logging.INFO
    logger.log(
        level,
        "Asked about %d payments: %d with news, %d without an answer, %d receivers failed, %d no longer leased.%s",
        *sums.values(),
        f" Stopped early. {stopped}" if stopped else "",
    )


@shared_task(name="django_payram.tasks.announce_pending", ignore_result=True, acks_late=False)
def announce_pending() -> dict[str, int]:
    """Tell receivers what they have not been told yet, for at most 50 seconds. Returns the sums.

    It begins at any of the payments, so that receivers that fail slowly do not keep the others from being told.
    """
    summary = resyncing.Summary()
    brake = resyncing.Brake(ANNOUNCING_SECONDS)
    _exhaust(resyncing.announce_pending(summary=summary, brake=brake, after=_any_pending()))
    _exhaust(resyncing.announce_pending(summary=summary, brake=brake))
    if brake.is_on:
        logger.warning("Receivers are slow: the next run tells the rest. %s", brake.reason)
    if summary.announced or summary.receivers_failed:
        logger.info("Told receivers of %d payments, %d failed.", summary.announced, summary.receivers_failed)
    return {"announced": summary.announced, "receivers_failed": summary.receivers_failed}


def _any_pending() -> int:
    keys = Payment.objects.using(database()).unannounced().order_by("pk").values_list("pk", flat=True)
    place = random.randrange(keys.count() or 1)  # noqa: S311 - nothing secret
    return next(iter(keys[place : place + 1]), 0)


@shared_task(name="django_payram.tasks.prune", ignore_result=True, acks_late=False)
def prune(
    events_older_than: int = pruning.DEFAULT_EVENT_DAYS, scrub_emails_older_than: int | None = None
) -> dict[str, int]:
    """Delete events, and take e-mail addresses out of rows, that are older than so many days. Returns the sums."""
    _at_least_one(events_older_than=events_older_than, scrub_emails_older_than=scrub_emails_older_than)
    sums = {"events_deleted": sum(pruning.delete_events(_days_ago(events_older_than)))}
    sums |= {"emails_blanked": 0, "events_scrubbed": 0}
    if scrub_emails_older_than is not None:
        before = _days_ago(scrub_emails_older_than)
        sums["emails_blanked"] = sum(pruning.scrub_payments(before))
        sums["events_scrubbed"] = sum(pruning.scrub_events(before))
    logger.info("Pruned. %s", ", ".join(f"{name}: {number}" for name, number in sums.items()))
    return sums


def _days_ago(days: int) -> datetime:
    return now() - timedelta(days=days)


def _exhaust(steps: Iterator[object]) -> None:
    deque(steps, maxlen=0)


def _at_least_one(**numbers: object) -> None:
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise ValueError(f"{name} must be a whole number above 0, not {number!r}.")
