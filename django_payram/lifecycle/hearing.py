"""A webhook is a hint: what it says is confirmed by asking PayRam before anything is recorded."""

from __future__ import annotations

import enum
import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramError
from django_payram.lifecycle import ratchet
from django_payram.lifecycle.adopting import match, take_in
from django_payram.lifecycle.asking import ask_and_record
from django_payram.lifecycle.gate import Recorded, announce, record
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.statements import Question

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from django_payram.conf import Project
    from django_payram.wire import Report

HINT_INTERVAL = timedelta(minutes=1)
"""A webhook whose state cannot be read makes us ask PayRam, at most this often: it may be repeated every 3 seconds."""


UNREADABLE_PER_HOUR = 100

logger = logging.getLogger("django_payram")


class Heard(enum.Enum):
    """What became of a webhook."""

    RECORDED = enum.auto()
    NO_NEWS = enum.auto()
    UNMATCHED = enum.auto()
    RECEIVER_FAILED = enum.auto()


def hear(report: Report, *, project: Project, payload: str) -> Heard:
    """Take in an authenticated webhook of ``project``. A delivery without news costs one SELECT and no write.

    Raises PayramError when PayRam had to be asked and could not be.
    """
    payment = _known(report, project)
    if payment is None:
        return _hear_unknown(report, project=project, payload=payload)
    return _hear_known(payment, report, project=project, payload=payload)


def _known(report: Report, project: Project) -> Payment | None:
    found = _by_reference(project.name, report.reference, using=database())
    return found[0] if found else None


KNOWN = (
    "token",
    "project",
    "reference",
    "order_type",
    "order_id",
    "customer_id",
    "state",
    "filled_usd",
    "confirmations",
    "parent",
    "pending",
    "closed_at",
    "checked_at",
)
"""What tells whether a webhook is news, and whom to ask. A webhook is repeated far more often than it is news."""

_by_reference = Question(
    Payment,
    lambda project, reference: Payment.objects.filter(project=project, reference=reference).only(*KNOWN),
    "project",
    "reference",
)


def _hear_known(payment: Payment, report: Report, *, project: Project, payload: str) -> Heard:
    if _is_worth_asking(payment, report):
        return _result(_confirm(payment, report, project=project, payload=payload))
    if payment.pending or (payment.parent is not None and payment.parent.pending):
        return _result(announce(payment, source=Source.WEBHOOK))
    if report.state is None and payment.checked_at is not None:
        _come_round(payment, at=payment.checked_at + HINT_INTERVAL)
    return Heard.NO_NEWS


def _come_round(payment: Payment, *, at: datetime) -> None:
    """Ask about the payment at that moment, however rare its tier: PayRam has said that there is something to know."""
    rare = Q(next_check_at=None) | Q(next_check_at__gt=at)
    Payment.objects.using(database()).filter(rare, pk=payment.pk).update(next_check_at=at)


def _payments(project: Project) -> QuerySet[Payment]:
    return Payment.objects.using(database()).filter(project=project.name)


def _is_worth_asking(payment: Payment, report: Report) -> bool:
    if report.state is not None:
        return ratchet.is_news(payment, report)
    return payment.checked_at is None or payment.checked_at < timezone.now() - HINT_INTERVAL


def _confirm(payment: Payment, hint: Report, *, project: Project, payload: str) -> Recorded:
    if not project.confirm_webhooks and _can_be_trusted(payment, hint):
        return record(payment, hint, source=Source.WEBHOOK, payload=payload)
    try:
        recorded = ask_and_record(payment, source=Source.WEBHOOK, hint=hint, payload=payload)
    except PayramError:
        # PayRam may give up before it can be asked again: do not wait for a rare tier.
        _come_round(payment, at=timezone.now())
        raise
    if ratchet.is_news(recorded.payment, hint):
        # PayRam's answer lags behind its webhook, which it will not repeat.
        _come_round(payment, at=timezone.now() + HINT_INTERVAL)
    return recorded


def _can_be_trusted(payment: Payment, hint: Report) -> bool:
    """Return whether a payload can be checked against our row, the condition for taking its word."""
    if hint.state is None or hint.customer_id not in (None, payment.customer_id):
        return False
    return hint.requested_usd is not None or hint.filled_usd is not None


def _hear_unknown(report: Report, *, project: Project, payload: str) -> Heard:
    payment = _named_by_invoice(report, project)
    if payment is not None:
        confirmed = _confirm(payment, report, project=project, payload=payload)
        match(payment, reference=report.reference)
        return _result(confirmed)
    try:
        recorded = take_in(report, project=project.name, payload=payload)
    except PayramError:
        # PayRam may give up before it can be asked about it: a person should find what it has said.
        _keep(report, project=project, payload=payload)
        raise
    if recorded is not None:
        return _result(recorded)
    _keep(report, project=project, payload=payload)
    # The create call may have saved its reference in this very moment, before it could see the event.
    payment = _known(report, project)
    if payment is None:
        return Heard.UNMATCHED
    return _hear_known(payment, report, project=project, payload=payload)


def _named_by_invoice(report: Report, project: Project) -> Payment | None:
    """Return the payment whose create call got no answer, if PayRam repeats the invoice id we gave it."""
    try:
        token = uuid.UUID(report.invoice_id or "")
    except ValueError:
        return None
    return _payments(project).filter(token=token, reference__isnull=True).first()


def _keep(report: Report, *, project: Project, payload: str) -> None:
    """Keep a webhook about an unknown reference until the reference turns up; its repeats are kept once."""
    facts = {
        "project": project.name,
        "reference": report.reference or "",
        "outcome": Outcome.UNMATCHED,
        "note": report.word,
    }
    events = PaymentEvent.objects.using(database())
    if not events.filter(**facts, payment=None).exists():
        events.create(**facts, source=Source.WEBHOOK, payload=conf.redact(payload))


def keep_unreadable(*, project: Project, payload: str, error: str) -> None:
    """Keep an authenticated webhook that could not be read, once, for a person to look at; so many an hour at most."""
    facts = {"project": project.name, "outcome": Outcome.UNREADABLE}
    payload = conf.redact(payload)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    events = PaymentEvent.objects.using(database())
    recent = events.filter(**facts, created_at__gt=an_hour_ago).values_list("payload", flat=True)
    kept = list(recent[:UNREADABLE_PER_HOUR])
    if payload in kept or len(kept) >= UNREADABLE_PER_HOUR:
        logger.warning("A webhook could not be read and is not kept once more. %s", error)
        return
    events.create(**facts, payload=payload, source=Source.WEBHOOK, error=error)


def _result(recorded: Recorded) -> Heard:
    if not recorded.announced:
        return Heard.RECEIVER_FAILED
    return Heard.RECORDED if recorded.news else Heard.NO_NEWS
