"""Asking for money: the row first, then the call to PayRam, outside any transaction of ours."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
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
from django_payram.lifecycle import gate
from django_payram.lifecycle.asking import ask_and_record
from django_payram.lifecycle.hearing import match
from django_payram.models import CRASHED_AFTER, Outcome, Payment, Source, content_type, database, slot
from django_payram.states import FULLY_FILLED, Review, State
from django_payram.wire import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    from django_payram.client import Client
    from django_payram.conf import Project

WAIT_SECONDS = 10.0
"""How long a second click waits for the first one's link."""
POLL_SECONDS = 0.1

LINKS_PER_HOUR = 10
"""New payments one order may have in an hour: every one takes a deposit address and an entry in PayRam."""

LARGEST_DIGITS = 13
"""Digits before the point: a JSON number carries 15 digits exactly, two of them are cents."""


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

    Raises ValueError or TypeError for wrong arguments before anything is written, ImproperlyConfigured for a wrong
    setting, PayramAlreadyPaid, PayramDisabled, PayramRefused (also for more than ten links an hour), PayramUnavailable
    and PayramDataError.
    """
    wish = _Wish(
        project=conf.project(project),
        order=_order(order),
        amount_usd=_amount(amount),
        email=_email(email),
        customer_id=_customer_id(customer_id),
        metadata=_metadata(metadata),
    )
    payment, ours = _claim(wish)
    return _create(payment, client or client_for(wish.project)) if ours else payment


@dataclass(frozen=True)
class _Wish:
    """What open_payment was asked for, checked."""

    project: Project
    order: Model | None
    amount_usd: Decimal
    email: str
    customer_id: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> Payment:
        """Return the unsaved payment."""
        token = uuid.uuid4()
        place = {}
        if self.order is not None:
            place = {
                "order_type": content_type(self.order),
                "order_id": str(self.order.pk),
                "live_slot": slot(self.order),
            }
        return Payment(
            token=token,
            project=self.project.name,
            customer_id=self.customer_id or self._default_customer_id(token),
            customer_email=self.email,
            amount_usd=self.amount_usd,
            metadata=dict(self.metadata),
            **place,
        )

    def _default_customer_id(self, token: uuid.UUID) -> str:
        prefix = self.project.customer_id_prefix
        if self.order is None:
            return f"{prefix}payment-{token}"
        return f"{prefix}{content_type(self.order).app_label}.{content_type(self.order).model}-{self.order.pk}"

    def is_met_by(self, payment: Payment) -> bool:
        """Return whether ``payment``'s link is the one asked for."""
        return payment.project == self.project.name and payment.amount_usd == self.amount_usd


# Wrong arguments


def _order(order: Model | None) -> Model | None:
    if order is not None and (order.pk is None or order._state.adding):  # noqa: SLF001 - Django's documented way to tell
        raise ValueError("The order must be saved before a payment is opened for it.")
    return order


def _amount(amount: Decimal | int | str) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise TypeError(f"amount must be a Decimal, an int or a str, not {type(amount).__name__}.")
    try:
        dollars = Decimal(amount)
    except InvalidOperation as exc:
        raise ValueError(f"amount is not a number: {amount!r}.") from exc
    if not dollars.is_finite() or dollars <= 0:
        raise ValueError(f"amount must be more than zero US dollars, not {amount}.")
    if dollars.adjusted() >= LARGEST_DIGITS:
        raise ValueError(f"amount must have at most {LARGEST_DIGITS} digits before the point.")
    cents = dollars.quantize(Decimal("0.01"))
    if cents != dollars:
        raise ValueError(f"amount must have at most two places, US dollars and cents, not {amount}.")
    return cents


def _email(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError as exc:
        raise ValueError("email must be the customer's e-mail address: PayRam requires one.") from exc
    if len(email) > 254:
        raise ValueError("email must have at most 254 characters.")
    return email


def _customer_id(customer_id: str | None) -> str | None:
    if customer_id is None:
        return None
    if not customer_id.strip() or not customer_id.isprintable():
        raise ValueError("customer_id must be a string of printable characters.")
    if len(customer_id) > 255:
        raise ValueError("customer_id must have at most 255 characters.")
    return customer_id


def _metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    try:
        json.dumps(dict(metadata or {}), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"metadata must be a dict that JSON can hold: {exc}.") from exc
    return metadata or {}


# One live link per order


def _claim(wish: _Wish) -> tuple[Payment, bool]:
    """Return the payment to use, and whether it is ours to create at PayRam.

    The unique column ``live_slot`` decides between two calls at once: the loser waits for the winner's link.
    """
    until = time.monotonic() + WAIT_SECONDS
    while True:
        _refuse_if_paid(wish)
        live = _live(wish)
        if live is not None and live.state == State.CREATING and not _is_crashed(live):
            live = _wait(live, until)
        if live is not None and live.is_open and live.url and wish.is_met_by(live):
            return live, False
        payment = _insert(wish, instead_of=live)
        if payment is not None:
            return payment, True


def _refuse_if_paid(wish: _Wish) -> None:
    if wish.order is None:
        return
    attempts = Payment.objects.using(database()).for_order(wish.order).filter(parent=None)
    held = attempts.filter(review=Review.AMOUNT, state__in=FULLY_FILLED)
    for payment in (attempts.paid() | held)[:1]:
        raise PayramAlreadyPaid("The order has been paid already, or its payment is under review.", payment=payment)


def _live(wish: _Wish) -> Payment | None:
    if wish.order is None:
        return None
    return Payment.objects.using(database()).filter(live_slot=slot(wish.order)).first()


def _is_crashed(payment: Payment) -> bool:
    return payment.created_at < timezone.now() - CRASHED_AFTER


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


def _insert(wish: _Wish, *, instead_of: Payment | None) -> Payment | None:
    """Save a new payment in the order's live slot; None when another call was faster."""
    if not wish.project.enabled:
        raise PayramDisabled(f"PayRam project {wish.project.name!r} takes no new payments at the moment.")
    _refuse_too_many(wish)
    payment = wish.row()
    try:
        with transaction.atomic(using=database()):
            if instead_of is not None:
                rows = Payment.objects.using(database()).filter(pk=instead_of.pk)
                rows.filter(live_slot=payment.live_slot).update(live_slot=None)
            payment.save(using=database(), force_insert=True)
    except IntegrityError:
        if payment.live_slot is None:
            raise
        return None
    return payment


def _refuse_too_many(wish: _Wish) -> None:
    if wish.order is None:
        return
    since = timezone.now() - timedelta(hours=1)
    recent = Payment.objects.using(database()).for_order(wish.order).filter(created_at__gt=since, parent=None)
    if recent.count() >= LINKS_PER_HOUR:
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
    report = Report(reference=created.reference, word="OPEN", state=State.OPEN)
    payment = gate.record(payment, report, source=Source.CHECKOUT, url=created.url).payment
    return _catch_up(payment, client) if match(payment) else payment


def _record_failure(payment: Payment, exc: PayramError) -> None:
    definite = isinstance(exc, PayramRefused) or (isinstance(exc, PayramUnavailable) and exc.definite)
    gate.failed(
        payment,
        outcome=Outcome.REFUSED if definite else Outcome.UNKNOWN,
        error=str(exc),
        reference=exc.reference if isinstance(exc, PayramDataError) else None,
    )


def _catch_up(payment: Payment, client: Client) -> Payment:
    """A webhook overtook the create call's answer: ask at once what it wanted to say. Resync would find out as well."""
    try:
        return ask_and_record(payment, source=Source.CHECKOUT, client=client).payment
    except PayramError:
        return payment
