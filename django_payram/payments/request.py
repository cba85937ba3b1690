"""The arguments of ``open_payment``: wrong ones are refused before anything is written."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db.models import Model
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import InvalidPaymentRequest, PayramUnavailable
from django_payram.gateway.redaction import clean_text, redact
from django_payram.models import USD, OrderKey, Payment, is_recent, number_of, order_key, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_payram.conf import Project

LARGEST_DIGITS = 13
"""Digits before the point: a JSON number carries 15 digits exactly, two of them are cents."""

CENT = Decimal("0.01")

LONGEST_CUSTOMER_ID, LONGEST_EMAIL, LONGEST_PURPOSE, LONGEST_NUMBER = 255, 254, 100, 200
"""Characters that the columns hold."""

SHORTEST_LIFE, LONGEST_LIFE = timedelta(minutes=1), timedelta(days=365)

RATE_LIFE = timedelta(hours=1)
"""So long a link keeps the exchange rate at which it was made."""

GIVEN_BY_DEFAULT = re.compile(r"-[0-9a-f]{12}\Z")
"""How a customer id ends that the shop has not chosen: with digits of a payment's token."""

CURRENCY = re.compile(r"[A-Z]{3}")


def check_request(
    order: Model | None,
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
    token: uuid.UUID | None = None,
) -> PaymentRequest:
    """Check the arguments of open_payment. Raises InvalidPaymentRequest (a ValueError) or ImproperlyConfigured."""
    request = PaymentRequest(
        project=conf.project(_text("project", project, LONGEST_NUMBER)),
        order=None if order is None else read_order(order),
        order_number=_order_number(order, order_number),
        purpose=_text("purpose", purpose, LONGEST_PURPOSE),
        amount=read_amount("amount", amount),
        currency=_currency(currency),
        email=_email(email),
        customer_id=None if customer_id is None else _customer_id(customer_id),
        expires_in=_expires_in(expires_in),
        metadata=_metadata(metadata),
        token=None if token is None else _token(token, order),
    )
    if request.currency != USD and request.project.rates is None:
        raise InvalidPaymentRequest(
            "currency",
            f"is {request.currency}, and prices in other currencies than {USD} need the option RATES of "
            f"PAYRAM[{request.project.name!r}].",
        )
    if customer_id is None and len(request.own_customer_id(uuid.uuid4())) > LONGEST_CUSTOMER_ID:
        raise InvalidPaymentRequest(
            "customer_id", f"must be given: the order's own would have more than {LONGEST_CUSTOMER_ID} characters."
        )
    return request


@dataclass(frozen=True)
class PaymentRequest:
    """What open_payment was asked for, checked."""

    project: Project
    order: OrderKey | None
    order_number: str
    purpose: str
    amount: Decimal
    """In ``currency``, with two places."""
    currency: str
    email: str
    customer_id: str | None
    """The shop's own; None: one that is the order's for ever, or the payment's when there is no order."""
    expires_in: timedelta | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    token: uuid.UUID | None = None
    """The token of the payment to be, or of the one that was made for the same call; None: any."""

    def amount_usd(self) -> Decimal:
        """Return the price in US dollars with two places, by the exchange rate of now.

        Raises PayramUnavailable when there is no rate at the moment, ImproperlyConfigured when RATES gives none that
        is a number above zero, and InvalidPaymentRequest for less than a cent.
        """
        if self.project.rates is None or self.currency == USD:
            return self.amount
        setting = f"RATES of PAYRAM[{self.project.name!r}]"
        try:
            rate: object = self.project.rates(self.currency)
        except Exception as exc:
            # Whatever the shop's function asks, it may be out of order for a while.
            message = redact(f"{setting} gave no exchange rate for {self.currency}: {exc}")
            raise PayramUnavailable(message, definite=True) from exc
        if not isinstance(rate, Decimal) or not rate.is_finite() or rate <= 0:
            raise ImproperlyConfigured(f"{setting} must return a Decimal above zero for {self.currency}, not {rate!r}.")
        try:
            dollars = _cents("amount", self.amount * rate)
        except ArithmeticError as exc:
            raise ImproperlyConfigured(f"{setting} returned {rate!r} for {self.currency}, which is too much.") from exc
        if not dollars:
            raise InvalidPaymentRequest("amount", "must be worth at least one cent of a US dollar.")
        return dollars

    def new_payment(self, attempts: Sequence[Payment], amount_usd: Decimal) -> Payment:
        """Return the unsaved payment of so many US dollars, which comes after these attempts for the order."""
        token, now = self.token or uuid.uuid4(), timezone.now()
        order = self.order
        return Payment(
            token=token,
            project=self.project.name,
            order_type=order.type if order else None,
            order_id=order.id if order else "",
            order_number=self.order_number,
            purpose=self.purpose,
            live_slot=order.live_slot(self.purpose) if order else None,
            customer_id=self._expected_customer_id(attempts) or self.own_customer_id(token),
            customer_email=self.email,
            amount_usd=amount_usd,
            price_amount=self.amount,
            price_currency=self.currency,
            metadata=dict(self.metadata),
            created_at=now,
            expires_at=None if self.expires_in is None else now + self.expires_in,
        )

    def own_customer_id(self, token: uuid.UUID) -> str:
        """Return the customer id that the payment with ``token`` gets when it is the order's first, or has no order."""
        prefix = self.project.customer_id_prefix
        if self.order is None:
            return f"{prefix}payment-{token}"
        return self.order.customer_id(prefix=prefix, token=token)

    def _expected_customer_id(self, attempts: Sequence[Payment]) -> str | None:
        """Return the shop's own customer id, or what an earlier payment was given: all payments keep it.

        That of the live link counts first, also of one that was assigned from another order: PayRam cancels a link
        only when the same customer gets another one.
        """
        if self.customer_id is not None or self.order is None:
            return self.customer_id
        live = (one.customer_id for one in attempts if one.live_slot and GIVEN_BY_DEFAULT.search(one.customer_id))
        own = (one.customer_id for one in attempts if self.order.is_customer_id(one.customer_id))
        return next(live, None) or next(own, None)

    def is_met_by(self, payment: Payment, attempts: Sequence[Payment]) -> bool:
        """Return whether the link of ``payment``, one of these attempts for the order, is the one asked for."""
        now = timezone.now()
        same_customer = payment.customer_email == self.email and payment.customer_id == self._expected_customer_id(
            attempts
        )
        rate_holds = self.currency == USD or is_recent(payment.created_at, within=RATE_LIFE, now=now)
        lives = payment.expires_at is None or now < payment.expires_at
        same_price = payment.price == (self.amount, self.currency)
        return payment.project == self.project.name and same_customer and same_price and rate_holds and lives


def read_order(order: object) -> OrderKey:
    """Return how payments remember an order. Raises InvalidPaymentRequest."""
    if not isinstance(order, Model):
        raise InvalidPaymentRequest("order", f"must be a saved model instance, not {type(order).__name__}.")
    if order.pk is None or order._state.adding:  # noqa: SLF001 - Django's documented way to tell
        raise InvalidPaymentRequest("order", "must be saved first: no payment can remember it yet.")
    return order_key(order)


def _order_number(order: Model | None, order_number: object) -> str:
    if order_number is None:
        return "" if order is None else number_of(order)
    return _text("order_number", order_number, LONGEST_NUMBER)


def read_amount(argument: str, amount: object) -> Decimal:
    """Return an amount of money with two places. Raises InvalidPaymentRequest, naming the argument."""
    number = read_number(argument, amount)
    if number <= 0:
        raise InvalidPaymentRequest(argument, "must be more than zero.")
    cents = _cents(argument, number)
    if cents != number:
        raise InvalidPaymentRequest(argument, "must have at most two places.")
    return cents


def read_text(argument: str, text: object, *, longest: int | None = None) -> str:
    """Return a text of people for the timeline, fit to be kept. Raises InvalidPaymentRequest, naming the argument."""
    if not isinstance(text, str):
        raise InvalidPaymentRequest(argument, f"must be a string, not {type(text).__name__}.")
    if longest is not None and len(text) > longest:
        raise InvalidPaymentRequest(argument, f"must have at most {longest} characters.")
    return clean_text(text)


def _cents(argument: str, amount: Decimal) -> Decimal:
    if amount.adjusted() >= LARGEST_DIGITS:
        raise InvalidPaymentRequest(argument, f"must have at most {LARGEST_DIGITS} digits before the point.")
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def _currency(currency: object) -> str:
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise InvalidPaymentRequest(
            "currency", f"must be a code of three capital letters such as EUR, not {currency!r}."
        )
    return currency


def _email(email: object) -> str:
    # The validator expects a string.
    given = email.strip() if isinstance(email, str) else ""
    if not given.isprintable():
        raise InvalidPaymentRequest("email", "must have only printable characters.")
    if not given.partition("@")[0].isascii():
        raise InvalidPaymentRequest("email", "must have only ASCII characters before the @.")
    try:
        validate_email(given)
    except ValidationError as exc:
        raise InvalidPaymentRequest("email", "must be the customer's e-mail address: PayRam requires one.") from exc
    if len(given) > LONGEST_EMAIL:
        raise InvalidPaymentRequest("email", f"must have at most {LONGEST_EMAIL} characters.")
    return given


def _customer_id(customer_id: object) -> str:
    if not isinstance(customer_id, str) or not customer_id.strip():
        raise InvalidPaymentRequest("customer_id", "must be a string of printable characters.")
    return _text("customer_id", customer_id, LONGEST_CUSTOMER_ID)


def _text(argument: str, text: object, longest: int) -> str:
    if not isinstance(text, str) or not text.isprintable():
        raise InvalidPaymentRequest(argument, "must be a string of printable characters.")
    if text != text.strip():
        # PayRam may not give back a customer id with it.
        raise InvalidPaymentRequest(argument, "must not begin or end with white space.")
    if len(text) > longest:
        raise InvalidPaymentRequest(argument, f"must have at most {longest} characters.")
    return text


def _expires_in(expires_in: object) -> timedelta | None:
    if expires_in is None:
        return None
    if not isinstance(expires_in, timedelta) or not SHORTEST_LIFE <= expires_in <= LONGEST_LIFE:
        raise InvalidPaymentRequest(
            "expires_in", f"must be a timedelta of a minute at least, and of {LONGEST_LIFE.days} days at most."
        )
    return expires_in


def _token(token: object, order: object) -> uuid.UUID:
    if not isinstance(token, uuid.UUID):
        raise InvalidPaymentRequest("token", f"must be a UUID, not {type(token).__name__}.")
    if order is not None:
        # The order's one live link decides, and a second token would be a contradiction.
        raise InvalidPaymentRequest("token", "is for payments without an order: an order has one live link anyway.")
    return token


def _metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    try:
        written = json.dumps(dict(metadata or {}), allow_nan=False, ensure_ascii=False)
        # Half of a surrogate pair cannot be encoded, and PostgreSQL keeps none.
        written.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidPaymentRequest("metadata", f"must be a dict that JSON can hold: {exc}.") from exc
    # Without the pairs a backslash that is left begins an escape.
    if r"\u0000" in written.replace(r"\\", ""):
        raise InvalidPaymentRequest("metadata", "must not hold a NUL character: PostgreSQL keeps none.")
    return metadata or {}
