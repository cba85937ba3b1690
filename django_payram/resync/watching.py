"""Going on for ever: work off what is due, wait for the next payment, until somebody asks for the end."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from django_payram import conf
from django_payram.models import Payment, database
from django_payram.resync.running import DEFAULT_THREADS, announce_pending, run
from django_payram.resync.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.resync.limits import Brake
    from django_payram.resync.summary import Asked, Told

logger = logging.getLogger("django_payram")

SHORTEST_SLEEP_SECONDS = 1
LONGEST_SLEEP_SECONDS = 30
"""A payment made while we sleep is first due after a minute."""
ANNOUNCE_SECONDS = 60
"""How long receivers that failed are left in peace."""


def watch(
    *, brake: Brake, threads: int = DEFAULT_THREADS, rate: float | None = None, summary: Summary | None = None
) -> Iterator[Asked | Told]:
    """Ask about payments as they become due, until ``brake`` ends it, yielding each payment as it is done.

    A database or a PayRam that is away for a while is waited for.
    """
    summary = summary if summary is not None else Summary()
    told_at = -math.inf
    while not brake.is_on:
        # As at the start of a request: a connection that the database has closed is replaced.
        close_old_connections()
        try:
            if time.monotonic() - told_at >= ANNOUNCE_SECONDS:
                told_at = time.monotonic()
                yield from announce_pending(summary=summary, brake=brake)
            yield from run(threads=threads, rate=rate, summary=summary, brake=brake)
            pause = LONGEST_SLEEP_SECONDS if summary.down else seconds_to_the_next()
        except (OperationalError, InterfaceError) as exc:
            logger.warning("The database could not be reached; trying again soon. %s", conf.redact(str(exc)))
            pause = LONGEST_SLEEP_SECONDS
        brake.wait(pause)
    # PayRam may have been down for a while; ending when asked to is no failure.
    summary.down, summary.stopped = False, brake.reason


def seconds_to_the_next() -> float:
    """Return for how many seconds nothing is due, within bounds."""
    due = Payment.objects.using(database()).scheduled().values_list("next_check_at", flat=True).first()
    if due is None:
        return LONGEST_SLEEP_SECONDS
    left = (due - timezone.now()).total_seconds()
    return min(max(left, SHORTEST_SLEEP_SECONDS), LONGEST_SLEEP_SECONDS)
