"""Payments as rows, for tests that need no PayRam. Needs the extra ``testing`` (factory-boy)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, Trait
from factory.django import DjangoModelFactory

from django_payram import models
from django_payram.models.states import State

if TYPE_CHECKING:
    from django.db.models import Model


class PaymentFactory(DjangoModelFactory):  # type: ignore[type-arg] # not generic at run time
    """An open payment of 49.99 USD; ``paid=True`` and ``partly_paid=True`` are traits.

    ``order`` is a saved order with any key. PayRam does not know the payment: it cannot be paid or asked about.
    """

    class Meta:
        model = models.Payment

    class Params:
        paid = Trait(
            state=State.FILLED,
            filled_usd=SelfAttribute("amount_usd"),
            paid_at=LazyFunction(timezone.now),
            closed_at=LazyFunction(timezone.now),
            notified_state=State.FILLED,
        )
        partly_paid = Trait(state=State.PARTIALLY_FILLED, filled_usd=Decimal(20), notified_state=State.PARTIALLY_FILLED)

    # ``order`` is not declared: whoever gives its columns instead could not.
    order_number = LazyAttribute(lambda payment: _number(getattr(payment, "order", None)))
    project = "default"
    reference = LazyFunction(lambda: str(uuid.uuid4()))
    customer_id = Sequence(lambda number: f"customer-{number}")
    customer_email = "buyer@example.org"
    amount_usd = Decimal("49.99")
    state = State.OPEN
    notified_state = State.OPEN
    url = LazyAttribute(lambda payment: f"https://pay.example.com/payments?reference_id={payment.reference}")
    next_check_at = LazyFunction(timezone.now)


def _number(order: Model | None) -> str:
    return "" if order is None else models.number_of(order)
