"""The same work as the commands, for Celery. Imported only by Celery's autodiscovery.

``resync`` claims what is due and asks about it, as ``payram_resync`` does. Claims skip what another worker has claimed,
so that several of these tasks at once share the work. Messages are acknowledged before the work, and the payments that
a lost worker had claimed are due again by themselves. A schedule to copy::

    CELERY_BEAT_SCHEDULE = {
        "payram-resync": {"task": "django_payram.tasks.resync", "schedule": 60, "options": {"expires": 55}},
        "payram-prune": {"task": "django_payram.tasks.prune", "schedule": 86400, "options": {"expires": 3600}},
    }
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import asdict
from typing import Any

from celery import shared_task
from django.utils.timezone import now

from django_payram.personal_data import prune as pruning
from django_payram.polling.rate_limit import StopSignal
from django_payram.polling.worker import ASK_SECONDS, DEFAULT_THREADS, Summary, notify_undelivered, run

logger = logging.getLogger("django_payram")


@shared_task(name="django_payram.tasks.resync", ignore_result=True, acks_late=False)
def resync(limit: int | None = None, threads: int = DEFAULT_THREADS, rate: float | None = None) -> dict[str, Any]:
    """Ask PayRam about the payments that are due, then send receivers what is undelivered. Returns the sums.

    ``limit`` is the most payments that are asked about, ``rate`` how many a second at most. To put more workers to the
    task, schedule it several times a minute.
    """
    _at_least_one(limit=limit, threads=threads)
    if rate is not None and not rate > 0:
        raise ValueError(f"rate must be a number above 0, not {rate!r}.")
    summary, started = Summary(), now()
    deque(run(threads=threads, limit=limit, rate=rate, summary=summary, stop=StopSignal(ASK_SECONDS)), maxlen=0)
    deque(notify_undelivered(before=started, summary=summary), maxlen=0)
    sums = asdict(summary)
    trouble = summary.failed or summary.receivers_failed or summary.stopped
    logger.log(logging.WARNING if trouble else logging.INFO, "Resync: %s", _listed(sums))
    return sums


@shared_task(name="django_payram.tasks.prune", ignore_result=True, acks_late=False)
def prune(
    events_older_than: int = pruning.DEFAULT_EVENT_DAYS, scrub_emails_older_than: int | None = None
) -> dict[str, int]:
    """Delete events, and take e-mail addresses out of rows, that are older than so many days. Returns the sums."""
    _at_least_one(events_older_than=events_older_than, scrub_emails_older_than=scrub_emails_older_than)
    steps = pruning.steps(events_older_than=events_older_than, scrub_emails_older_than=scrub_emails_older_than)
    sums = {step.name: sum(step.run()) for step in steps}
    logger.info("Pruned: %s", _listed(sums))
    return sums


def _listed(sums: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sums.items() if value != "")


def _at_least_one(**numbers: object) -> None:
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise ValueError(f"{name} must be a whole number above 0, not {number!r}.")
