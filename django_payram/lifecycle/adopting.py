"""Payments that were made at PayRam without us: top-ups under a new reference, and payments of its own dashboard."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from django_payram import conf
from django_payram.client import client_for
from django_payram.exceptions import PayramError, PayramRefused
from django_payram.lifecycle import gate, ratchet
from django_payram.lifecycle.asking import ask_and_record
from django_payram.models import CRASHED_AFTER, Payment, PaymentEvent, Source, content_type, database
from django_payram.states import State

if TYPE_CHECKING:
    from django.db.models import Model

    from django_payram.lifecycle.gate import Recorded
    from django_payram.models import PaymentQuerySet
    from django_payram.wire import Report

UNCONFIRMED = (401, 404)
"""With these PayRam says that it has no such payment for us. Any other refusal may pass."""

logger = logging.getLogger("django_payram")


def adopt(
    reference: str, *, project: str = conf.DEFAULT_PROJECT, order: Model | None = None, actor: str = ""
) -> Payment:
    """Take in a payment that was made in PayRam's own dashboard, and the webhooks that came about it.

    A reference that is known already is only asked about; ValueError says so if it belongs to another order than
    ``order``. ValueError is also raised when PayRam does not say what amount it asked for, else the errors of refresh.
    """
    known = _payments(project).filter(reference=reference).first()
    if known is not None:
        if order is not None and known.order != order:
            raise ValueError(f"{reference} is known already and belongs to another order or to none.")
        return ask_and_record(known, source=Source.ADMIN).payment
    asked_at = timezone.now()
    answer = client_for(conf.project(project)).fetch(reference)
    if answer.requested_usd is None:
        raise ValueError(f"PayRam does not say in US dollars what it asked for with {reference}.")
    payment = _save(
        Payment(
            project=project,
            reference=reference,
            customer_id=answer.customer_id or "",
            amount_usd=_cents(answer.requested_usd),
            order_type=None if order is None else content_type(order),
            order_id="" if order is None else str(order.pk),
        )
    )
    recorded = gate.record(payment, answer, source=Source.ADMIN, asked_at=asked_at, actor=actor)
    match(payment)
    return recorded.payment


def take_in(hint: Report, *, project: str, payload: str) -> Recorded | None:
    """Take in a webhook about an unknown reference of a customer we know; None when it stays unmatched.

    It is a top-up under a new reference, or the answer to a create call that was lost. PayRam is asked which of them;
    an answer that does not name the customer proves nothing. Raises PayramError when PayRam could not be asked.
    """
    relatives = _payments(project).filter(customer_id=hint.customer_id or "", parent=None).order_by("-pk")
    newest = relatives.first()
    if not hint.customer_id or not hint.reference or newest is None or _is_awaited(relatives):
        return None
    asked_at = timezone.now()
    try:
        answer = client_for(conf.project(project)).fetch(hint.reference)
    except PayramRefused as exc:
        if exc.status in UNCONFIRMED:
            return None
        raise
    if answer.customer_id not in (None, hint.customer_id) or _is_awaited(relatives):
        return None
    if answer.customer_id is None:
        gate.doubt(newest, reference=hint.reference)
        return None
    payment = _lost(relatives, answer) or _top_up(_parent(relatives) or newest, hint, answer)
    report = replace(answer, reference=hint.reference)
    recorded = gate.record(payment, report, source=Source.WEBHOOK, asked_at=asked_at, payload=payload)
    # Only now: a webhook that has been given to a payment is not heard once more, should recording have failed.
    match(payment, reference=hint.reference)
    return recorded


def match(payment: Payment, *, reference: str | None = None) -> bool:
    """Give ``payment`` the webhooks that came before its reference was known. Return whether there were any."""
    events = PaymentEvent.objects.using(database()).filter(
        payment=None, project=payment.project, reference=reference or payment.reference or ""
    )
    return events.update(payment=payment) > 0


def _payments(project: str) -> PaymentQuerySet:
    return Payment.objects.using(database()).filter(project=project)


def _is_awaited(relatives: PaymentQuerySet) -> bool:
    """Return whether a create call is under way whose answer may name this very reference.

    An attempt that is known to have got no answer has left its order's live slot.
    """
    attempts = relatives.filter(state=State.CREATING, reference=None, created_at__gt=timezone.now() - CRASHED_AFTER)
    return attempts.filter(Q(live_slot__isnull=False) | Q(order_type=None)).exists()


def _lost(relatives: PaymentQuerySet, answer: Report) -> Payment | None:
    """Return the payment whose create call got no answer, if this one has its invoice id or asks for its amount."""
    lost = relatives.filter(reference=None, state__in=(State.CREATING, State.FAILED))
    named = [payment for payment in lost if str(payment.token) == answer.invoice_id]
    if named or answer.requested_usd is None:
        return named[0] if named else None
    return lost.filter(amount_usd=_cents(answer.requested_usd)).first()


def _top_up(parent: Payment, hint: Report, answer: Report) -> Payment:
    if parent.state == State.OPEN:
        # What PayRam knows of the parent may be news as well: a partial payment is usually the reason for a top-up.
        try:
            ask_and_record(parent, source=Source.WEBHOOK)
        except PayramError as exc:
            # The parent stays on its schedule; the top-up, which PayRam has confirmed, must not wait for it.
            logger.warning("PayRam could not be asked about %s, which is topped up. %s", parent, exc)
    return _save(
        Payment(
            project=parent.project,
            reference=hint.reference,
            parent=parent,
            order_type_id=parent.order_type_id,
            order_id=parent.order_id,
            customer_id=parent.customer_id,
            customer_email=parent.customer_email,
            amount_usd=_cents(answer.requested_usd or answer.filled_usd or Decimal(0)),
        )
    )


def _parent(relatives: PaymentQuerySet) -> Payment | None:
    """Return the newest unpaid payment of the customer that PayRam knows, else the newest that it knows."""
    known = relatives.filter(reference__isnull=False)
    return known.filter(paid_at=None).first() or known.first()


def _save(payment: Payment) -> Payment:
    """Insert the payment; of two webhooks at once one inserts it and the other finds it.

    It is due at once: should what PayRam said of it never be recorded, resync asks again.
    """
    payment.next_check_at = timezone.now()
    try:
        with transaction.atomic(using=database()):
            payment.save(using=database(), force_insert=True)
    except IntegrityError:
        return _payments(payment.project).get(reference=payment.reference)
    return payment


def _cents(amount_usd: Decimal) -> Decimal:
    return amount_usd.quantize(ratchet.CENT)
