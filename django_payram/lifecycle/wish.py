"""What a shop asks for when it opens a payment: wrong arguments are refused before anything is written."""

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
from django_payram.models import Payment, content_type, slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_payram.conf import Project

LARGEST_DIGITS = 13
"""Digits before the point: a JSON number carries 15 digits exactly, two of them are cents."""

LONGEST_KEY, LONGEST_CUSTOMER_ID, LONGEST_EMAIL = 200, 255, 254
"""Characters that the columns hold."""


def read_wish(
    order: Model | None,
    *,
    amount: Decimal | int | str,
    email: str,
    customer_id: str | None,
    project: str,
    metadata: Mapping[str, Any] | None,
) -> Wish:
    """Check the arguments of open_payment. Raises ValueError or ImproperlyConfigured."""
    chosen = conf.project(project)
    return Wish(
        project=chosen,
        order=_order(order),
        amount_usd=_amount(amount),
        email=_email(email),
        customer_id=_order_customer_id(order, chosen) if customer_id is None else _customer_id(customer_id),
        metadata=_metadata(metadata),
    )


@dataclass(frozen=True)
class Wish:
    """What open_payment was asked for, checked."""

    project: Project
    order: Model | None
    amount_usd: Decimal
    email: str
    customer_id: str | None
    """None: a payment without an order is named after its token."""
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
            customer_id=self.customer_id or f"{self.project.customer_id_prefix}payment-{token}",
            customer_email=self.email,
            amount_usd=self.amount_usd,
            metadata=dict(self.metadata),
            **place,
        )

    def is_met_by(self, payment: Payment) -> bool:
        """Return whether ``payment``'s link is the one asked for."""
        return payment.project == self.project.name and payment.amount_usd == self.amount_usd


def _order(order: Model | None) -> Model | None:
    if order is None:
        return None
    if not isinstance(order, Model):
        raise ValueError(f"order must be a saved model instance or None, not {type(order).__name__}.")  # noqa: TRY004
    if order.pk is None or order._state.adding:  # noqa: SLF001 - Django's documented way to tell
        raise ValueError("The order must be saved before a payment is opened for it.")
    if len(str(order.pk)) > LONGEST_KEY:
        raise ValueError(f"order must have a key of at most {LONGEST_KEY} characters.")
    return order


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


def _order_customer_id(order: Model | None, project: Project) -> str | None:
    """Return the customer id that is the same for every payment of the order."""
    if order is None:
        return None
    kind = content_type(order)
    customer_id = f"{project.customer_id_prefix}{kind.app_label}.{kind.model}-{order.pk}"
    if len(customer_id) > LONGEST_CUSTOMER_ID:
        said = f"the order's own would have more than {LONGEST_CUSTOMER_ID} characters"
        raise ValueError(f"customer_id must be given: {said}.")
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
