"""Asking for money: the row first, then the call to PayRam, outside any transaction of ours."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import (
    PayramAlreadyPaid,
    PayramDataError,
    PayramDisabled,
    PayramError,
    PayramRefused,
    PayramUnavailable,
)
from django_payram.gateway.client import client_for
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.gateway.redaction import clean_text, redact
from django_payram.models import (
    CRASHED_AFTER,
    Outcome,
    Payment,
    Review,
    Source,
    State,
    database,
    give_back_connections,
    is_recent,
)
from django_payram.models.statements import CompiledQuery
from django_payram.payments import rules, transitions, webhooks
from django_payram.payments.links import usable_link
from django_payram.payments.locks import lock_order
from django_payram.payments.matching import attach_events
from django_payram.payments.refresh import fetch_and_apply
from django_payram.payments.request import PaymentRequest, check_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from django.db.models import Model

    from django_payram.gateway.client import Client
    from django_payram.gateway.payloads import CreatedPayment

logger = logging.getLogger("django_payram")

WAIT_SECONDS = 10.0
"""How long a second click waits for the first one's link."""
POLL_SECONDS = 0.1
MOST_CONFLICTS = 5
"""After so many the conflict is another one, or the caller's transaction cannot see who was faster."""

LINKS_PER_HOUR = 10
"""New payments one order may have in an hour: every one takes a deposit address and an entry in PayRam."""
ATTEMPTS_PER_HOUR = 30
"""Attempts one order may have in an hour, those counted too that PayRam refused or was never asked for."""


def open_payment(
    order: Model | None = None,
    *,
    amount: Decimal | int | str,
    email: str,
    customer_id: str | None = None,
    project: str = conf.DEFAULT_PROJECT,
    metadata: Mapping[str, Any] | None = None,
    client: Client | None = None,
) -> Payment:
    """Return a saved payment whose ``url`` is the page where the customer pays.

    ``order`` is any saved model instance, or None. ``amount`` is in US dollars with at most two places. ``email`` is
    the customer's. ``customer_id`` defaults to a stable id for the order; PayRam cancels a customer's other open
    payments when a new one is made, so an id per person would kill that person's second cart.

    An order has one live link: a second call with the same amount and project returns the open payment, another amount
    opens a new payment and leaves the old one watched.

    Raises ValueError for wrong arguments before anything is written, ImproperlyConfigured for a wrong
    setting, PayramAlreadyPaid, PayramDisabled, PayramRefused (also for more than ten links an hour), PayramUnavailable
    and PayramDataError.
    """
    request = check_request(
        order, amount=amount, email=email, customer_id=customer_id, project=project, metadata=metadata
    )
    payment, is_new = _claim_link(request)
    return _create(payment, client or client_for(request.project)) if is_new else payment


# One live link per order


def _claim_link(request: PaymentRequest) -> tuple[Payment, bool]:
    """Return the payment to use, and whether it has yet to be created at PayRam.

    The unique column ``live_slot`` decides between two calls at once: the loser waits for the winner's link.
    """
    until = time.monotonic() + WAIT_SECONDS
    conflicts = 0
    while True:
        attempts = _attempts(request)
        _refuse_if_paid(attempts)
        live = next((payment for payment in attempts if payment.live_slot is not None), None)
        # A closed link on which money is confirming is as good as live: with another one that would be paid twice.
        live = live or next((payment for payment in attempts if payment.is_confirming and not payment.parent_id), None)
        if live is not None and _is_being_made(live):
            live = _wait(live, until)
        if live is not None and (live.is_open or live.is_confirming) and request.is_met_by(live) and usable_link(live):
            return live, False
        try:
            return _insert(request, attempts, instead_of=live), True
        except IntegrityError:
            conflicts += 1
            if request.order is None or conflicts == MOST_CONFLICTS:
                raise


def _attempts(request: PaymentRequest) -> list[Payment]:
    if request.order is None:
        return []
    return _of_order(request.order.id, request.order.type.pk, using=database())


_of_order = CompiledQuery(
    Payment, lambda key, kind: Payment.objects.filter(order_id=key, order_type=kind).order_by("pk"), "key", 1
)


def _refuse_if_paid(attempts: Iterable[Payment]) -> None:
    for payment in attempts:
        held = payment.is_held and payment.review == Review.AMOUNT
        if payment.parent_id is None and (payment.is_paid or held):
            raise PayramAlreadyPaid("The order has been paid already, or its payment is under review.", payment=payment)


def _is_being_made(payment: Payment) -> bool:
    """Return whether another call is asking for this link; PayRam's webhook may have called it open already."""
    may_run = is_recent(payment.created_at, within=CRASHED_AFTER, now=timezone.now())
    return payment.is_open and not payment.url and may_run


def _wait(payment: Payment, until: float) -> Payment:
    """Wait for the link that another call is making. A call that waited shares the outcome of that one."""
    while time.monotonic() < until:
        give_back_connections()
        time.sleep(POLL_SECONDS)
        payment.refresh_from_db(using=database())
        if payment.url:
            return payment
        if payment.live_slot is None:
            break
    raise PayramUnavailable("The payment link that was being made for this order did not come. Try again.")


def _insert(request: PaymentRequest, attempts: list[Payment], *, instead_of: Payment | None) -> Payment:
    """Save a new payment in the order's live slot, after these attempts. IntegrityError when another was faster."""
    if not request.project.enabled:
        raise PayramDisabled(f"PayRam project {request.project.name!r} takes no new payments at the moment.")
    payment = request.new_payment(attempts)
    if attempts or not transaction.get_autocommit(using=database()):
        with transaction.atomic(using=database()):
            _replace(request, instead_of)
            payment.save(using=database(), force_insert=True)
    else:
        # An order without payments has nothing to lock: one INSERT, and the live slot alone decides.
        payment.save(using=database(), force_insert=True)
    return payment


def _replace(request: PaymentRequest, live: Payment | None) -> None:
    """Keep the order's payments from becoming paid while another link is made, and free the live slot for it."""
    attempts = lock_order(request.order) if request.order is not None else []
    _refuse_if_paid(attempts)
    _refuse_too_many(attempts)
    for payment in attempts:
        if live is not None and (payment.pk, payment.live_slot) == (live.pk, live.live_slot):
            transitions.free_live_slot(payment)


def _refuse_too_many(attempts: Iterable[Payment]) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    own = (payment for payment in attempts if payment.parent_id is None)
    recent = [payment for payment in own if is_recent(payment.created_at, within=hour, now=now)]
    # What PayRam has refused, or was never asked for, took nothing there, but a row here.
    links = sum(payment.state != State.FAILED for payment in recent)
    if links >= LINKS_PER_HOUR or len(recent) >= ATTEMPTS_PER_HOUR:
        raise PayramRefused(
            f"The order has had {len(recent)} payment links within an hour. Try again later.",
            code="too_many_links",
        )


# The call


def _create(payment: Payment, client: Client) -> Payment:
    """Ask PayRam for the link. The call is never repeated: a second one would make a second payment."""
    try:
        created = client.create(
            customer_email=payment.customer_email,
            customer_id=payment.customer_id,
            amount_usd=payment.amount_usd,
            invoice_id=str(payment.token),
        )
    except PayramError as exc:
        _record_failure(payment, exc)
        raise
    payment = _record_link(payment, created)
    if webhooks.may_be_about(payment):
        if attach_events(payment):
            payment = _catch_up(payment, client)
        _retry_kept(payment)
    return payment


def _record_link(payment: Payment, created: CreatedPayment) -> Payment:
    update = PaymentUpdate(reference=created.reference, state=State.OPEN, url=created.url)
    try:
        return transitions.apply(payment, update, source=Source.CHECKOUT).payment
    except IntegrityError as exc:
        error = f"PayRam named the reference {created.reference}, which another payment has."
        transitions.apply(payment, rules.CreateFailure(Outcome.UNKNOWN, error), source=Source.CHECKOUT)
        raise PayramDataError(error, reference=created.reference) from exc


def _record_failure(payment: Payment, exc: PayramError) -> None:
    definite = isinstance(exc, PayramRefused) or (isinstance(exc, PayramUnavailable) and exc.definite)
    outcome = Outcome.REFUSED if definite else Outcome.UNKNOWN
    failure = rules.CreateFailure(outcome, clean_text(str(exc)), _free_reference(payment, exc))
    transitions.apply(payment, failure, source=Source.CHECKOUT)
    _retry_kept(payment)


def _free_reference(payment: Payment, exc: PayramError) -> str | None:
    """Return the reference that an answer named although it could not be used, unless another payment has it."""
    if not isinstance(exc, PayramDataError) or exc.reference is None:
        return None
    taken = Payment.objects.using(database()).filter(project=payment.project, reference=exc.reference)
    return None if taken.exists() else exc.reference


def _retry_kept(payment: Payment) -> None:
    """Handle the webhooks of this customer that came while nobody could know whether they meant this payment."""
    try:
        webhooks.retry_kept_of_customer(payment.project, customer_id=payment.customer_id)
    except (PayramError, DatabaseError) as exc:
        error = redact(str(exc))
        logger.warning("Early webhooks of the customer of %s could not be confirmed. %s", payment.token, error)


def _catch_up(payment: Payment, client: Client) -> Payment:
    """A webhook was faster than the create call's answer: ask at once what it said. Polling would find out as well."""
    try:
        return fetch_and_apply(payment, source=Source.CHECKOUT, client=client).payment
    except PayramError:
        return payment
