"""What the shop decides: to withdraw a link, to assign a payment, to record a refund."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid, PayramRefused
from django_payram.models import Outcome, Payment, Refund, Review, Source, State, Status
from django_payram.payments import assign, open_payment, record_refund, refresh, transitions, withdraw
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import accept, of_order, outcomes, pay_for, receive, resolve, top_up
from tests.shop.models import Order, UuidOrder

pytestmark = pytest.mark.django_db


# Withdrawing


def test_a_withdrawn_link_is_offered_no_more_and_its_end_is_not_announced(payram, order, listener):
    """F83."""
    payment = pay_for(order)
    assert withdraw(payment, reason="Paid by card.", actor="kim") is payment
    assert (payment.status, payment.is_open, payment.live_slot) == (Status.WITHDRAWN, False, None)
    event = payment.events.get(outcome=Outcome.WITHDRAWN)
    assert (event.note, event.actor, event.source) == ("Paid by card.", "kim", Source.SHOP)
    payram.expire(payment)
    payment.refresh_from_db()
    assert (payment.state, payment.status) == (State.CANCELED, Status.WITHDRAWN)
    assert "payment_canceled" not in listener.names
    assert pay_for(order) != payment


def test_a_payment_is_withdrawn_once(payram, order, listener):
    payment = withdraw(pay_for(order), reason="Paid by card.")
    moment = payment.withdrawn_at
    assert withdraw(payment, reason="Again.").withdrawn_at == moment
    assert outcomes(payment).count("withdrawn") == 1
    assert listener.names == ["payment_updated"]


def test_money_on_a_withdrawn_link_counts_and_is_late(payram, order, listener):
    """F83: nothing is lost, and a person looks."""
    payment = withdraw(pay_for(order))
    assert payram.pay(payment).is_paid
    payment.refresh_from_db()
    assert (payment.review, payment.status) == (Review.LATE, Status.PAID)
    assert listener.names.count("payment_paid") == 1


def test_a_top_up_of_a_withdrawn_payment_is_late():
    parent = PaymentFactory(withdrawn_at=timezone.now())
    receive(top_up(parent), State.FILLED, "29.99")
    parent.refresh_from_db()
    assert (parent.received_usd, parent.review) == (Decimal("29.99"), Review.LATE)


def test_a_paid_payment_is_not_withdrawn(payram, order):
    payment = payram.pay(pay_for(order))
    with pytest.raises(ValueError, match=r"^The payment is paid; money of it can only be sent back\.$"):
        withdraw(payment)
    payment.refresh_from_db()
    assert payment.withdrawn_at is None


def test_a_payment_that_is_withdrawn_while_its_link_is_made_is_given_to_nobody(payram, order, monkeypatch):
    from django_payram.gateway.client import Client

    create = Client.create

    def slow(self, **fields):
        withdraw(Payment.objects.get())
        return create(self, **fields)

    monkeypatch.setattr(Client, "create", slow)
    with pytest.raises(PayramRefused) as caught:
        pay_for(order)
    assert caught.value.code == "withdrawn"
    payment = Payment.objects.get()
    assert (payment.state, payment.status) == (State.OPEN, Status.WITHDRAWN)


def test_what_was_canceled_and_not_yet_told_is_not_told_after_a_withdrawal(order, listener):
    payment = of_order(order)
    listener.fail_on = {"payment_canceled"}
    receive(payment, State.CANCELED)
    assert payment.undelivered == ["payment_canceled"]
    listener.fail_on = set()
    withdraw(payment)
    assert "payment_canceled" not in listener.names
    assert payment.undelivered == []


# Assigning


def test_a_basket_that_was_paid_first_is_assigned_to_the_order_made_later(payram, listener, order):
    """F85."""
    payment = open_payment(amount="49.99", email="buyer@example.org")
    payram.pay(payment)
    assert listener.names.count("payment_paid") == 1
    assert assign(payment, order, actor="kim") is payment
    assert (payment.order, payment.order_number) == (order, str(order.pk))
    assert listener.names.count("payment_paid") == 2
    event = payment.events.get(outcome=Outcome.ASSIGNED)
    assert (event.note, event.actor) == (str(order.pk), "kim")
    with pytest.raises(PayramAlreadyPaid):
        pay_for(order)


def test_an_open_payment_that_is_assigned_is_the_orders_live_link(payram, order):
    payment = assign(open_payment(amount="49.99", email="buyer@example.org"), order)
    assert open_payment(order, amount="49.99", email="buyer@example.org", customer_id=payment.customer_id) == payment


def test_an_order_with_a_live_link_keeps_it(payram, order):
    live = pay_for(order)
    assigned = assign(open_payment(amount="49.99", email="buyer@example.org"), order)
    assert assigned.live_slot is None
    live.refresh_from_db()
    assert live.live_slot is not None
    assert pay_for(order) == live


def test_assigning_again_changes_nothing(payram, order, listener):
    payment = assign(payram.pay(open_payment(amount="49.99", email="buyer@example.org")), order)
    before = outcomes(payment), list(listener.names)
    assign(payment, order)
    assert (outcomes(payment), listener.names) == before


def test_a_second_payment_that_is_assigned_to_a_paid_order_is_a_duplicate(payram, order, listener):
    payram.pay(pay_for(order))
    second = open_payment(amount="49.99", email="buyer@example.org")
    payram.pay(second)
    told = listener.names.count("payment_paid")
    assign(second, order)
    assert second.review == Review.DUPLICATE
    assert listener.names.count("payment_paid") == told


def test_another_purpose_of_a_paid_order_is_no_duplicate(payram, order, listener):
    payram.pay(pay_for(order))
    parcel = open_payment(amount=5, email="buyer@example.org", purpose="extra parcel")
    payram.pay(parcel)
    told = listener.names.count("payment_paid")
    assert assign(parcel, order).review == ""
    assert listener.names.count("payment_paid") == told + 1


def test_an_orphan_is_settled_and_announced_once_it_is_assigned(payram, listener):
    """F60, F85."""
    old = UuidOrder.objects.create()
    payment = pay_for(old)
    UuidOrder.objects.filter(pk=old.pk)._raw_delete("default")
    payram.pay(payment)
    payment.refresh_from_db()
    assert (payment.review, listener.names.count("payment_paid")) == (Review.ORPHAN, 0)
    assign(payment, UuidOrder.objects.create())
    assert (payment.review, listener.names.count("payment_paid")) == ("", 1)
    refresh(payment)
    assert payment.review == ""


def test_top_ups_move_along_with_what_they_top_up(order):
    parent = of_order(order)
    child = top_up(parent)
    other = Order.objects.create()
    assign(child, other)
    for payment in (parent, child):
        payment.refresh_from_db()
        assert (payment.order, payment.order_number) == (other, str(other.pk))


def test_news_of_a_payment_that_was_read_before_it_was_assigned_knows_its_order(payram, order, listener):
    """F23, F85: the order has been paid meanwhile."""
    loose = PaymentFactory()
    stale = Payment.objects.get(pk=loose.pk)
    payram.pay(pay_for(order))
    assign(loose, order)
    result = receive(stale, State.FILLED, "49.99")
    assert result.payment.review == Review.DUPLICATE
    assert listener.names.count("payment_paid") == 1


def test_an_order_that_is_not_saved_is_refused(payram):
    with pytest.raises(ValueError, match=r"^order must be saved first: no payment can remember it yet\.$"):
        assign(PaymentFactory(), Order())
    with pytest.raises(ValueError, match=r"^order must be a saved model instance, not NoneType\.$"):
        assign(PaymentFactory(), None)


# Refunds


def paid(order=None, usd="49.99", **fields):
    payment = of_order(order, **fields) if order is not None else PaymentFactory(**fields)
    receive(payment, State.OVER_FILLED if Decimal(usd) > payment.amount_usd else State.FILLED, usd)
    return payment


def test_a_refund_is_a_row_and_stands_in_the_timeline_the_sums_and_the_signals(order, listener):
    """F84."""
    payment = paid(order)
    refund = record_refund(payment, amount_usd="20", transaction="0xabc", note="Broken.", actor="kim")
    stored = Refund.objects.get()
    assert refund == stored
    assert (stored.payment, stored.amount_usd, stored.transaction) == (payment, 20, "0xabc")
    assert (stored.note, stored.actor, stored.is_announced) == ("Broken.", "kim", True)
    assert (payment.refunded_usd, payment.net_usd, payment.status) == (20, Decimal("29.99"), Status.PAID)
    assert payment.is_paid
    assert payment.events.get(outcome=Outcome.REFUNDED).note == "20.00 USD 0xabc"
    (sent,) = [extra for name, _payment, extra in listener.received if name == "payment_refunded"]
    assert sent == {"refund": stored}
    assert Payment.objects.net_usd() == Decimal("29.99")


def test_more_than_is_left_is_not_recorded(order):
    payment = paid(order)
    record_refund(payment, amount_usd=40)
    with pytest.raises(ValueError, match=r"^amount_usd must be at most 9\.99, which is left of the payment"):
        record_refund(payment, amount_usd=10)
    assert Refund.objects.count() == 1
    record_refund(payment, amount_usd="9.99")
    assert payment.status == Status.REFUNDED


@pytest.mark.parametrize("amount", [0, -1, "1.005", 1.5, None, "NaN", True])
def test_a_wrong_amount_is_not_recorded(amount):
    with pytest.raises(ValueError, match=r"^amount_usd (must|is)"):
        record_refund(paid(), amount_usd=amount)
    assert not Refund.objects.exists()


def test_a_refund_is_recorded_once_for_a_transaction():
    """F84: a job that is run again, a form that is sent twice."""
    payment = paid()
    first = record_refund(payment, amount_usd=10, transaction="0xabc")
    assert record_refund(payment, amount_usd="10.00", transaction=" 0xabc ") == first
    assert payment.refunded_usd == 10
    with pytest.raises(InvalidPaymentRequest, match=r"^transaction is recorded already, with 10\.00 USD\.$"):
        record_refund(payment, amount_usd=11, transaction="0xabc")
    record_refund(payment, amount_usd=10, transaction="0xdef")
    record_refund(payment, amount_usd=10)
    record_refund(payment, amount_usd=10)
    assert (payment.refunds.count(), payment.refunded_usd) == (4, 40)
    assert record_refund(paid(), amount_usd=10, transaction="0xabc") != first


def test_no_more_is_sent_back_than_has_come():
    payment = paid(usd="10.001", amount_usd=10)
    with pytest.raises(ValueError, match="at most 10"):
        record_refund(payment, amount_usd="10.01")
    record_refund(payment, amount_usd=10)
    assert payment.status == Status.REFUNDED


def test_a_link_of_which_money_was_sent_back_is_not_used_again(payram, order, client):
    payment = pay_for(order)
    payram.pay(payment, 20)
    record_refund(payment, amount_usd=10)
    assert payment.url not in client.get(f"/payram/payments/{payment.token}/").content.decode()
    again = pay_for(order)
    assert again != payment
    payram.pay(again)
    again.refresh_from_db()
    assert (again.is_paid, again.review) == (True, "")


@pytest.mark.parametrize("wrong", [None, 5, b"x"])
@pytest.mark.parametrize("argument", ["transaction", "note", "actor", "source"])
def test_a_wrong_argument_of_a_refund_is_named(argument, wrong):
    with pytest.raises(InvalidPaymentRequest, match=f"^{argument} must be"):
        record_refund(paid(), amount_usd=1, **{argument: wrong})
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"reason": None}, {"reason": 5}, {"actor": None}, {"actor": "\x00"}, {"source": "bogus"}]
)
def test_a_wrong_argument_of_a_withdrawal_is_named(wrong):
    (argument,) = wrong
    payment = PaymentFactory()
    with pytest.raises(InvalidPaymentRequest, match=f"^{argument} must be"):
        withdraw(payment, **wrong)
    assert not payment.events.exists()


def test_a_transaction_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match=r"^transaction must have at most 255 characters\.$"):
        record_refund(paid(), amount_usd=1, transaction="x" * 256)


def test_a_sum_with_more_than_two_places_can_be_sent_back_whole():
    payment = paid(usd="49.990001")
    record_refund(payment, amount_usd="49.99")
    assert payment.status == Status.REFUNDED


def test_a_whole_refund_settles_a_duplicate(payram, order):
    """F84."""
    paid(order)
    second = paid(order)
    assert second.review == Review.DUPLICATE
    record_refund(second, amount_usd=20)
    assert second.review == Review.DUPLICATE
    record_refund(second, amount_usd="29.99")
    assert (second.review, second.review_settled) == ("", True)
    assert outcomes(second)[-1] == "resolved"


def test_sending_back_the_surplus_of_a_paid_payment_settles_it(order):
    payment = paid(order)
    receive(top_up(payment), State.FILLED, "10")
    payment.refresh_from_db()
    assert (payment.review, payment.status) == (Review.DUPLICATE, Status.OVERPAID)
    record_refund(payment, amount_usd="9.99")
    assert payment.review == Review.DUPLICATE
    record_refund(payment, amount_usd="0.01")
    assert (payment.review, payment.status, payment.surplus_usd) == ("", Status.PAID, 0)


def test_a_part_of_a_late_payment_settles_nothing(order):
    """Nor does its surplus: that it came late is still to be decided."""
    payment = of_order(order)
    receive(payment, State.CANCELED)
    receive(payment, State.OVER_FILLED, "59.99")
    for amount in (10, "9.99"):
        record_refund(payment, amount_usd=amount)
        assert payment.review == Review.LATE
    record_refund(payment, amount_usd=40)
    assert payment.review == ""


def test_a_hold_ends_with_its_money_sent_back_and_never_becomes_paid(order, listener):
    """F89."""
    payment = of_order(order)
    receive(payment, State.FILLED, "20")
    assert payment.is_held
    record_refund(payment, amount_usd=19)
    assert payment.is_held
    record_refund(payment, amount_usd=1)
    assert (payment.is_held, payment.status, payment.review) == (False, Status.REFUNDED, "")
    receive(payment, State.FILLED, "20", requested_usd=payment.amount_usd)
    assert not payment.is_paid
    with pytest.raises(ValueError, match="can be accepted"):
        accept(payment, reason="x", actor="kim")


def test_new_money_on_a_hold_that_was_sent_back_is_held_again(order):
    payment = of_order(order)
    receive(payment, State.FILLED, "20")
    record_refund(payment, amount_usd=20)
    receive(payment, State.FILLED, "25")
    assert (payment.is_held, payment.review, payment.net_usd) == (True, Review.AMOUNT, 5)


def test_a_hold_that_payram_puts_right_after_a_part_was_sent_back_stays_unpaid(order):
    """What was sent back pays for nothing."""
    payment = of_order(order)
    receive(payment, State.FILLED, "49.99", requested_usd=Decimal(70))
    record_refund(payment, amount_usd=20)
    receive(payment, State.FILLED, "49.99", requested_usd=payment.amount_usd)
    assert (payment.is_paid, payment.is_held, payment.review) == (False, True, Review.AMOUNT)


def test_a_payment_that_is_filled_after_a_part_was_sent_back_is_held_and_flagged(order, listener):
    """F89: it was filled, unpaid and unflagged."""
    payment = of_order(order)
    receive(payment, State.PARTIALLY_FILLED, "20")
    record_refund(payment, amount_usd=15)
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.is_held, payment.review) == (False, True, Review.AMOUNT)
    assert "payment_needs_review" in listener.names
    accept(payment, reason="The customer paid twice.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid


def test_a_top_up_after_a_part_was_sent_back_pays_with_what_is_left(order):
    parent = of_order(order)
    receive(parent, State.PARTIALLY_FILLED, "20")
    record_refund(parent, amount_usd=20)
    receive(top_up(parent), State.FILLED, "29.99")
    parent.refresh_from_db()
    assert (parent.is_paid, parent.review, parent.net_usd) == (False, Review.AMOUNT, Decimal("29.99"))
    receive(top_up(parent, reference="another"), State.FILLED, "20")
    parent.refresh_from_db()
    assert (parent.net_usd, parent.is_paid, parent.review) == (Decimal("49.99"), True, "")


def test_a_partial_payment_that_was_sent_back_is_refunded(order):
    payment = of_order(order)
    receive(payment, State.PARTIALLY_FILLED, "20")
    receive(payment, State.CANCELED, "20")
    assert payment.review == Review.PARTIAL
    record_refund(payment, amount_usd=20)
    assert (payment.status, payment.review) == (Status.REFUNDED, "")


def test_a_top_ups_money_is_sent_back_from_what_it_tops_up(order):
    parent = of_order(order)
    receive(parent, State.PARTIALLY_FILLED, "20")
    child = top_up(parent)
    receive(child, State.FILLED, "29.99")
    assert record_refund(child, amount_usd="49.99").payment == parent
    parent.refresh_from_db()
    assert (parent.status, child.refunded_usd) == (Status.REFUNDED, 0)


def test_a_refund_whose_receiver_failed_is_announced_by_itself_and_once(order, listener):
    payment = paid(order)
    listener.fail_on = {"payment_refunded"}
    first = record_refund(payment, amount_usd=1)
    assert payment.undelivered == ["payment_refunded"]
    listener.fail_on = set()
    second = record_refund(payment, amount_usd=2)
    sent = [extra["refund"] for name, _payment, extra in listener.received if name == "payment_refunded"]
    assert sent == [first, second]
    third = record_refund(payment, amount_usd=3)
    sent = [extra["refund"] for name, _payment, extra in listener.received if name == "payment_refunded"]
    assert sent == [first, second, third]
    transitions.notify_again(payment)
    sent = [extra["refund"] for name, _payment, extra in listener.received if name == "payment_refunded"]
    assert sent == [first, second, third, first, second, third]


def test_a_review_that_nothing_was_sent_back_for_is_resolved_by_a_person(order):
    payment = of_order(order)
    receive(payment, State.CANCELED)
    receive(payment, State.FILLED, "49.99")
    resolve(payment, reason="It is fine.", actor="kim")
    payment.refresh_from_db()
    assert (payment.review, payment.is_paid) == ("", True)


# Expiry


def test_money_after_the_time_that_the_shop_has_set_is_late(order):
    """F87."""
    payment = of_order(order, expires_at=timezone.now() - timedelta(seconds=1))
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, Review.LATE)


def test_money_that_was_seen_in_time_is_not_late(order):
    payment = of_order(order, expires_at=timezone.now() + timedelta(hours=1))
    receive(payment, State.OPEN, on_chain=True, confirmations=1)
    Payment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, "")
