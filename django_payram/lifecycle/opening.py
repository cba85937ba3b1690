"""Asking for money: the row first, then the call to PayRam, outside any transaction of ours."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from django_payram import conf
from django_payram.client import client_for
from django_payram.exceptions import (
    PayramAlreadyPaid,
    PayramDataError,
    PayramDisabled,
    PayramError,
    PayramRefused,
    PayramUnavailable,
)
from django_payram.lifecycle import gate, siblings
from django_payram.lifecycle.adopting import match
from django_payram.lifecycle.asking import ask_and_record
from django_payram.lifecycle.rehearing import came_early, hear_kept
from django_payram.lifecycle.wish import Wish, read_wish
from django_payram.models import CRASHED_AFTER, Outcome, Payment, Source, database
from django_payram.states import Review, State
from django_payram.wire import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from django.db.models import Model

    from django_payram.client import Client
    from django_payram.wire import Created

logger = logging.getLogger("django_payram")

WAIT_SECONDS = 10.0
"""How long a second click waits for the first one's link."""
POLL_SECONDS = 0.1
LOST_RACES = 5
"""After so many the conflict is another one, or the caller's transaction cannot see who was faster."""

LINKS_PER_HOUR = 10
"""New payments one order may have in an hour: every one takes a deposit address and an entry in PayRam."""


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
    wish = read_wish(order, amount=amount, email=email, customer_id=customer_id, project=project, metadata=metadata)
    payment, ours = _claim(wish)
    return _create(payment, client or client_for(wish.project)) if ours else payment


# One live link per order


def _claim(wish: Wish) -> tuple[Payment, bool]:
    """Return the payment to use, and whether it is ours to create at PayRam.

    The unique column ``live_slot`` decides between two calls at once: the loser waits for the winner's link.
    """
    until = time.monotonic() + WAIT_SECONDS
    lost = 0
    while True:
        attempts = siblings.of_order(wish.order) if wish.order is not None else []
        _refuse_if_paid(attempts)
        live = next((payment for payment in attempts if payment.live_slot is not None), None)
        if live is not None and _is_being_made(live):
            live = _wait(live, until)
        if live is not None and (live.is_open or live.is_confirming) and live.url and wish.is_met_by(live):
            return live, False
        try:
            return _insert(wish, attempts, instead_of=live), True
        except IntegrityError:
            lost += 1
            if wish.order is None or lost == LOST_RACES:
                raise


def _refuse_if_paid(attempts: Iterable[Payment]) -> None:
    for payment in attempts:
        held = payment.review == Review.AMOUNT and payment.is_filled
        if payment.parent_id is None and (payment.is_paid or held):
            raise PayramAlreadyPaid("The order has been paid already, or its payment is under review.", payment=payment)


def _is_being_made(payment: Payment) -> bool:
    """Return whether another call is asking for this link; PayRam's webhook may have called it open already."""
    crashed = payment.created_at < timezone.now() - CRASHED_AFTER
    return payment.is_open and not payment.url and not crashed


def _wait(payment: Payment, until: float) -> Payment:
    """Wait for the link that another call is making. A call that waited shares that one's fate."""
    while time.monotonic() < until:
        time.sleep(POLL_SECONDS)
        payment.refresh_from_db(using=database())
        if payment.url:
            return payment
        if payment.live_slot is None:
            break
    raise PayramUnavailable("The payment link that was being made for this order did not come. Try again.")


def _insert(wish: Wish, attempts: list[Payment], *, instead_of: Payment | None) -> Payment:
    """Save a new payment in the order's live slot, after these attempts. IntegrityError when another was faster."""
    if not wish.project.enabled:
        raise PayramDisabled(f"PayRam project {wish.project.name!r} takes no new payments at the moment.")
    payment = wish.row()
    if attempts or not transaction.get_autocommit(using=database()):
        with transaction.atomic(using=database()):
            _clear_the_way(wish, instead_of)
            payment.save(using=database(), force_insert=True)
    else:
        # An order without payments has nothing to lock: one INSERT, and the live slot alone decides.
        payment.save(using=database(), force_insert=True)
    return payment


def _clear_the_way(wish: Wish, instead_of: Payment | None) -> None:
    attempts = _lock(wish)
    _refuse_if_paid(attempts)
    _refuse_too_many(attempts)
    if instead_of is not None:
        rows = Payment.objects.using(database()).filter(pk=instead_of.pk)
        rows.filter(live_slot=instead_of.live_slot).update(live_slot=None)


def _lock(wish: Wish) -> list[Payment]:
    """Keep the order's payments from becoming paid while another link is made for it."""
    return siblings.lock_order(wish.order) if wish.order is not None else []


def _refuse_too_many(attempts: Iterable[Payment]) -> None:
    since = timezone.now() - timedelta(hours=1)
    recent = [payment for payment in attempts if payment.parent_id is None and payment.created_at > since]
    # What PayRam has refused, or was never asked for, took nothing there.
    if sum(payment.state != State.FAILED for payment in recent) >= LINKS_PER_HOUR:
        raise PayramRefused(
            f"The order has had {LINKS_PER_HOUR} payment links within an hour. Try again later.",
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
    if came_early(payment):
        if match(payment):
            payment = _catch_up(payment, client)
        _hear_early(payment)
    return payment


def _record_link(payment: Payment, created: Created) -> Payment:
    report = Report(reference=created.reference, state=State.OPEN)
    try:
        return gate.record(payment, report, source=Source.CHECKOUT, url=created.url).payment
    except IntegrityError as exc:
        error = f"PayRam named the reference {created.reference}, which another payment has."
        gate.failed(payment, outcome=Outcome.UNKNOWN, error=error)
        raise PayramDataError(error, reference=created.reference) from exc


def _record_failure(payment: Payment, exc: PayramError) -> None:
    definite = isinstance(exc, PayramRefused) or (isinstance(exc, PayramUnavailable) and exc.definite)
    gate.failed(
        payment,
        outcome=Outcome.REFUSED if definite else Outcome.UNKNOWN,
        error=str(exc),
        reference=_free_reference(payment, exc),
    )
    _hear_early(payment)


def _free_reference(payment: Payment, exc: PayramError) -> str | None:
    """Return the reference that an answer named although it could not be used, unless another payment has it."""
    if not isinstance(exc, PayramDataError) or exc.reference is None:
        return None
    taken = Payment.objects.using(database()).filter(project=payment.project, reference=exc.reference)
    return None if taken.exists() else exc.reference


def _hear_early(payment: Payment) -> None:
    """Hear the webhooks of this customer that came while nobody could know whether they meant this payment."""
    try:
        hear_kept(payment.project, customer_id=payment.customer_id, since=payment.created_at)
    except (PayramError, DatabaseError) as exc:
        error = conf.redact(str(exc))
        logger.warning("Early webhooks of the customer of %s could not be confirmed. %s", payment.token, error)


def _catch_up(payment: Payment, client: Client) -> Payment:
    """A webhook overtook the create call's answer: ask at once what it wanted to say. Resync would find out as well."""
    try:
        return ask_and_record(payment, source=Source.CHECKOUT, client=client).payment
    except PayramError:
        return payment
