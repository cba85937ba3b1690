"""A receiver may decide about the payment it is sent, on a row that it reads by itself: nothing of it is forgotten."""

from __future__ import annotations

import pytest

from django_payram.models import Payment
from django_payram.payments import assign, open_payment, record_refund, refresh
from django_payram.signals import payment_paid, payment_refunded, payment_updated
from tests.payments.helpers import pay_for
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect():
    connected = []

    def listen(signal, receiver, *, model=None):
        if model is None:
            signal.connect(receiver)
        else:
            signal.on(model)(receiver)
        connected.append((signal, receiver))

    yield listen
    for signal, receiver in connected:
        signal.disconnect(receiver)


class Books:
    """What receivers write down while the shop's server is up."""

    def __init__(self):
        self.are_open, self.entries = False, []

    def write(self, entry):
        if not self.are_open:
            raise RuntimeError("The books are closed.")
        self.entries.append(entry)


def pay_though_receivers_fail(payram, payment):
    """The verbs of the test kit do not let it pass that the shop answers 500."""
    payram.sandbox.pay(payment.reference)
    assert [done.status for done in payram.sandbox.deliver_due()] == [500]
    payment.refresh_from_db()


def test_an_order_that_a_receiver_makes_is_told_that_it_is_paid(payram, connect):
    books = Books()

    def make_order(payment, **kwargs):
        fresh = Payment.objects.get(pk=payment.pk)
        if fresh.order is None:
            assign(fresh, Order.objects.create())

    def mark_paid(order, payment, **kwargs):
        books.write(order)

    def fail(payment, **kwargs):
        books.write(payment)

    connect(payment_paid, mark_paid, model=Order)
    connect(payment_paid, make_order)
    connect(payment_updated, fail)
    payment = open_payment(amount=5, email="buyer@example.org")
    pay_though_receivers_fail(payram, payment)
    assert payment.order is not None
    assert "payment_paid" in payment.undelivered
    books.are_open = True
    refresh(payment)
    assert payment.order in books.entries
    assert payment.undelivered == []


def test_a_refund_that_a_receiver_records_is_announced(payram, order, connect):
    books = Books()

    def refund_a_part(payment, **kwargs):
        if not payment.refunded_usd:
            record_refund(Payment.objects.get(pk=payment.pk), amount_usd=5)

    def book(payment, refund, **kwargs):
        books.write(refund.amount_usd)

    def fail(payment, **kwargs):
        books.write(payment)

    connect(payment_paid, refund_a_part)
    connect(payment_refunded, book)
    connect(payment_updated, fail)
    payment = pay_for(order)
    pay_though_receivers_fail(payram, payment)
    books.are_open = True
    refresh(payment)
    assert 5 in books.entries
    assert payment.refunds.get().is_announced
