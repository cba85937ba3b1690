"""Whose an unknown reference is: a top-up, a lost create call, or a payment that was made in PayRam's dashboard."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramError
from django_payram.gateway.client import client_for
from django_payram.models import (
    CRASHED_AFTER,
    Outcome,
    Payment,
    PaymentEvent,
    Source,
    State,
    database,
    is_recent,
    log_fields,
    number_of,
    order_key,
)
from django_payram.payments import rules, transitions
from django_payram.payments.decisions import assign
from django_payram.payments.locks import lock_row
from django_payram.payments.refresh import fetch_and_apply

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    from django_payram.conf import Project
    from django_payram.gateway.payloads import PaymentUpdate
    from django_payram.models import PaymentQuerySet
    from django_payram.payments.transitions import TransitionResult

logger = logging.getLogger("django_payram")

MOST_RELATIVES = 200
"""So many of a customer's newest payments may be what money under an unknown reference is for."""


def adopt(
    reference: str,
    *,
    project: str = conf.DEFAULT_PROJECT,
    order: Model | None = None,
    move: bool = False,
    actor: str = "",
) -> Payment:
    """Take over a payment that was made in PayRam's own dashboard, and the webhooks that came about it.

    A reference that is known already is only asked about. If it belongs to another order than ``order``, or to none,
    ``move`` assigns it to that one, and without it ValueError says so. ValueError is also raised when PayRam does not
    say what amount it asked for, else the errors of refresh.
    """
    key = None if order is None else order_key(order)
    known = _payments(project).filter(reference=reference).first()
    if known is not None:
        if order is not None and key is not None and (known.order_type_id, known.order_id) != (key.type.pk, key.id):
            if not move:
                raise ValueError(f"{reference} is known already and belongs to another order or to none.")
            known = assign(known, order, source=Source.ADMIN, actor=actor)
        return fetch_and_apply(known, source=Source.ADMIN).payment
    answer = client_for(conf.project(project)).fetch(reference)
    if answer.requested_usd is None:
        raise ValueError(f"PayRam does not say in US dollars what it asked for with {reference}.")
    payment = _insert(
        Payment(
            project=project,
            reference=reference,
            customer_id=answer.customer_id or "",
            amount_usd=_cents(answer.requested_usd),
            order_type=key.type if key else None,
            order_id=key.id if key else "",
            order_number="" if order is None else number_of(order),
        )
    )
    result = transitions.apply(payment, answer, source=Source.ADMIN, actor=actor)
    attach_events(payment)
    if payment.customer_id:
        schedule_kept_of_customer(project, payment.customer_id)
    return result.payment


def match(hint: PaymentUpdate, *, project: str) -> TransitionResult | None:
    """Find out whose a webhook about an unknown reference is, and record it; None when it stays unmatched.

    For a customer that we know it is a top-up under a new reference, or the answer to a create call that was lost.
    PayRam is asked which of them. An answer proves that only when it names the customer, and no invoice id that
    another shop, or this one before a backup was restored, has given out. Money that may be a payment's and is not
    proven to be flags that payment. Raises PayramError when PayRam could not be asked, PayramRefused also when it does
    not know the reference (yet).
    """
    if not hint.customer_id or not hint.reference:
        return None
    relatives = _relatives(project, hint.customer_id)
    newest = relatives.first()
    if newest is None or _is_expected(relatives):
        return None
    answer = replace(client_for(conf.project(project)).fetch(hint.reference), reference=hint.reference)
    if answer.customer_id not in (None, hint.customer_id) or _is_expected(relatives):
        return None
    payment = _proven(list(relatives[:MOST_RELATIVES]), answer, hint)
    if payment is None:
        if rules.has_money(answer):
            flag_unplaced(newest, hint.reference)
        return None
    result = transitions.apply(payment, answer, source=Source.WEBHOOK, payload=hint.payload)
    # Only now: events that are attached to a payment are not handled again, should recording have failed.
    attach_events(payment, reference=hint.reference)
    return result


def flag_unplaced(payment: Payment, reference: str) -> None:
    """Let a person look, once for each reference: money under it may be that of ``payment``."""
    events = PaymentEvent.objects.using(database()).filter(payment=payment, outcome=Outcome.DOUBTFUL, note=reference)
    if not events.exists():
        transitions.apply(payment, rules.UnplacedReference(reference), source=Source.WEBHOOK)


def likely_owner(project: str, customer_id: str | None) -> Payment | None:
    """Return the payment of a customer that money under an unknown reference most likely belongs to."""
    return _relatives(project, customer_id).first() if customer_id else None


def _relatives(project: str, customer_id: str) -> PaymentQuerySet:
    """Return a customer's payments but top-ups, the newest first."""
    return _payments(project).filter(customer_id=customer_id, parent=None).order_by("-pk")


def _proven(relatives: list[Payment], answer: PaymentUpdate, hint: PaymentUpdate) -> Payment | None:
    """Return the payment that PayRam's answer is about, inserted if it is a new top-up; None when nothing proves it."""
    if answer.customer_id is None:
        return None
    named = next((payment for payment in relatives if payment.token == _token(answer.invoice_id)), None)
    if named is None and answer.invoice_id not in (None, hint.reference):
        return None
    owner = named or _owner(relatives, answer)
    if owner is None or owner.reference is None:
        return owner
    return _insert_top_up(owner, hint, answer)


def named_by_invoice(update: PaymentUpdate, project: Project) -> Payment | None:
    """Return the payment whose create call got no answer, if PayRam repeats the invoice id that we gave it."""
    token = _token(update.invoice_id)
    if token is None:
        return None
    return _payments(project.name).filter(token=token, reference__isnull=True).first()


def _token(invoice_id: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(invoice_id or "")
    except ValueError:
        return None


def attach_events(payment: Payment, *, reference: str | None = None) -> bool:
    """Give ``payment`` the events that came before its reference was known. Return whether there were any."""
    events = PaymentEvent.objects.using(database()).filter(
        payment=None, project=payment.project, reference=reference or payment.reference or ""
    )
    return events.update(payment=payment, customer_id="") > 0


def schedule_kept_of_customer(project: str, customer_id: str) -> QuerySet[PaymentEvent]:
    """Have polling handle the kept webhooks of a customer who has just become known, however old; return them all."""
    events = PaymentEvent.objects.using(database())
    of_customer = events.filter(payment=None, outcome=Outcome.UNMATCHED, project=project, customer_id=customer_id)
    of_customer.filter(next_retry_at=None, retries=0).update(next_retry_at=timezone.now())
    return of_customer


def _payments(project: str) -> PaymentQuerySet:
    return Payment.objects.using(database()).filter(project=project)


def _is_expected(relatives: PaymentQuerySet) -> bool:
    """Return whether a create call is under way whose answer may name this very reference.

    An attempt that is known to have got no answer has left its order's live slot.
    """
    attempts = relatives.filter(state=State.CREATING, reference=None)
    attempts = attempts.filter(Q(live_slot__isnull=False) | Q(order_type=None))
    now = timezone.now()
    made = attempts.values_list("created_at", flat=True)[:MOST_RELATIVES]
    return any(is_recent(created_at, within=CRASHED_AFTER, now=now) for created_at in made)


def _owner(relatives: list[Payment], answer: PaymentUpdate) -> Payment | None:
    """Return the payment that a new reference of the customer is about; None when it may be that of several orders.

    It is the one whose create call got no answer, if PayRam asks for its amount, else the one that is topped up.
    """
    asked, filled = (total and _cents(total) for total in (answer.requested_usd, answer.filled_usd))
    attempts = [payment for payment in relatives if payment.reference is None and payment.amount_usd == asked]
    unanswered = [payment for payment in attempts if payment.state == State.CREATING]
    refused = [payment for payment in attempts if payment.state == State.FAILED]
    known = [payment for payment in relatives if payment.reference is not None]
    unpaid = [payment for payment in known if not payment.is_paid]
    if unanswered:
        rivals = [payment for payment in unpaid if payment.missing_usd == asked]
        return unanswered[0] if len(_by_order([*unanswered, *rivals])) == 1 else None
    # PayRam said no, so that most likely nothing was made: only where no other order can be meant.
    if refused and len(_by_order([*refused, *unpaid])) == 1:
        return refused[0]
    if len(_by_order(known)) == 1:
        return (unpaid or known)[0]
    return _topped_up_of_several(_by_order(unpaid), {asked, filled})


def _topped_up_of_several(unpaid: list[Payment], amounts: set[Decimal | None]) -> Payment | None:
    """Return the one among payments of several orders that a new reference tops up; None when nobody can tell.

    A customer id per person has them. The amount that is missing tells them apart; any other sum can only be for an
    order that is partly paid, if that is the only one unpaid.
    """
    exact = [payment for payment in unpaid if payment.missing_usd in amounts]
    if len(exact) == 1:
        return exact[0]
    return unpaid[0] if len(unpaid) == 1 and unpaid[0].received_usd else None


def _by_order(payments: list[Payment]) -> list[Payment]:
    """Return the newest payment of each order and purpose among payments that stand with the newest first."""
    bills = {(one.order_type_id, one.order_id or one.pk, one.purpose): one for one in reversed(payments)}
    return list(bills.values())


def _insert_top_up(parent: Payment, hint: PaymentUpdate, answer: PaymentUpdate) -> Payment:
    if parent.state == State.OPEN:
        # What PayRam knows of the parent may be news as well: a partial payment is usually the reason for a top-up.
        try:
            fetch_and_apply(parent, source=Source.WEBHOOK)
        except PayramError as exc:
            # The parent stays on its schedule; the top-up, which PayRam has confirmed, must not wait for it.
            logger.warning(
                "PayRam could not be asked about %s, which is topped up. %s", parent, exc, extra=log_fields(parent)
            )
    return _insert(
        Payment(
            project=parent.project,
            reference=hint.reference,
            parent=parent,
            purpose=parent.purpose,
            customer_id=parent.customer_id,
            customer_email=parent.customer_email,
            amount_usd=_cents(answer.requested_usd or answer.filled_usd or Decimal(0)),
        )
    )


def _insert(payment: Payment) -> Payment:
    """Insert the payment; of two webhooks at once one inserts it and the other finds it.

    It is due at once: should what PayRam said of it never be recorded, polling asks again.
    """
    payment.next_check_at = timezone.now()
    try:
        with transaction.atomic(using=database()):
            if payment.parent_id is not None:
                # The order may have been deleted, and its key taken from the parent, while PayRam was asked.
                parent = lock_row(payment.parent_id)
                payment.order_type_id, payment.order_id = parent.order_type_id, parent.order_id
                payment.order_number, payment.order_gone = parent.order_number, parent.order_gone
            payment.save(using=database(), force_insert=True)
    except IntegrityError:
        return _payments(payment.project).get(reference=payment.reference)
    return payment


def _cents(amount_usd: Decimal) -> Decimal:
    return amount_usd.quantize(rules.CENT)
