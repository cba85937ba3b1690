"""A webhook is a hint: what it says is confirmed by asking PayRam before anything is recorded."""

from __future__ import annotations

import enum
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramError, PayramRefused, PayramUnavailable
from django_payram.gateway.payloads import read_kept
from django_payram.gateway.redaction import clean_text, redact
from django_payram.models import CRASHED_AFTER, Outcome, Payment, PaymentEvent, Source, database, is_recent, log_fields
from django_payram.models.statements import CompiledQuery
from django_payram.payments import matching, rules, schedule, transitions
from django_payram.payments.refresh import fetch_and_apply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import QuerySet

    from django_payram.conf import Project
    from django_payram.gateway.payloads import PaymentUpdate
    from django_payram.payments.transitions import TransitionResult

logger = logging.getLogger("django_payram")

HINT_INTERVAL = timedelta(minutes=1)
"""A webhook whose state cannot be read makes us ask PayRam, at most this often: it may be repeated every 3 seconds."""

UNREADABLE_PER_HOUR = 100

KEPT_AT_ONCE = 50

RETRY_HOURS = (0, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 24, 24, 24, 24, 24, 24)
"""Hours until PayRam is asked again about a webhook of a customer that we know, whose reference it does not show yet:
after the first time, the second, and so on, for seven days."""
RETRIES_OF_A_DAY = 10
"""After so many retries a day has passed, and a person should look."""


class WebhookResult(enum.Enum):
    """What became of a webhook."""

    RECORDED = enum.auto()
    NO_NEWS = enum.auto()
    UNMATCHED = enum.auto()
    RECEIVER_FAILED = enum.auto()


def handle_webhook(update: PaymentUpdate, *, project: Project) -> WebhookResult:
    """Handle an authenticated webhook of ``project``. A delivery without news costs one SELECT and no write.

    Raises PayramError when PayRam had to be asked and could not be, and Django's database errors.
    """
    payment = _known(update, project)
    if payment is None:
        return _handle_unknown(update, project=project)
    return _handle_known(payment, update, project=project)


# All that tells whether a webhook is news, and whom to ask: a webhook is repeated far more often than it is news.
COLUMNS = (
    "token",
    "project",
    "reference",
    "order_type",
    "order_id",
    "customer_id",
    "state",
    "filled_usd",
    "webhook_usd",
    "confirmations",
    "parent",
    "undelivered",
    "closed_at",
    "checked_at",
)

_by_reference = CompiledQuery(
    Payment,
    lambda project, reference: Payment.objects.filter(project=project, reference=reference).only(*COLUMNS),
    "project",
    "reference",
)


def _known(update: PaymentUpdate, project: Project) -> Payment | None:
    found = _by_reference(project.name, update.reference, using=database())
    return found[0] if found else None


def _handle_known(payment: Payment, update: PaymentUpdate, *, project: Project) -> WebhookResult:
    if _needs_asking(payment, update):
        return _result(_confirm(payment, update, project=project))
    if payment.undelivered or (payment.parent is not None and payment.parent.undelivered):
        return _result(transitions.notify(payment, source=Source.WEBHOOK))
    if update.state is None and payment.checked_at is not None:
        _check_by(payment, at=min(payment.checked_at, timezone.now()) + HINT_INTERVAL)
    return WebhookResult.NO_NEWS


def _needs_asking(payment: Payment, update: PaymentUpdate) -> bool:
    if update.state is not None:
        return rules.is_news(payment, update)
    checked_at = payment.checked_at
    return checked_at is None or not is_recent(checked_at, within=HINT_INTERVAL, now=timezone.now())


def _confirm(payment: Payment, hint: PaymentUpdate, *, project: Project) -> TransitionResult:
    if not project.confirm_webhooks and _can_be_trusted(payment, hint):
        return transitions.apply(payment, hint, source=Source.WEBHOOK, payload=hint.payload)
    try:
        result = fetch_and_apply(payment, source=Source.WEBHOOK, hint=hint)
    except PayramError as exc:
        exc.payment = payment
        # PayRam may give up before it can be asked again: do not wait for a rare tier.
        _check_by(payment, at=timezone.now())
        raise
    if rules.is_news(result.payment, hint):
        # PayRam's answer lags behind its webhook, which it will not repeat.
        _check_by(payment, at=timezone.now() + HINT_INTERVAL)
    return result


def _check_by(payment: Payment, *, at: datetime) -> None:
    """Ask about the payment by that moment, however rare its tier: PayRam has said that there is something to know."""
    later = Q(next_check_at=None) | Q(next_check_at__gt=at)
    Payment.objects.using(database()).filter(later, pk=payment.pk).update(next_check_at=at)


def _can_be_trusted(payment: Payment, hint: PaymentUpdate) -> bool:
    """Return whether a payload can be checked against our row, the condition for taking its word."""
    if hint.state is None or hint.customer_id not in (None, payment.customer_id):
        return False
    return hint.requested_usd is not None or hint.filled_usd is not None


def _handle_unknown(update: PaymentUpdate, *, project: Project) -> WebhookResult:
    try:
        payment = matching.named_by_invoice(update, project)
        matched: TransitionResult | None
        if payment is not None:
            matched = _confirm(payment, update, project=project)
            matching.attach_events(payment, reference=update.reference)
        else:
            matched = matching.match(update, project=project.name)
    except PayramError as exc:
        # PayRam may give up before it can be asked about it: a person should find what it has said.
        _keep(update, project=project, known_customer=True)
        if isinstance(exc, PayramRefused) and exc.is_denial:
            return WebhookResult.UNMATCHED
        raise
    if matched is not None:
        return _result(matched)
    _keep(
        update,
        project=project,
        known_customer=matching.likely_owner(project.name, update.customer_id) is not None,
    )
    # The create call may have saved its reference in this very moment, before it could see the event.
    payment = _known(update, project)
    if payment is None:
        return WebhookResult.UNMATCHED
    return _handle_known(payment, update, project=project)


def _result(result: TransitionResult) -> WebhookResult:
    if not result.delivered:
        return WebhookResult.RECEIVER_FAILED
    return WebhookResult.RECORDED if result.is_news else WebhookResult.NO_NEWS


def _keep(update: PaymentUpdate, *, project: Project, known_customer: bool) -> None:
    """Keep a webhook about an unknown reference until the reference turns up; its repeats are kept once.

    PayRam is asked about it again if the customer is known: nobody is asked about other shops' payments.
    """
    facts = {
        "project": project.name,
        "reference": update.reference or "",
        "outcome": Outcome.UNMATCHED,
        "note": update.word,
    }
    events = PaymentEvent.objects.using(database())
    if not events.filter(**facts, payment=None).exists():
        events.create(
            **facts,
            source=Source.WEBHOOK,
            customer_id=update.customer_id or "",
            payload=update.payload,
            next_retry_at=timezone.now() + RETRY_HOURS[0] * schedule.HOUR if known_customer else None,
        )


def keep_unreadable(*, project: Project, payload: str, error: str) -> None:
    """Keep an authenticated webhook that could not be read, once, for a person to look at; so many an hour at most.

    ``payload`` is its text.
    """
    payload, error = clean_text(payload), clean_text(error)
    facts = {"project": project.name, "outcome": Outcome.UNREADABLE}
    an_hour_ago = timezone.now() - timedelta(hours=1)
    events = PaymentEvent.objects.using(database())
    recent = events.filter(**facts, created_at__gt=an_hour_ago).values_list("payload", flat=True)
    kept = list(recent[:UNREADABLE_PER_HOUR])
    if payload in kept or len(kept) >= UNREADABLE_PER_HOUR:
        logger.warning("A webhook could not be read and is not kept once more. %s", error)
        return
    events.create(**facts, payload=payload, source=Source.WEBHOOK, error=error)


# Webhooks that were kept because nobody could know whom they meant, handled again when that may be known


def may_be_about(payment: Payment) -> bool:
    """Return whether webhooks were kept that may be about ``payment``, whose reference has just become known."""
    return bool(_kept_for(payment.project, payment.customer_id, payment.reference or "", using=database()))


_kept_for = CompiledQuery(
    PaymentEvent,
    lambda project, customer_id, reference: (
        PaymentEvent.objects.filter(payment=None, project=project)
        .filter(Q(customer_id=customer_id) | Q(reference=reference))
        .only("pk")[:1]
    ),
    "project",
    "customer",
    "reference",
)


def retry_kept_of_customer(project: str, *, customer_id: str) -> None:
    """Have the unmatched webhooks of a customer handled again who has just become known, however old they are.

    Those of the last minutes are handled at once, the others by polling. Raises PayramError.
    """
    kept = matching.schedule_kept_of_customer(project, customer_id)
    recent = kept.filter(created_at__gte=timezone.now() - CRASHED_AFTER)
    for event in recent.order_by("pk")[:KEPT_AT_ONCE]:
        _retry(event)


def retry_kept_webhooks(*, stop: Callable[[], bool] = lambda: False) -> None:
    """Handle again the kept webhooks that are due: of a customer that we know, about a reference that nobody knew.

    A create call was under way whose process was killed, PayRam gave no answer, or PayRam did not show the payment yet.
    PayRam was told that they arrived and does not send them again. What cannot be confirmed now either is tried later,
    and so is the rest once ``stop()`` is true, and the rest of a project whose PayRam gives no answer.
    """
    now = timezone.now()
    # A time further away than any pause was written by a wrong clock.
    due = Q(next_retry_at__lte=now) | Q(next_retry_at__gt=now + schedule.LONGEST_INTERVAL)
    unavailable: set[str] = set()
    for event in _unmatched().filter(due, next_retry_at__isnull=False).order_by("next_retry_at", "pk")[:KEPT_AT_ONCE]:
        if stop():
            return
        if event.project in unavailable:
            continue
        try:
            _retry(event)
            _postpone(event)
        except (PayramError, ImproperlyConfigured, DatabaseError) as exc:
            fields = log_fields(getattr(exc, "payment", None), reference=event.reference, project=event.project)
            said = redact(str(exc))
            logger.warning("A kept webhook about %s could not be handled. %s", event.reference, said, extra=fields)
            if isinstance(exc, PayramUnavailable):
                unavailable.add(event.project)
            elif not isinstance(exc, DatabaseError):
                _postpone(event)


def _retry(event: PaymentEvent) -> None:
    update, project = _update_of(event), conf.project(event.project)
    if update is None or handle_webhook(update, project=project) is WebhookResult.UNMATCHED:
        return
    # Its reference may have been known before: whoever handled it then died before the event was attached.
    known = _known(update, project)
    if known is not None:
        matching.attach_events(known)


def _update_of(event: PaymentEvent) -> PaymentUpdate | None:
    """Return what a kept webhook says, None when it cannot be read."""
    return read_kept(event.payload, customer_id=event.customer_id)


def _postpone(event: PaymentEvent) -> None:
    """Have a kept webhook that is still unmatched tried again later, with growing pauses and not for ever."""
    retries = event.retries + 1
    more = retries < len(RETRY_HOURS)
    next_retry_at = timezone.now() + RETRY_HOURS[retries] * schedule.HOUR if more else None
    left = _unmatched().filter(pk=event.pk).update(retries=retries, next_retry_at=next_retry_at)
    if not left or retries != RETRIES_OF_A_DAY:
        return
    update = _update_of(event)
    owner = matching.likely_owner(event.project, event.customer_id)
    if update is not None and owner is not None and rules.has_money(update):
        matching.flag_unplaced(owner, event.reference)


def _unmatched() -> QuerySet[PaymentEvent]:
    return PaymentEvent.objects.using(database()).filter(payment=None, outcome=Outcome.UNMATCHED)
