"""The arguments of ``open_payment``: wrong ones are refused before anything is written."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model

from django_payram import conf
from django_payram.models import OrderKey, Payment, order_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django_payram.conf import Project

LARGEST_DIGITS = 13
"""Digits before the point: a JSON number carries 15 digits exactly, two of them are cents."""

LONGEST_CUSTOMER_ID, LONGEST_EMAIL = 255, 254
"""Characters that the columns hold."""


def check_request(
    order: Model | None,
    *,
    amount: Decimal | int | str,
    email: str,
    customer_id: str | None,
    project: str,
    metadata: Mapping[str, Any] | None,
) -> PaymentRequest:
    """Check the arguments of open_payment. Raises ValueError or ImproperlyConfigured."""
    request = PaymentRequest(
        project=conf.project(project),
        order=_order(order),
        amount_usd=_amount(amount),
        email=_email(email),
        customer_id=None if customer_id is None else _customer_id(customer_id),
        metadata=_metadata(metadata),
    )
    if customer_id is None and len(request.own_customer_id(uuid.uuid4())) > LONGEST_CUSTOMER_ID:
        raise ValueError(
            f"customer_id must be given: the order's own would have more than {LONGEST_CUSTOMER_ID} characters."
        )
    return request


@dataclass(frozen=True)
class PaymentRequest:
    """What open_payment was asked for, checked."""

    project: Project
    order: OrderKey | None
    amount_usd: Decimal
    email: str
    customer_id: str | None
    """The shop's own; None: one that is the order's for ever, or the payment's when there is no order."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def new_payment(self, attempts: Iterable[Payment]) -> Payment:
        """Return the unsaved payment, which comes after these attempts for the order."""
        token = uuid.uuid4()
        order = self.order
        return Payment(
            token=token,
            project=self.project.name,
            order_type=order.type if order else None,
            order_id=order.id if order else "",
            live_slot=order.live_slot if order else None,
            customer_id=self.customer_id or self._kept_customer_id(attempts) or self.own_customer_id(token),
            customer_email=self.email,
            amount_usd=self.amount_usd,
            metadata=dict(self.metadata),
        )

    def own_customer_id(self, token: uuid.UUID) -> str:
        """Return the customer id that the payment with ``token`` gets when it is the order's first, or has no order."""
        prefix = self.project.customer_id_prefix
        if self.order is None:
            return f"{prefix}payment-{token}"
        return self.order.customer_id(prefix=prefix, token=token)

    def _kept_customer_id(self, attempts: Iterable[Payment]) -> str | None:
        """Return the customer id that an earlier payment of the order was given: all its payments keep it."""
        own = (attempt for attempt in attempts if attempt.customer_id == self.own_customer_id(attempt.token))
        return next((attempt.customer_id for attempt in own), None)

    def is_met_by(self, payment: Payment) -> bool:
        """Return whether ``payment``'s link is the one asked for."""
        return payment.project == self.project.name and payment.amount_usd == self.amount_usd


def _order(order: Model | None) -> OrderKey | None:
    if order is None:
        return None
    if not isinstance(order, Model):
        raise ValueError(f"order must be a saved model instance or None, not {type(order).__name__}.")  # noqa: TRY004
    if order.pk is None or order._state.adding:  # noqa: SLF001 - Django's documented way to tell
        raise ValueError("The order must be saved before a payment is opened for it.")
    return order_key(order)


def _amount(amount: Decimal | int | str) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise ValueError(f"amount must be a Decimal, an int or a str, not {type(amount).__name__}.")  # noqa: TRY004
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


def _email(email: object) -> str:
    # The validator expects a string.
    given = email if isinstance(email, str) else ""
    try:
        validate_email(given)
    except ValidationError as exc:
        raise ValueError("email must be the customer's e-mail address: PayRam requires one.") from exc
    if len(given) > LONGEST_EMAIL:
        raise ValueError(f"email must have at most {LONGEST_EMAIL} characters.")
    return given


def _customer_id(customer_id: object) -> str:
    if not isinstance(customer_id, str) or not customer_id.strip() or not customer_id.isprintable():
        raise ValueError("customer_id must be a string of printable characters.")
    if customer_id != customer_id.strip():
        raise ValueError("customer_id must not begin or end with white space, which PayRam may not give back.")
    if len(customer_id) > LONGEST_CUSTOMER_ID:
        raise ValueError(f"customer_id must have at most {LONGEST_CUSTOMER_ID} characters.")
    return customer_id


def _metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    try:
        written = json.dumps(dict(metadata or {}), allow_nan=False, ensure_ascii=False)
        # Half of a surrogate pair cannot be encoded, and PostgreSQL keeps none.
        written.encode()
    except (TypeError, ValueError) as exc:
        raise ValueError(f"metadata must be a dict that JSON can hold: {exc}.") from exc
    # Without the pairs a backslash that is left begins an escape.
    if r"\u0000" in written.replace(r"\\", ""):
        raise ValueError("metadata must not hold a NUL character: PostgreSQL keeps none.")
    return metadata or {}
