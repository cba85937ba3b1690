"""An order with several bills: each purpose has one live link, and is paid once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_payram.exceptions import PayramAlreadyPaid
from django_payram.models import Payment, Review, State, Status, order_key
from django_payram.payments import open_payment, refresh
from django_payram.payments.request import LONGEST_PURPOSE
from tests.payments.helpers import of_order, pay_for, receive
from tests.shop.models import LooseOrder, Order

pytestmark = pytest.mark.django_db


def test_a_paid_order_that_has_grown_is_billed_for_the_rest(payram, order, listener):
    """F82."""
    payram.pay(pay_for(order))
    with pytest.raises(PayramAlreadyPaid):
        pay_for(order, "79.99")
    parcel = pay_for(order, "30", purpose="extra parcel")
    assert payram.pay(parcel).is_paid
    parcel.refresh_from_db()
    assert parcel.review == ""
    assert listener.names.count("payment_paid") == 2
    with pytest.raises(PayramAlreadyPaid, match="'extra parcel' of the order has been paid already") as caught:
        pay_for(order, "30", purpose="extra parcel")
    assert caught.value.payment == parcel


def test_two_purposes_have_live_links_at_once_that_do_not_cancel_each_other(payram, order):
    """F82: PayRam cancels a customer's open link when it makes another one for the same customer id."""
    deposit, balance = pay_for(order, "10", purpose="deposit"), pay_for(order, "39.99", purpose="balance")
    assert deposit.customer_id != balance.customer_id
    for payment in (deposit, balance):
        assert refresh(payment).status == Status.WAITING
    assert pay_for(order, "10", purpose="deposit") == deposit
    assert pay_for(order, "39.99", purpose="balance") == balance
    assert len({payment.live_slot for payment in (deposit, balance, pay_for(order))}) == 3


def test_all_payments_for_a_purpose_keep_the_customer_id(payram, order):
    first = pay_for(order, "10", purpose="deposit")
    pay_for(order, "39.99", purpose="balance")
    payram.expire(first)
    assert pay_for(order, "10", purpose="deposit").customer_id == first.customer_id


def test_only_a_second_payment_for_the_same_purpose_is_a_duplicate(order, listener):
    """F22, F82."""
    rows = [of_order(order, purpose=purpose) for purpose in ("", "deposit", "deposit")]
    for row in rows:
        receive(row, State.FILLED, "49.99")
    assert [row.review for row in rows] == ["", "", Review.DUPLICATE]
    assert listener.names.count("payment_paid") == 2


def test_a_canceled_link_is_announced_though_another_purpose_is_open(order, listener):
    deposit, _balance = of_order(order, purpose="deposit"), of_order(order, purpose="balance")
    receive(deposit, State.CANCELED)
    assert listener.names.count("payment_canceled") == 1


def test_another_price_for_another_purpose_makes_no_money_late(order):
    deposit, _balance = of_order(order, purpose="deposit"), of_order(order, purpose="balance", amount_usd=70)
    receive(deposit, State.FILLED, "49.99")
    assert deposit.review == ""


def test_money_under_a_new_reference_of_one_customer_id_is_for_the_purpose_that_misses_it(payram, order):
    """F63, F82: a customer id of the shop's own for both."""
    paid = pay_for(order, "10", purpose="deposit", customer_id="kim")
    payram.pay(paid)
    balance = pay_for(order, "39.99", purpose="balance", customer_id="kim")
    payram.pay(balance, 20)
    payram.sandbox.top_up(balance.reference)
    payram.deliver()
    balance.refresh_from_db()
    assert (balance.is_paid, balance.received_usd) == (True, Decimal("39.99"))
    assert Payment.objects.get(parent=balance).purpose == "balance"


def test_no_purpose_of_one_order_has_the_live_slot_of_another():
    keys = [order_key(LooseOrder(pk=key)) for key in ("5", "5:a", "5:a:b", "1:5")]
    slots = [key.live_slot(purpose) for key in keys for purpose in ("", "a", "a:b", "b", ":a")]
    assert len(set(slots)) == len(slots)
    longest = order_key(LooseOrder(pk="k" * 200)).live_slot("p" * LONGEST_PURPOSE)
    assert len(longest) < Payment._meta.get_field("live_slot").max_length


@pytest.mark.parametrize("purpose", [None, 5, "a\nb", " deposit", "x" * 101])
def test_a_wrong_purpose_raises_before_anything_is_written(payram, order, purpose):
    with pytest.raises(ValueError, match=r"^purpose must"):
        pay_for(order, purpose=purpose)
    assert not Payment.objects.exists()


# What makes a new link


@pytest.mark.parametrize("change", [{"email": "new@example.org"}, {"customer_id": "kim"}])
def test_a_corrected_e_mail_or_another_customer_id_makes_a_new_link(payram, order, change):
    """F92."""
    first = open_payment(order, amount=order.total, email="old@example.org")
    second = open_payment(order, amount=order.total, **{"email": "old@example.org", **change})
    assert second != first
    first.refresh_from_db()
    assert first.live_slot is None
    assert open_payment(order, amount=order.total, **{"email": "old@example.org", **change}) == second


# Order numbers


@pytest.mark.parametrize("number", [" 2026-7 ", 7, None, "", "  ", "a\x00b", "x" * 201, lambda: "no"])
def test_an_order_is_called_by_its_number_or_else_by_its_key(payram, order, monkeypatch, number):
    monkeypatch.setattr(Order, "number", number, raising=False)
    expected = {" 2026-7 ": "2026-7", 7: "7"}.get(number, str(order.pk))
    assert pay_for(order).order_number == expected


def test_an_order_number_may_be_given_and_is_kept_when_the_order_is_gone(payram):
    order = LooseOrder.objects.create(pk="cart-1")
    payment = pay_for(order, order_number="2026-000042")
    order.delete()
    payment.refresh_from_db()
    assert (payment.order, payment.order_number) == (None, "2026-000042")
