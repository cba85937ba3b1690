"""Webhooks that were kept because nobody could know whom they meant, heard once more when that may be known."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from django_payram import conf, wire
from django_payram.exceptions import PayramDataError, PayramError, PayramUnavailable
from django_payram.lifecycle.adopting import match
from django_payram.lifecycle.hearing import Heard, hear
from django_payram.models import CRASHED_AFTER, Outcome, Payment, PaymentEvent, database
from django_payram.statements import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from django.db.models import QuerySet

KEPT_AT_ONCE = 50
READ_AT_ONCE = 500

LEFT_FOR = timedelta(days=1)
"""So long a kept webhook that nobody could confirm is tried again."""

logger = logging.getLogger("django_payram")


def came_early(payment: Payment) -> bool:
    """Return whether webhooks were kept that may be about ``payment``, whose reference has just become known."""
    values = (payment.project, payment.created_at, Outcome.UNMATCHED.value, payment.reference or "")
    return bool(_kept_since(*values, using=database()))


def _that_may_mean(project: str, since: datetime, outcome: str, reference: str) -> QuerySet[PaymentEvent]:
    of_customers = Q(created_at__gte=since, outcome=outcome)
    kept = PaymentEvent.objects.filter(payment=None, project=project)
    return kept.filter(of_customers | Q(reference=reference)).only("pk")[:1]


_kept_since = Question(PaymentEvent, _that_may_mean, "project", timezone.now(), "outcome", "reference")


def hear_kept(project: str, *, customer_id: str, since: datetime) -> None:
    """Hear once more the unmatched webhooks of a customer that were kept since a moment. Raises PayramError."""
    for event in _unmatched().filter(project=project, created_at__gte=since).order_by("pk")[:KEPT_AT_ONCE]:
        report = _read(event)
        if report is not None and report.customer_id == customer_id:
            _hear_again(event, report)


def hear_left(*, stop: Callable[[], bool] = lambda: False) -> None:
    """Hear once more the webhooks that were kept because a create call was under way, and that nobody heard after it.

    The process that made the call was killed, or PayRam could not be asked at its end. PayRam was told that they
    arrived and does not send them again. What cannot be confirmed now either is left to the next run, and so is the
    rest once ``stop()`` is true, and the rest of a project whose PayRam gives no answer.
    """
    now = timezone.now()
    left = _unmatched().filter(created_at__range=(now - LEFT_FOR, now - CRASHED_AFTER))
    down: set[str] = set()
    heard = 0
    for event, report in _of_our_customers(left):
        if stop() or heard == KEPT_AT_ONCE:
            return
        if event.project in down or not _came_during_a_call(event, report):
            continue
        heard += 1
        try:
            _hear_again(event, report)
        except (PayramError, ImproperlyConfigured, DatabaseError) as exc:
            logger.warning("A kept webhook about %s could not be heard. %s", event.reference, conf.redact(str(exc)))
            if isinstance(exc, PayramUnavailable):
                down.add(event.project)


def _of_our_customers(events: QuerySet[PaymentEvent]) -> Iterator[tuple[PaymentEvent, wire.Report]]:
    """Walk through kept webhooks, the newest first, leaving out those of strangers: there may be any number of them."""
    page = list(events.order_by("-pk")[:READ_AT_ONCE])
    while page:
        read = [(event, report) for event in page if (report := _read(event)) is not None]
        named = {report.customer_id for _event, report in read if report.customer_id}
        known = Payment.objects.using(database()).filter(customer_id__in=named)
        ours = set(known.values_list("project", "customer_id"))
        yield from ((event, report) for event, report in read if (event.project, report.customer_id) in ours)
        page = list(events.filter(pk__lt=page[-1].pk).order_by("-pk")[:READ_AT_ONCE])


def _hear_again(event: PaymentEvent, report: wire.Report) -> None:
    if hear(report, project=conf.project(event.project), payload=event.payload) is Heard.UNMATCHED:
        return
    # Its reference may have been known before: whoever heard it then died before the line was given to the payment.
    known = Payment.objects.using(database()).filter(project=event.project, reference=event.reference).first()
    if known is not None:
        match(known)


def _unmatched() -> QuerySet[PaymentEvent]:
    return PaymentEvent.objects.using(database()).filter(payment=None, outcome=Outcome.UNMATCHED)


def _read(event: PaymentEvent) -> wire.Report | None:
    try:
        report = wire.read_webhook(event.payload.encode())
    except PayramDataError:
        return None
    return report if isinstance(report, wire.Report) else None


def _came_during_a_call(event: PaymentEvent, report: wire.Report) -> bool:
    attempts = Payment.objects.using(database()).filter(project=event.project, customer_id=report.customer_id or "")
    return attempts.filter(created_at__range=(event.created_at - CRASHED_AFTER, event.created_at)).exists()
