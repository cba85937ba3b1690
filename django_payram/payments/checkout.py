"""Asking for money: the row first, then the call to PayRam, outside any transaction of ours."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import sync_to_async
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
    USD,
    Outcome,
    Payment,
    Review,
    Source,
    State,
    database,
    give_back_connections,
    is_recent,
    log_fields,
)
from django_payram.models.statements import CompiledQuery
from django_payram.payments import rules, transitions, webhooks
from django_payram.payments.links import usable_link
from django_payram.payments.locks import lock_order
from django_payram.payments.matching import attach_events
from django_payram.payments.refresh import fetch_and_apply
from django_payram.payments.request import PaymentRequest, check_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal
    from uuid import UUID

    from django.db.models import Model

    from django_payram.gateway.client import Client
    from django_payram.gateway.payloads import CreatedPayment

logger = logging.getLogger("django_payram")

WAIT_SECONDS = 10.0
"""How long a second click waits for the first one's link."""
POLL_SECONDS = 0.1
NOT_MADE = "The payment link that was being made for this order did not come. Try again."
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
    currency: str = USD,
    purpose: str = "",
    order_number: str | None = None,
    customer_id: str | None = None,
    project: str = conf.DEFAULT_PROJECT,
    expires_in: timedelta | None = None,
    metadata: Mapping[str, Any] | None = None,
    token: UUID | None = None,
    client: Client | None = None,
) -> Payment:
    """Return a saved payment whose ``url`` is the page where the customer pays.

    ``order`` is any saved model instance, or None. ``amount`` is a Decimal, an int or a str with at most two places,
    never a float, in ``currency``: other currencies than US dollars need the option ``RATES``, and the US dollars are
    fixed when the link is made. ``email`` is the customer's. ``purpose`` names the bill when an order has several;
    ``order_number`` is what people call the order (its ``number``, or its key, by default), kept when the order is
    gone. ``customer_id`` is PayRam's ``customerId``, by default a stable id for the order and the purpose; PayRam
    cancels a customer's other open payments when a new one is made, so that with one id for a person the link of a
    second cart would cancel that of the first. ``project`` is one of the setting. ``expires_in``, a minute or more, is
    how long the link lives, on servers that know ``expire``: money after it is ``late``, and an open link keeps the end
    that it was made with. ``metadata`` is a dict that JSON can hold, for the shop, and never sent to PayRam. ``token``
    is for payments without an order: a second call with it returns the first one's payment, whatever became of it.
    ``client`` is for tests.

    An order has one live link for each purpose: a second call with the same price, e-mail and customer id returns the
    open payment, also when two threads call at once (in another currency while its rate is younger than an hour);
    another one opens a new payment, and PayRam is still asked about the old one.

    Raises InvalidPaymentRequest (a ValueError) for wrong arguments before anything is written, ImproperlyConfigured for
    a wrong setting, PayramAlreadyPaid, PayramDisabled, PayramRefused (also for more than ten links or thirty attempts
    an hour, and for a payment that was withdrawn while its link was made), PayramUnavailable and PayramDataError.
    """
    request = check_request(
        order,
        amount=amount,
        email=email,
        currency=currency,
        purpose=purpose,
        order_number=order_number,
        customer_id=customer_id,
        project=project,
        expires_in=expires_in,
        metadata=metadata,
        token=token,
    )
    until, claim = time.monotonic() + WAIT_SECONDS, claim_link(request)
    while claim.is_being_made:
        _refuse_to_wait(until)
        give_back_connections()
        time.sleep(POLL_SECONDS)
        claim = claim_link(request, waited_for=claim.payment)
    return create_link(claim.payment, client or client_for(request.project)) if claim.is_new else claim.payment


async def aopen_payment(order: Model | None = None, *, client: Client | None = None, **arguments: Any) -> Payment:
    """Do what :func:`open_payment` does, with its arguments and errors, for code that must not block.

    A thread works for the call while it has something to do, and none while another call is making the link. A call
    that is canceled while PayRam is asked goes on to the end, so that the answer is recorded.
    """
    request = await sync_to_async(check_request)(order, **arguments)
    until, claim = time.monotonic() + WAIT_SECONDS, await sync_to_async(claim_link)(request)
    while claim.is_being_made:
        _refuse_to_wait(until)
        await sync_to_async(give_back_connections)()
        await asyncio.sleep(POLL_SECONDS)
        claim = await sync_to_async(claim_link)(request, waited_for=claim.payment)
    if not claim.is_new:
        return claim.payment
    return await sync_to_async(create_link)(claim.payment, client or client_for(request.project))


# One live link per order


class Claim(NamedTuple):
    """The payment to use for a request, or to wait for."""

    payment: Payment
    is_new: bool = False
    """Whether it has yet to be created at PayRam, by whoever holds this claim."""
    is_being_made: bool = False
    """Whether another call is asking PayRam for its link."""


def claim_link(request: PaymentRequest, *, waited_for: Payment | None = None) -> Claim:
    """Return the order's live payment that meets the request, or a new one that takes its place.

    The unique column ``live_slot`` decides between two calls at once: the loser waits for the winner's link. It shares
    the outcome: where the one that was ``waited_for`` got no link, PayramUnavailable is raised.
    """
    conflicts = 0
    while True:
        attempts = _attempts(request)
        if request.token is not None and attempts:
            return _of_token(attempts[0])
        _refuse_if_paid(attempts)
        if any(payment == waited_for and not payment.url and payment.live_slot is None for payment in attempts):
            raise PayramUnavailable(NOT_MADE)
        live = _live(attempts)
        if live is not None and _is_being_made(live):
            return Claim(live, is_being_made=True)
        if live is not None and _is_usable(live) and request.is_met_by(live, attempts):
            return Claim(live)
        try:
            return Claim(_insert(request, attempts, instead_of=live), is_new=True)
        except IntegrityError:
            conflicts += 1
            if (request.order or request.token) is None or conflicts == MOST_CONFLICTS:
                raise


def _of_token(known: Payment) -> Claim:
    """Return the payment that has the token of a call already: of a call before, or of one in the same instant."""
    is_being_made = _is_being_made(known)
    if not known.url and not is_being_made:
        raise PayramUnavailable(NOT_MADE)
    return Claim(known, is_being_made=is_being_made)


def _live(attempts: Sequence[Payment]) -> Payment | None:
    """Return the payment with the live link among attempts for one purpose.

    A closed link on which money is confirming is as good as live: with another one that would be paid twice.
    """
    live = (payment for payment in attempts if payment.live_slot is not None)
    confirming = (payment for payment in attempts if payment.is_confirming and payment.parent_id is None)
    return next(live, None) or next(confirming, None)


def _is_usable(live: Payment) -> bool:
    # PayRam goes on asking for what lacks of its amount, whatever the shop has sent back.
    is_wanted = live.is_confirming or (live.is_open and not live.refunded_usd)
    return is_wanted and bool(usable_link(live))


def _attempts(request: PaymentRequest) -> list[Payment]:
    """Return the attempts for the order and purpose, oldest first; without an order, the one with the token."""
    if request.order is None:
        return [] if request.token is None else list(Payment.objects.using(database()).filter(token=request.token))
    return _of_bill(request.order.id, request.order.type.pk, request.purpose)


def _of_bill(order_id: str, order_type: int, purpose: str) -> list[Payment]:
    found = _of_order(order_id, order_type, using=database())
    return [payment for payment in found if payment.purpose == purpose]


_of_order = CompiledQuery(
    Payment, lambda key, kind: Payment.objects.filter(order_id=key, order_type=kind).order_by("pk"), "key", 1
)


def _refuse_if_paid(attempts: Iterable[Payment]) -> None:
    for payment in attempts:
        held = payment.is_held and payment.review == Review.AMOUNT
        if payment.parent_id is None and (payment.is_paid or held):
            bill = f"{payment.purpose!r} of the order" if payment.purpose else "The order"
            raise PayramAlreadyPaid(f"{bill} has been paid already, or its payment is under review.", payment=payment)


def _is_being_made(payment: Payment) -> bool:
    """Return whether another call is asking for this link; PayRam's webhook may have called it open already."""
    may_run = is_recent(payment.created_at, within=CRASHED_AFTER, now=timezone.now())
    return payment.is_open and not payment.url and may_run


def _refuse_to_wait(until: float) -> None:
    if time.monotonic() >= until:
        raise PayramUnavailable(NOT_MADE)


def _insert(request: PaymentRequest, attempts: list[Payment], *, instead_of: Payment | None) -> Payment:
    """Save a new payment in the order's live slot, after these attempts. IntegrityError when another was faster."""
    if not request.project.enabled:
        raise PayramDisabled(f"PayRam project {request.project.name!r} takes no new payments at the moment.")
    # Outside of the transaction: the shop's function may ask a server for the exchange rate.
    payment = request.new_payment(attempts, request.amount_usd())
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
    locked = lock_order(request.order) if request.order is not None else []
    attempts = [payment for payment in locked if payment.purpose == request.purpose]
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


def create_link(payment: Payment, client: Client) -> Payment:
    """Ask PayRam for the link. The call is never repeated: a second one would make a second payment."""
    try:
        created = client.create(
            customer_email=payment.customer_email,
            customer_id=payment.customer_id,
            amount_usd=payment.amount_usd,
            invoice_id=str(payment.token),
            expires_at=payment.expires_at,
        )
    except PayramError as exc:
        exc.payment = payment
        _record_failure(payment, exc)
        raise
    payment = _record_link(payment, created)
    if webhooks.may_be_about(payment):
        if attach_events(payment):
            payment = _catch_up(payment, client)
        _retry_kept(payment)
    if payment.withdrawn_at is not None:
        if payment.order_type_id is not None:
            _refuse_if_paid(_of_bill(payment.order_id, payment.order_type_id, payment.purpose))
        raise PayramRefused("The payment was withdrawn while its link was being made.", code="withdrawn")
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
        logger.warning(
            "Early webhooks of the customer of %s could not be confirmed. %s",
            payment.token,
            redact(str(exc)),
            extra=log_fields(payment),
        )


def _catch_up(payment: Payment, client: Client) -> Payment:
    """A webhook was faster than the create call's answer: ask at once what it said. Polling would find out as well."""
    try:
        return fetch_and_apply(payment, source=Source.CHECKOUT, client=client).payment
    except PayramError:
        return payment
