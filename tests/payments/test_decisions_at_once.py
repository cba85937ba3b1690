"""What the shop decides in the same instant as a webhook, a resync, a click, or another decision."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import OperationalError

from django_payram.exceptions import PayramError
from django_payram.models import Payment, Refund, Review, State, database
from django_payram.payments import assign, open_payment, record_refund, refresh, withdraw
from tests.conftest import in_threads
from tests.payments.helpers import of_order, pay_for, receive
from tests.shop.models import Order

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

ROUNDS = 5


def fresh(payment):
    """Return the payment as another process reads it."""
    return Payment.objects.using(database()).get(pk=payment.pk)


def failures(results, *expected):
    return [result for result in results if isinstance(result, Exception) and not isinstance(result, expected)]


def test_refunds_at_once_never_exceed_what_is_left(order, listener):
    """F84."""
    payment = of_order(order)
    receive(payment, State.FILLED, "49.99")
    results = in_threads(*[lambda: record_refund(fresh(payment), amount_usd=20)] * 4)
    assert failures(results, ValueError) == []
    payment.refresh_from_db()
    assert (Refund.objects.count(), payment.refunded_usd) == (2, 40)
    assert listener.names.count("payment_refunded") == 2
    assert Refund.objects.filter(is_announced=False).count() == 0


def test_a_refund_and_more_money_at_once_both_count(order):
    for _ in range(ROUNDS):
        payment = of_order(order)
        receive(payment, State.PARTIALLY_FILLED, "20")
        results = in_threads(
            lambda: record_refund(fresh(payment), amount_usd=20),  # noqa: B023 - run at once
            lambda: receive(fresh(payment), State.FILLED, "49.99"),  # noqa: B023
        )
        assert failures(results) == []
        payment.refresh_from_db()
        assert (payment.refunded_usd, payment.received_usd, payment.net_usd) == (20, Decimal("49.99"), Decimal("29.99"))


def test_a_withdrawal_and_the_money_at_once_lose_nothing(order, listener):
    """F83: it is paid, and late only if it was withdrawn first."""
    for _ in range(ROUNDS):
        payment = of_order(Order.objects.create())
        results = in_threads(
            lambda: withdraw(fresh(payment)),  # noqa: B023
            lambda: receive(fresh(payment), State.FILLED, "49.99"),  # noqa: B023
        )
        assert failures(results, ValueError) == []
        payment.refresh_from_db()
        assert payment.is_paid
        assert (payment.review == Review.LATE) == (payment.withdrawn_at is not None)
    assert listener.names.count("payment_paid") == ROUNDS


def test_a_withdrawal_and_a_click_at_once_leave_at_most_one_live_link(payram, order):
    for _ in range(ROUNDS):
        payment = pay_for(order)
        results = in_threads(
            lambda: withdraw(fresh(payment)),  # noqa: B023
            *[lambda: pay_for(order)] * 2,
        )
        assert failures(results, PayramError) == []
        live = Payment.objects.exclude(live_slot=None)
        assert live.count() <= 1
        assert not live.exclude(withdrawn_at=None).exists()


def test_clicks_for_two_purposes_at_once_make_one_link_each(payram, order):
    """F82."""
    purposes = ["deposit", "balance"] * 3
    results = in_threads(*[lambda purpose=purpose: pay_for(order, purpose=purpose) for purpose in purposes])
    assert failures(results) == []
    assert len({payment.pk for payment in results}) == Payment.objects.count() == 2
    assert len([call for call in payram.sandbox.calls if call.method == "POST"]) == 2


def test_two_payments_assigned_and_paid_at_once_are_one_payment_and_one_duplicate(listener):
    """F23, F85."""
    for _ in range(ROUNDS):
        listener.received.clear()
        order, loose = Order.objects.create(), [of_order(Order.objects.create()) for _ in range(2)]
        for payment in loose:
            receive(payment, State.FILLED, "49.99")
        told = listener.names.count("payment_paid")
        results = in_threads(*[lambda payment=payment: assign(fresh(payment), order) for payment in loose])  # noqa: B023
        assert failures(results) == []
        rows = Payment.objects.for_order(order)
        assert sorted(row.review for row in rows) == ["", Review.DUPLICATE]
        assert listener.names.count("payment_paid") == told + 1


def test_payments_that_change_places_at_once_do_not_block_each_other():
    """Two orders, each assigned the payment of the other one."""
    for _ in range(ROUNDS):
        orders = [Order.objects.create() for _ in range(2)]
        first, second = (of_order(order) for order in orders)
        results = in_threads(
            lambda: assign(fresh(first), orders[1]),  # noqa: B023
            lambda: assign(fresh(second), orders[0]),  # noqa: B023
            lambda: receive(fresh(first), State.FILLED, "49.99"),  # noqa: B023
            lambda: receive(fresh(second), State.FILLED, "49.99"),  # noqa: B023
        )
        # MariaDB may end a deadlock of its indexes; the webhook that was answered 503 comes again.
        assert failures(results, OperationalError) == failures(results[:2]) == []
        for payment in (first, second):
            receive(fresh(payment), State.FILLED, "49.99")
        assert [fresh(payment).order for payment in (first, second)] == [orders[1], orders[0]]
        assert all(fresh(payment).is_paid for payment in (first, second))


def test_an_order_that_gets_a_payment_while_it_is_clicked_has_one_live_link(payram):
    for _ in range(ROUNDS):
        order = Order.objects.create()
        basket = open_payment(amount=order.total, email=order.email)
        results = in_threads(
            lambda: assign(fresh(basket), order),  # noqa: B023
            *[lambda: pay_for(order)] * 2,  # noqa: B023
        )
        assert failures(results, PayramError) == []
        assert Payment.objects.for_order(order).exclude(live_slot=None).count() == 1


def test_a_refund_beside_every_other_road_is_recorded_once(payram, order, listener):
    payment = pay_for(order)
    payram.pay(payment)
    results = in_threads(
        lambda: record_refund(fresh(payment), amount_usd="49.99"),
        lambda: refresh(fresh(payment)),
        lambda: refresh(fresh(payment)),
        lambda: receive(fresh(payment), State.FILLED, "49.99", url=payment.url),
    )
    assert failures(results) == []
    payment.refresh_from_db()
    assert (payment.net_usd, payment.is_paid, Refund.objects.count()) == (0, True, 1)
    assert listener.names.count("payment_refunded") == 1
