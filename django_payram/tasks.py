"""The same work as the commands, for Celery. Imported only by Celery's autodiscovery.

A schedule to copy::

    CELERY_BEAT_SCHEDULE = {
        "payram-resync": {"task": "django_payram.tasks.resync", "schedule": 60.0},
        "payram-prune": {"task": "django_payram.tasks.prune", "schedule": 86400.0},
    }
"""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils.timezone import now

from django_payram import prune as pruning
from django_payram import resync as resyncing


@shared_task(ignore_result=True)
def resync(limit: int | None = None, threads: int = resyncing.DEFAULT_THREADS) -> dict[str, int | str]:
    """Tell receivers what is pending and ask PayRam about the payments that are due. Returns the sums."""
    summary = resyncing.Summary()
    for _told in resyncing.announce_pending(summary=summary):
        pass
    for _asked in resyncing.run(limit=limit, threads=threads, summary=summary):
        pass
    return {
        "asked": summary.asked,
        "news": summary.news,
        "failed": summary.failed,
        "announced": summary.announced,
        "receivers_failed": summary.receivers_failed,
        "stopped": summary.stopped,
    }


@shared_task(ignore_result=True)
def announce_pending() -> dict[str, int]:
    """Tell receivers what they have not been told yet. Returns the sums."""
    summary = resyncing.Summary()
    for _told in resyncing.announce_pending(summary=summary):
        pass
    return {"announced": summary.announced, "receivers_failed": summary.receivers_failed}


@shared_task(ignore_result=True)
def prune(
    events_older_than: int = pruning.DEFAULT_EVENT_DAYS, scrub_emails_older_than: int | None = None
) -> dict[str, int]:
    """Delete events and blank e-mail addresses older than so many days. Returns the sums."""
    today = now()
    deleted = sum(pruning.delete_events(today - timedelta(days=events_older_than)))
    if scrub_emails_older_than is None:
        return {"events_deleted": deleted, "emails_blanked": 0}
    blanked = sum(pruning.scrub_emails(today - timedelta(days=scrub_emails_older_than)))
    return {"events_deleted": deleted, "emails_blanked": blanked}
