"""A link that PayRam does not know any more, and attempts that it refuses again and again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramRefused
from django_payram.models import Payment, State
from django_payram.payments import open_payment, refresh
from django_payram.payments.rules import DENIALS
from django_payram.polling import worker
from tests.payments.helpers import outcomes

pytestmark = pytest.mark.django_db


def pay_for(order):
    return open_payment(order, amount=order.total, email=order.email)


@pytest.fixture
def forgotten(payram, order):
    """An hour-old link that PayRam answers 401 for, as after a restored backup."""
    payment = pay_for(order)
    Payment.objects.update(created_at=timezone.now() - timedelta(hours=1))
    payment.refresh_from_db()
    payram.sandbox.inject_fault(payment.reference, "unauthorized")
    return payment


def deny(payment, times):
    for _ in range(times):
        with pytest.raises(PayramRefused):
            refresh(payment)


def test_a_link_that_payram_has_forgotten_frees_its_order(order, forgotten):
    """F79."""
    deny(forgotten, DENIALS - 1)
    assert pay_for(order) == forgotten
    deny(forgotten, 3)
    assert outcomes(forgotten) == ["created", "forgotten"]
    second = pay_for(order)
    assert (second != forgotten, second.customer_id) == (True, forgotten.customer_id)


def test_polling_counts_denials_as_well(order, forgotten):
    """F79."""
    for _ in range(DENIALS):
        Payment.objects.update(next_check_at=timezone.now())
        list(worker.run())
    assert pay_for(order) != forgotten


def test_a_link_that_payram_knows_again_keeps_its_order(payram, order, forgotten):
    deny(forgotten, DENIALS - 1)
    payram.sandbox.clear_faults()
    refresh(forgotten)
    payram.sandbox.inject_fault(forgotten.reference, "unauthorized")
    deny(forgotten, DENIALS - 1)
    assert pay_for(order) == forgotten


def test_money_for_a_forgotten_link_still_counts(payram, order, forgotten):
    deny(forgotten, DENIALS)
    payram.sandbox.clear_faults()
    payram.pay(forgotten)
    order.refresh_from_db()
    assert order.status == "paid"


def test_a_link_of_the_last_minutes_is_not_forgotten(payram, order):
    """PayRam may need a moment to show a payment that it has made."""
    payment = pay_for(order)
    payram.sandbox.inject_fault(payment.reference, "unauthorized")
    deny(payment, DENIALS)
    assert pay_for(order) == payment


@pytest.mark.parametrize("fault", ["throttled", "conflict", "broken", "gateway"])
def test_other_refusals_forget_nothing(payram, order, forgotten, fault):
    payram.sandbox.clear_faults()
    payram.sandbox.inject_fault(forgotten.reference, fault)
    for _ in range(DENIALS):
        Payment.objects.update(next_check_at=timezone.now())
        list(worker.run())
    assert pay_for(order) == forgotten


def test_attempts_that_payram_refuses_are_capped(payram, order):
    """F76: 500 clicks against a PayRam that refuses made 500 rows, each slower than the one before."""
    payram.sandbox.inject_fault(None, "unauthorized")
    codes = []
    for _ in range(40):
        with pytest.raises(PayramRefused) as caught:
            pay_for(order)
        codes.append(caught.value.code)
    assert codes.count("too_many_links") == 10
    assert Payment.objects.filter(state=State.FAILED).count() == 30
