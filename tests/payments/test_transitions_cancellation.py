"""Links that end: what keeps a cancellation from being sent, and what sends it after all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.models import Outcome, Payment, Source, order_key
from django_payram.models.states import Review, State
from django_payram.payments import transitions
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import apply, of_order, outcomes, receive, top_up, update_of

pytestmark = pytest.mark.django_db


# Cancellation


def test_a_cancellation_is_announced_once_when_nothing_came(listener):
    """F36."""
    payment = PaymentFactory()
    for _ in range(3):
        receive(payment, State.CANCELED)
    assert payment.closed_at is not None
    assert listener.names == ["payment_canceled", "payment_updated"]
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.CANCELED]


def test_a_cancellation_while_money_confirms_is_announced_only_when_that_money_is_gone(listener):
    """F36."""
    payment = PaymentFactory()
    receive(payment, State.CANCELED, on_chain=True, confirmations=1, confirmations_required=12)
    assert payment.state == State.CANCELED
    assert "payment_canceled" not in listener.names
    receive(payment, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_money_after_cancellation_is_paid_and_flagged_late(listener):
    """F28."""
    payment = PaymentFactory()
    receive(payment, State.CANCELED)
    receive(payment, State.FILLED, "49.99")
    assert payment.is_paid
    assert payment.review == Review.LATE
    assert listener.names == [
        "payment_canceled",
        "payment_updated",
        "payment_paid",
        "payment_needs_review",
        "payment_updated",
    ]


@pytest.mark.parametrize("came", [State.PARTIALLY_FILLED, State.FILLED, State.OVER_FILLED])
def test_money_on_a_link_that_another_amount_replaced_is_flagged_late_though_no_cancellation_was_reported(order, came):
    """F24."""
    older = of_order(order)
    of_order(order, amount_usd=60, live_slot=order_key(order).live_slot(""))
    receive(older, came, "20" if came == State.PARTIALLY_FILLED else "49.99")
    assert older.is_paid is (came != State.PARTIALLY_FILLED)
    assert older.review == Review.LATE


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ([], [{}]),  # the same amount
        ([], [{"amount_usd": 60, "state": State.FAILED, "reference": None}]),  # a link that never came to be
        ([{"amount_usd": 60}], []),
    ],
)
def test_money_on_a_link_that_nothing_replaced_is_not_late(order, older, newer):
    for fields in older:
        of_order(order, **fields)
    payment = of_order(order)
    for fields in newer:
        of_order(order, **fields)
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, "")


def test_a_top_up_of_a_link_that_another_amount_replaced_is_flagged_late(order):
    """F24."""
    older = of_order(order, state=State.PARTIALLY_FILLED, filled_usd=20)
    of_order(order, amount_usd=60, live_slot=order_key(order).live_slot(""))
    child = of_order(order, parent=older, amount_usd=Decimal("29.99"))
    receive(child, State.FILLED, "29.99")
    older.refresh_from_db()
    assert (older.is_paid, older.review) == (True, Review.LATE)


def test_a_partial_payment_that_expires_keeps_its_state_and_is_flagged(listener):
    """F36."""
    payment = PaymentFactory()
    receive(payment, State.PARTIALLY_FILLED, "20")
    receive(payment, State.CANCELED, "20")
    assert payment.state == State.PARTIALLY_FILLED
    assert payment.closed_at is not None
    assert payment.review == Review.PARTIAL
    assert not payment.is_open
    assert "payment_canceled" not in listener.names


def test_a_partial_payment_whose_partial_report_was_lost_ends_the_same(listener):
    payment = PaymentFactory()
    receive(payment, State.CANCELED, "20")
    assert (payment.state, payment.review, payment.filled_usd) == (State.PARTIALLY_FILLED, Review.PARTIAL, 20)
    assert "payment_canceled" not in listener.names


def test_a_closed_link_frees_its_order_for_another(order):
    payment = of_order(order, live_slot=order_key(order).live_slot(""))
    receive(payment, State.CANCELED)
    assert payment.live_slot is None


def test_the_first_address_of_the_page_stays():
    payment = PaymentFactory(url="")
    for url in ("", "https://pay.example.com/1", "https://pay.example.com/2"):
        apply(payment, update_of(State.OPEN, url=url), source=Source.CHECKOUT)
    payment.refresh_from_db()
    assert payment.url == "https://pay.example.com/1"
    assert outcomes(payment) == [Outcome.CREATED]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((State.CANCELED, None), (State.FILLED, None)),
        ((State.CANCELED, "20"), (State.PARTIALLY_FILLED, "30")),
    ],
    ids=["a higher state", "a larger sum"],
)
def test_a_higher_state_and_a_larger_sum_are_late_after_the_link_was_closed(before, after):
    payment = PaymentFactory()
    receive(payment, *before)
    receive(payment, *after)
    assert Review.LATE in payment.reviews_raised


def test_money_after_a_closed_partial_payment_is_late():
    payment = PaymentFactory()
    receive(payment, State.CANCELED, "20")
    receive(payment, State.FILLED, "49.99")
    assert payment.is_paid
    assert payment.review == Review.LATE


def test_the_cancellation_of_a_replaced_link_is_not_announced(listener, order):
    """F22."""
    old, new = of_order(order), of_order(order)
    receive(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    assert old.closed_at is not None
    assert Outcome.SUPERSEDED in outcomes(old)
    receive(new, State.CANCELED)
    assert listener.names.count("payment_canceled") == 1


def test_the_cancellation_of_one_link_is_not_announced_once_another_is_paid(listener, order):
    """F22, F36."""
    paid, other = of_order(order), of_order(order)
    receive(paid, State.FILLED, "49.99")
    receive(other, State.CANCELED)
    assert "payment_canceled" not in listener.names


def test_a_crashed_attempt_does_not_keep_a_cancellation_quiet(listener, order):
    old = of_order(order)
    of_order(order, state=State.CREATING, reference=None, created_at=timezone.now() - timedelta(minutes=3))
    receive(old, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_an_attempt_that_got_no_answer_does_not_keep_a_cancellation_quiet(listener, order):
    """F36."""
    of_order(order, state=State.CREATING, reference=None, live_slot=None)
    old = of_order(order)
    receive(old, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_a_cancellation_waits_for_the_attempt_that_may_replace_the_link(listener, order):
    """F36."""
    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    receive(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    assert transitions.notify(old).delivered
    assert "payment_canceled" not in listener.names
    Payment.objects.filter(pk=new.pk).update(created_at=timezone.now() - timedelta(minutes=3))
    assert old in Payment.objects.undelivered()
    for _again in range(2):
        transitions.notify(old)
    assert listener.names.count("payment_canceled") == 1
    assert outcomes(old).count(Outcome.ANNOUNCED) == 1
    assert old not in Payment.objects.undelivered()


def test_a_cancellation_is_dropped_when_the_attempt_has_replaced_the_link(listener, order):
    """F22."""
    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    receive(old, State.CANCELED)
    apply(new, update_of(State.OPEN, reference="new", url="https://x/"), source=Source.CHECKOUT)
    transitions.notify(old)
    assert old not in Payment.objects.undelivered()
    Payment.objects.filter(pk=new.pk).update(created_at=timezone.now() - timedelta(minutes=3))
    transitions.notify(old)
    assert "payment_canceled" not in listener.names


def test_a_failing_receiver_does_not_forget_a_cancellation_that_waits(listener, order):
    old = of_order(order)
    of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    listener.fail_on = {"payment_updated"}
    receive(old, State.CANCELED)
    assert set(old.undelivered) == {"payment_updated", "payment_canceled"}


CONFIRMING = {"on_chain": True, "confirmations": 1, "confirmations_required": 12}


# What keeps a cancellation quiet


@pytest.mark.parametrize(
    ("state", "usd", "fields"),
    [
        (State.CANCELED, None, CONFIRMING),
        (State.FILLED, "45", {}),  # held: too little
        (State.CANCELED, "20", {}),  # a partial payment whose link is closed
    ],
)
def test_a_cancellation_is_not_announced_while_another_link_of_the_order_has_money(listener, order, state, usd, fields):
    """F22, F36."""
    with_money, dead = of_order(order), of_order(order)
    receive(with_money, state, usd, **fields)
    receive(dead, State.CANCELED)
    assert not with_money.is_paid
    assert "payment_canceled" not in listener.names


def test_a_cancellation_waits_until_the_money_of_a_top_up_is_there_or_gone(listener, order):
    """F36."""
    payment = of_order(order)
    child = top_up(payment)
    receive(child, State.OPEN, **CONFIRMING)
    receive(payment, State.CANCELED)
    assert "payment_canceled" not in listener.names
    receive(child, State.CANCELED)
    assert listener.names.count("payment_canceled") == 1


def test_a_cancellation_that_waited_is_dropped_when_the_top_up_has_come(listener, order):
    """F36."""
    payment = of_order(order)
    child = top_up(payment)
    receive(child, State.OPEN, **CONFIRMING)
    receive(payment, State.CANCELED)
    receive(child, State.FILLED, "49.99")
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.undelivered == []
    assert "payment_canceled" not in listener.names


def test_a_closed_payment_with_money_on_a_top_up_only_is_looked_at(listener, order):
    payment = of_order(order)
    child = top_up(payment)
    receive(child, State.PARTIALLY_FILLED, "5")
    receive(child, State.CANCELED, "5")
    receive(payment, State.CANCELED)
    assert payment.review == Review.PARTIAL
    assert "payment_needs_review" in listener.names
    assert "payment_canceled" not in listener.names


def test_money_seen_on_a_link_that_is_closed_is_no_news_until_it_is_there(listener):
    """F5: the row of a canceled payment does not go back to waiting."""
    payment = PaymentFactory()
    receive(payment, State.CANCELED)
    sent = list(listener.names)
    for _ in range(3):
        assert not receive(payment, State.OPEN, **CONFIRMING).is_news
    assert listener.names == sent


def test_the_first_sight_of_money_is_announced_also_when_the_link_was_just_made(listener):
    payment = PaymentFactory()
    apply(payment, update_of(State.OPEN, **CONFIRMING), source=Source.CHECKOUT, asked_at=timezone.now())
    assert listener.names == ["payment_updated"]
