"""The one way in which a payment's state is saved and signals are sent: lock the group, decide, save, notify."""

from __future__ import annotations

import logging
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from django_payram import conf
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.gateway.redaction import clean_text
from django_payram.models import Outcome, Payment, PaymentEvent, Refund, Source, database, log_fields, statements
from django_payram.payments import notifications, rules
from django_payram.payments.locks import OrderChanged, lock
from django_payram.payments.rules import Assignment, Decision, Redelivery, RefundRecord, Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_payram.payments.notifications import DeliveryResult

logger = logging.getLogger("django_payram")

LONGEST_ACTOR = 150
"""Characters that the columns hold; shops may have longer user names."""


@dataclass(frozen=True)
class TransitionResult:
    """What became of an update: the payment as it is now, whether it was news, and whether all receivers succeeded."""

    payment: Payment
    is_news: bool
    delivered: bool
    refund: Refund | None = None
    """The refund that was written down."""


class RefundRecorded(Exception):
    """The transaction by which money was sent back is recorded already, as ``refund``."""

    def __init__(self, refund: Refund) -> None:
        super().__init__(refund)
        self.refund = refund


@dataclass(frozen=True)
class Origin:
    """Where an update came from, as the timeline keeps it: the way, the cleaned payload, and the user who acted."""

    source: Source
    payload: object = None
    actor: str = ""


def apply(
    payment: Payment, update: Update, *, source: Source, payload: object = None, actor: str = "", retry: bool = True
) -> TransitionResult:
    """Apply ``update`` to ``payment`` and notify the receivers, in one transaction.

    ``payload`` (decoded JSON, cleaned) and ``actor`` (a user name) are kept in the timeline. Unless ``retry``,
    receivers that failed are sent nothing before their pause is over, except what is new.

    A receiver that raises does not raise here: the state commits, ``delivered`` is False, and the signal is sent again
    later. Raises Payment.DoesNotExist when the row is gone, Django's database errors, and what the rules raise:
    PayramDataError for an update of another payment, ValueError for a person's decision that cannot be made. Raises
    RefundRecorded for a refund whose transaction is recorded already.
    """
    origin = Origin(source, payload, actor)
    while True:
        try:
            return _apply(payment, update, origin, retry=retry)
        except OrderChanged:
            payment = Payment.objects.using(database()).get(pk=payment.pk)


def _apply(payment: Payment, update: Update, origin: Origin, *, retry: bool) -> TransitionResult:
    committed, using = threading.Event(), database()
    try:
        with transaction.atomic(using=using):
            # The first work after the commit: whatever fails after it is a receiver's.
            transaction.on_commit(committed.set, using=using)
            decision, delivery = _transition(payment, update, origin, retry=retry)
    except Exception:
        if not committed.is_set():
            raise
        # Not the commit failed but what a receiver left to be done after it, which must not stop the caller's work.
        trace = clean_text(traceback.format_exc())
        logger.error(  # noqa: TRY400
            "on_commit work of a receiver failed for payment %s.\n%s", payment.token, trace, extra=log_fields(payment)
        )
    if delivery.interrupt is not None:
        # The server stops this process. What was decided is safe now; the receivers will be sent the rest again.
        raise delivery.interrupt
    return TransitionResult(decision.group.payment, decision.is_news, not delivery.failures, decision.refund)


def _transition(payment: Payment, update: Update, origin: Origin, *, retry: bool) -> tuple[Decision, DeliveryResult]:
    group, now = lock(payment, joining=update.order if isinstance(update, Assignment) else None), timezone.now()
    if isinstance(update, RefundRecord):
        _refuse_repetition(update, group.root)
    options = conf.project(group.payment.project) if isinstance(update, PaymentUpdate) else None
    decision = rules.decide(group, update, now, options, receivers=notifications.listened(), retry=retry)
    _save(decision, origin)
    root = decision.group.root
    delivery = notifications.deliver(root, decision.notifications, previous_state=group.root.notified_state)
    if delivery.failures or group.root.undelivered:
        # A receiver may have decided more about the payment, on a row that it has read by itself.
        root.refresh_from_db(using=database())
    if (correction := rules.after_delivery(group.root, decision, delivery.failures, now=now)) is not None:
        _save(correction, origin)
    return decision, delivery


def _refuse_repetition(update: RefundRecord, root: Payment) -> None:
    # The lock on the payment makes two at once come one after the other.
    known = Refund.objects.using(database()).filter(payment=root, transaction=update.transaction)
    if update.transaction and (refund := known.first()) is not None:
        raise RefundRecorded(refund)


def _save(decision: Decision, origin: Origin) -> None:
    """Write a decision: one UPDATE for each changed row, one INSERT for all events, and the refund if there is one."""
    using, now = database(), timezone.now()
    for payment, names in decision.changes:
        statements.update(payment, names, using=using)
    events = [
        _event_row(
            event.payment,
            origin,
            outcome=event.outcome,
            state_before=event.state_before,
            state_after=event.state_after,
            payload=origin.payload if event.outcome == Outcome.RECORDED else None,
            error=event.error,
            note=event.note,
            created_at=now,
        )
        for event in decision.events
    ]
    statements.insert(PaymentEvent, events, using=using)
    if decision.refund is not None:
        decision.refund.save(using=using, force_insert=True)


def _event_row(payment: Payment, origin: Origin, **facts: Any) -> dict[str, Any]:
    """Return the columns of an event in the timeline of a payment."""
    return {
        "payment_id": payment.pk,
        "project": payment.project,
        "reference": payment.reference or "",
        "source": origin.source,
        "actor": origin.actor[:LONGEST_ACTOR],
        **facts,
    }


def notify(payment: Payment, *, source: Source = Source.RESYNC) -> TransitionResult:
    """Send receivers what is undelivered. A payment with nothing undelivered is not changed."""
    return apply(payment, Redelivery(), source=source)


def notify_again(payment: Payment, *, source: Source = Source.ADMIN, actor: str = "") -> TransitionResult:
    """Send receivers what is true of the payment now, whether or not they were sent it before."""
    return apply(payment, Redelivery(everything=True), source=source, actor=actor)


def note(payments: Iterable[Payment], outcome: Outcome, *, source: Source, actor: str, text: str = "") -> None:
    """Write in the timelines of payments what a person did that changed nothing by itself, and a cleaned text."""
    origin = Origin(source, actor=actor)
    rows = [
        _event_row(payment, origin, outcome=outcome, state_before=payment.state, state_after=payment.state, note=text)
        for payment in payments
    ]
    statements.insert(PaymentEvent, rows, using=database())


def free_live_slot(payment: Payment) -> None:
    """Free the live slot of a locked payment's order for another link. Listeners to saved rows see this as well."""
    payment.live_slot = None
    statements.update(payment, ["live_slot"], using=database())
