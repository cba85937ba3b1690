"""Receivers that are connected for the orders of one model."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from django.db import connection, connections, router

from django_payram.models import Payment, State
from django_payram.payments import record_refund, transitions
from django_payram.signals import SIGNALS, payment_needs_review, payment_paid, payment_refunded, payment_updated
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import of_order, receive
from tests.shop.models import GiftOrder, Order, OrderProxy, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect():
    """Connect receivers, and disconnect them after the test."""
    connected = []

    def on(signal, model, receiver):
        connected.append((signal, signal.on(model)(receiver)))
        return receiver

    yield on
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.fixture
def paid(connect):
    """What a receiver of payment_paid for orders was called with."""
    calls = []

    def receiver(order, payment, **kwargs):
        calls.append((order, payment))

    connect(payment_paid, Order, receiver)
    return calls


def test_it_is_called_for_payments_of_its_model_only(paid, order):
    """F90: the same key of another model."""
    other = SlugOrder.objects.create(pk=str(order.pk))
    for place in (other, None):
        receive(of_order(place) if place else PaymentFactory(), State.FILLED, "49.99")
    assert paid == []
    payment = of_order(order)
    receive(payment, State.FILLED, "49.99")
    assert paid == [(order, payment)]


def test_the_order_is_read_anew(paid, order):
    payment = of_order(order)
    assert payment.order.email == "buyer@example.org"
    Order.objects.update(email="new@example.org")
    receive(payment, State.FILLED, "49.99")
    ((found, _payment),) = paid
    assert found.email == "new@example.org"


@pytest.mark.concurrency
def test_the_order_is_locked(connect, order):
    locked = []
    connect(payment_paid, Order, lambda order, payment, **kwargs: locked.append(order.pk))
    with connections[router.db_for_write(Order)].execute_wrapper(_Noting(locked)):
        receive(of_order(order), State.FILLED, "49.99")
    assert any("FOR UPDATE" in sql and "shop_order" in sql for sql in locked if isinstance(sql, str))


class _Noting:
    def __init__(self, statements):
        self.statements = statements

    def __call__(self, execute, sql, params, many, context):
        self.statements.append(sql)
        return execute(sql, params, many, context)


def test_it_is_not_called_for_an_order_that_is_gone(connect, order):
    """F60."""
    reviewed = []
    connect(payment_needs_review, Order, lambda order, payment, **kwargs: reviewed.append(order))
    payment = of_order(order)
    Order.objects.filter(pk=order.pk)._raw_delete(router.db_for_write(Order))
    result = receive(payment, State.FILLED, "49.99")
    assert (reviewed, result.delivered, payment.review) == ([], True, "orphan")


def test_it_is_not_called_for_a_key_that_the_model_cannot_have(paid, order):
    receive(PaymentFactory(order_type=of_order(order).order_type, order_id="no such key"), State.FILLED, "49.99")
    assert paid == []


def test_proxies_and_children_of_a_model_are_found(connect):
    """F61."""
    names = []
    gift = GiftOrder.objects.create()
    for model in (OrderProxy, GiftOrder):
        connect(payment_paid, model, lambda order, payment, **kwargs: names.append(type(order).__name__))
    receive(of_order(Order.objects.get(pk=gift.pk)), State.FILLED, "49.99")
    assert names == ["OrderProxy", "GiftOrder"]
    receive(of_order(Order.objects.create()), State.FILLED, "49.99")
    assert names == ["OrderProxy", "GiftOrder", "OrderProxy"]


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_has_it(connect, name):
    connect(SIGNALS[name], Order, lambda order, payment, **kwargs: None)
    assert SIGNALS[name].has_listeners(Payment)


def test_the_other_arguments_come_along(connect, order):
    calls = []
    connect(payment_refunded, Order, lambda order, payment, refund, **kwargs: calls.append(refund.amount_usd))
    connect(payment_updated, Order, lambda order, payment, previous_state, **kwargs: calls.append(previous_state))
    payment = of_order(order)
    receive(payment, State.FILLED, "49.99")
    record_refund(payment, amount_usd=5)
    assert calls == ["OPEN", Decimal(5)]


def test_what_it_writes_is_undone_when_it_raises_and_it_is_called_again(connect, order):
    """F9."""
    broken = [True]

    def receiver(order, payment, **kwargs):
        order.email = "written@example.org"
        order.save()
        if broken:
            raise RuntimeError(broken.pop())

    connect(payment_paid, Order, receiver)
    payment = of_order(order)
    assert not receive(payment, State.FILLED, "49.99").delivered
    order.refresh_from_db()
    assert (order.email, payment.undelivered) == ("buyer@example.org", ["payment_paid"])
    assert transitions.notify(payment).delivered
    order.refresh_from_db()
    assert order.email == "written@example.org"


def test_a_receiver_is_disconnected_by_its_own_name(paid, order):
    def receiver(order, payment, **kwargs):
        paid.append("second")

    assert payment_paid.on(Order)(receiver) is receiver
    assert payment_paid.disconnect(receiver)
    assert not payment_paid.disconnect(receiver)
    receive(of_order(order), State.FILLED, "49.99")
    assert len(paid) == 1


def test_a_receiver_that_is_connected_twice_is_called_once_and_is_gone_when_it_is_disconnected(paid, order):
    def receiver(order, payment, **kwargs):
        paid.append("again")

    for model in (Order, Order, UuidOrder):
        payment_paid.on(model)(receiver)
    payment = receive(of_order(order), State.FILLED, "49.99").payment
    assert paid.count("again") == 1
    assert payment_paid.disconnect(receiver)
    transitions.notify_again(payment)
    assert paid.count("again") == 1


# Coroutine functions


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_function_writes_in_the_same_transaction(connect, order):
    async def receiver(order, payment, **kwargs):
        await asyncio.sleep(0)
        order.email = "written@example.org"
        await order.asave()
        if payment.amount_usd == 13:
            raise RuntimeError("broken")

    connect(payment_paid, Order, receiver)
    unlucky = of_order(order, amount_usd=13)
    result = receive(unlucky, State.FILLED, "13")
    order.refresh_from_db()
    assert (result.delivered, order.email, unlucky.is_paid) == (False, "buyer@example.org", True)
    other = Order.objects.create()
    assert receive(of_order(other), State.FILLED, "49.99").delivered
    other.refresh_from_db()
    assert other.email == "written@example.org"
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_a_plain_receiver_may_be_a_coroutine_function(order):
    seen = []

    async def receiver(sender, payment, **kwargs):
        seen.append((await Payment.objects.aget(pk=payment.pk)).is_paid)

    payment_paid.connect(receiver)
    try:
        receive(of_order(order), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(receiver)
    assert seen == [True]
