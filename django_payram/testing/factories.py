"""Payments as rows, for tests that need no PayRam. Needs the extra ``testing`` (factory-boy)."""

from __future__ import annotations

import uuid
from decimal import Decimal

import factory
from django.utils import timezone

from django_payram import models
from django_payram.states import State


class PaymentFactory(factory.django.DjangoModelFactory):  # type: ignore[misc]
    """An open payment of 49.99 USD; ``paid=True`` and ``partly_paid=True`` are traits."""

    class Meta:
        model = models.Payment

    class Params:
        paid = factory.Trait(
            state=State.FILLED,
            filled_usd=factory.SelfAttribute("amount_usd"),
            paid_at=factory.LazyFunction(timezone.now),
            closed_at=factory.LazyFunction(timezone.now),
            told_state=State.FILLED,
        )
        partly_paid = factory.Trait(
            state=State.PARTIALLY_FILLED, filled_usd=Decimal(20), told_state=State.PARTIALLY_FILLED
        )

    project = "default"
    reference = factory.LazyFunction(lambda: str(uuid.uuid4()))
    customer_id = factory.Sequence(lambda number: f"customer-{number}")
    customer_email = "buyer@example.org"
    amount_usd = Decimal("49.99")
    state = State.OPEN
    told_state = State.OPEN
    url = factory.LazyAttribute(lambda payment: f"https://pay.example.com/payments?reference_id={payment.reference}")
    next_check_at = factory.LazyFunction(timezone.now)
