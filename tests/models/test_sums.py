"""Sums over payments are what their rows say, whatever the filter."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from django_payram.models import Payment, State
from django_payram.payments import record_refund
from django_payram.reports.figures import Range, figures
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import pay_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def topped_up(payram, order):
    payment = pay_for(order)
    payram.pay(payment, 20)
    payram.sandbox.top_up(payment.reference)
    payram.deliver()
    payment.refresh_from_db()
    assert payment.is_paid
    return payment


def test_a_payment_counts_with_its_top_ups(topped_up, order):
    whole = Decimal("49.99")
    assert order.payments.paid().received_usd() == whole
    assert order.payments.with_status("paid").received_usd() == whole
    assert order.payments.all().received_usd() == whole
    record_refund(topped_up, amount_usd=10)
    assert [rows.net_usd() for rows in (order.payments.paid(), order.payments.all())] == [whole - 10] * 2


def test_a_top_up_counts_by_itself_where_what_it_tops_up_is_left_out(topped_up, order):
    assert order.payments.filter(parent=topped_up).received_usd() == Decimal("29.99")
    assert order.payments.exclude(pk=topped_up.pk).net_usd() == Decimal("29.99")


def test_a_payment_that_a_join_brings_twice_counts_once():
    payment = PaymentFactory(paid=True, amount_usd=50, filled_usd=50)
    for _ in range(2):
        record_refund(payment, amount_usd=5)
    assert Payment.objects.filter(refunds__amount_usd=5).net_usd() == 40


def test_the_sum_of_a_slice_is_that_of_its_rows():
    for amount in (10, 20, 40):
        PaymentFactory(paid=True, amount_usd=amount, filled_usd=amount)
    assert Payment.objects.order_by("pk")[:2].received_usd() == 30
    assert Payment.objects.none().net_usd() == 0


def test_many_payments_have_the_sum_to_the_last_place():
    PaymentFactory.create_batch(65, paid=True, filled_usd=Decimal("49.99"), refunded_usd=Decimal("49.98"))
    assert Payment.objects.received_usd() == figures(Range(), by="day").total.received == Decimal("3249.35")
    assert Payment.objects.net_usd() == Decimal("0.65")


def test_the_sum_of_large_and_small_amounts_is_exact():
    for usd in ("-0.01", "9999999.99999999", "1234567890.12", "0.00000001"):
        PaymentFactory(paid=True, filled_usd=Decimal(usd))
    assert Payment.objects.net_usd() == Decimal("1244567890.11")


@pytest.fixture
def latest():
    """The later of two payments of an order; the other one has a top-up."""
    first = PaymentFactory(paid=True, filled_usd=20, topped_up_usd=30, order_number="A")
    PaymentFactory(parent=first, state=State.FILLED, filled_usd=30, order_number="A")
    return PaymentFactory(paid=True, filled_usd=7, order_number="A")


def test_the_latest_of_each_order_counts_alone(latest):
    place = Window(RowNumber(), partition_by="order_number", order_by=F("pk").desc())
    payments = Payment.objects.annotate(place=place).filter(place=1)
    assert list(payments) == [latest]
    assert payments.net_usd() == 7


@pytest.mark.postgresql
def test_the_first_row_of_each_order_counts_alone(latest):
    payments = Payment.objects.order_by("order_number", "-pk").distinct("order_number")
    assert payments.net_usd() == 7
