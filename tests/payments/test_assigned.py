"""What assigning a payment means for the links and the other payments of both orders."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_payram.exceptions import PayramAlreadyPaid
from django_payram.models import Payment, Review
from django_payram.payments import assign, open_payment, refresh
from tests.payments.helpers import pay_for
from tests.shop.models import LooseOrder, Order

pytestmark = pytest.mark.django_db


def of_nobody(**arguments):
    return open_payment(amount="49.99", email="buyer@example.org", **arguments)


@pytest.fixture
def other():
    return Order.objects.create()


# Links


def test_an_assigned_open_link_is_the_orders_live_link(payram, order):
    payment = assign(of_nobody(), order)
    assert open_payment(order, amount="49.99", email="buyer@example.org") == payment


def test_a_link_for_another_price_ends_the_assigned_one_at_payram(payram, order):
    """PayRam cancels the open links of the same customer alone."""
    first = assign(of_nobody(), order)
    second = pay_for(order, amount=60)
    assert first != second
    assert [payram.sandbox.payment(payment.reference).state for payment in (first, second)] == ["CANCELLED", "OPEN"]


def test_an_order_keeps_its_live_link_when_its_first_payment_is_assigned_away(payram, order, other):
    first, live = pay_for(order, amount=50), pay_for(order, amount=60)
    assign(first, other)
    assert pay_for(order, amount=60) == live


def test_a_customer_id_of_the_shops_own_is_still_asked_for(payram, order):
    payment = assign(of_nobody(customer_id="kim"), order)
    assert pay_for(order) != payment


_meanwhile = []


def rate(_currency):
    while _meanwhile:
        _meanwhile.pop()()
    return Decimal(1)


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_given_a_paid_payment_meanwhile_gets_no_link(payram, order, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "RATES": f"{__name__}.rate"}}
    paid = payram.pay(of_nobody())
    _meanwhile.append(lambda: assign(paid, order))
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(order, currency="EUR")
    assert caught.value.payment == paid
    made = Payment.objects.for_order(order).exclude(pk=paid.pk).get()
    assert (made.live_slot, made.is_open) == (None, False)


# Orders


def test_a_payment_is_not_assigned_to_a_deleted_order(payram, listener):
    order = LooseOrder.objects.create(id="x")
    stale = LooseOrder.objects.get(id="x")
    order.delete()
    payment = payram.pay(of_nobody())
    listener.received.clear()
    with pytest.raises(ValueError, match=r"^order must be there: it has been deleted\.$"):
        assign(payment, stale)
    payment.refresh_from_db()
    assert (payment.order, listener.names) == (None, [])
    assert not Payment.objects.for_order(LooseOrder.objects.create(id="x")).exists()


# Too much, and no more


def test_a_part_assigned_to_a_paid_order_is_a_duplicate(payram, order, listener):
    payram.pay(pay_for(order))
    part = payram.pay(of_nobody(), 20)
    assert assign(part, order).review == Review.DUPLICATE
    assert "payment_needs_review" in listener.names


@pytest.mark.parametrize("amount", [60, 20])
def test_what_was_too_much_for_one_order_is_right_for_another(payram, order, other, listener, amount):
    payram.pay(pay_for(order))
    second = of_nobody()
    assign(second, order)
    payram.pay(second, amount)
    second.refresh_from_db()
    assert second.review == Review.DUPLICATE
    assign(second, other)
    assert (second.review, second.review_settled, second.paid_second) == ("", True, False)
    assert second.is_paid == (amount == 60)


def test_money_for_a_top_up_of_a_paid_payment_stays_too_much(payram, order, other):
    payment = pay_for(order)
    payram.pay(payment)
    payram.sandbox.top_up(payment.reference, 5)
    payram.deliver()
    payment.refresh_from_db()
    assert payment.review == Review.DUPLICATE
    assert assign(payment, other).review == Review.DUPLICATE


# The order that is left


def test_the_second_payment_of_an_order_pays_it_when_the_first_leaves(payram, order, other, listener):
    first, second, third = pay_for(order, amount=50), pay_for(order, amount=60), pay_for(order, amount=70)
    for payment in (first, second, third):
        payram.pay(payment)
    assign(first, other)
    listener.received.clear()
    for payment in (second, third):
        refresh(payment)
    assert [payment for name, payment, _ in listener.received if name == "payment_paid"] == [second]
    assert (second.review, third.review) == ("", Review.DUPLICATE)


def test_nobody_is_told_of_a_second_payment_that_leaves(payram, order, other, listener):
    first, second, third = pay_for(order, amount=50), pay_for(order, amount=60), pay_for(order, amount=70)
    for payment in (first, second, third):
        payram.pay(payment)
    assign(second, other)
    listener.received.clear()
    for payment in (first, third):
        refresh(payment)
    assert "payment_paid" not in listener.names
    third.refresh_from_db()
    assert third.review == Review.DUPLICATE


def test_a_dead_link_is_announced_when_its_replacement_leaves(payram, order, other, listener):
    dead, live = pay_for(order), pay_for(order, amount=60)
    refresh(dead)
    assert "payment_canceled" not in listener.names
    assign(live, other)
    refresh(dead)
    assert [payment for name, payment, _ in listener.received if name == "payment_canceled"] == [dead]


def test_a_dead_link_that_was_announced_before_is_not_announced_again(payram, order, other, listener):
    dead = pay_for(order)
    payram.expire(dead)
    live = pay_for(order, amount=60)
    assign(live, other)
    refresh(dead)
    assert listener.names.count("payment_canceled") == 1
