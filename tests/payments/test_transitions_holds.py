"""Holds that end, top-ups, and holds that are lifted on evidence only."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramDataError
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Outcome, Payment, Source, order_key
from django_payram.models.states import Review, State
from django_payram.payments import transitions
from django_payram.payments.schedule import next_check
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import accept, apply, of_order, outcomes, receive, resolve, top_up, update_of

pytestmark = pytest.mark.django_db


# Holds that end


def test_a_hold_for_a_shortfall_ends_with_the_top_up_that_makes_up_for_it(listener, order):
    payment = of_order(order)
    receive(payment, State.FILLED, "40")
    assert payment.review == Review.AMOUNT
    receive(top_up(payment), State.FILLED, "9.99")
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review) == (True, "")
    assert Outcome.RELEASED in outcomes(payment)


def test_what_stood_under_a_hold_comes_back_when_it_ends():
    """F28."""
    settled = PaymentFactory(review=Review.LATE, reviews_raised=[Review.LATE.value])
    resolve(settled, reason="The customer called.", actor="kim")
    payment = PaymentFactory()
    receive(payment, State.CANCELED)
    receive(payment, State.FILLED, "40")
    assert payment.review == Review.AMOUNT
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, Review.LATE)


@pytest.mark.usefixtures("reads_elsewhere")
def test_what_a_person_has_settled_is_read_where_it_was_written():
    payment = PaymentFactory(state=State.FILLED, filled_usd=40, review=Review.AMOUNT, reviews_raised=["late", "amount"])
    news = update_of(State.FILLED, "49.99")
    assert apply(payment, news, source=Source.RESYNC, asked_at=timezone.now()).payment.review == Review.LATE


def test_what_a_person_has_settled_does_not_come_back_when_a_hold_ends():
    payment = PaymentFactory()
    receive(payment, State.CANCELED)
    receive(payment, State.PARTIALLY_FILLED, "20")
    assert payment.review == Review.LATE
    resolve(payment, reason="The customer called.", actor="kim")
    receive(payment, State.FILLED, "40")
    receive(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, "")


def test_a_payment_that_its_top_ups_cover_can_be_accepted_though_payram_asked_for_another_amount(order):
    payment = of_order(order)
    receive(payment, State.PARTIALLY_FILLED, "20", requested_usd=Decimal(45))
    receive(top_up(payment), State.FILLED, "29.99")
    payment.refresh_from_db()
    assert (payment.review, payment.is_paid, payment.is_held) == (Review.AMOUNT, False, True)
    accept(payment, reason="All of it is there.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid


def test_a_top_up_of_which_payram_reports_less_than_before_is_looked_at_on_what_it_tops_up(listener, order):
    """F35."""
    payment = of_order(order, partly_paid=True)
    child = top_up(payment)
    receive(child, State.FILLED, "29.99")
    receive(child, State.OPEN)
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review, child.review) == (True, Review.REGRESSION, "")
    assert "payment_needs_review" in listener.names


# Top-ups


@pytest.mark.parametrize("with_order", [True, False])
def test_a_top_up_pays_for_its_parent_once_and_announces_nothing_itself(listener, order, with_order):
    parent = of_order(order) if with_order else PaymentFactory()
    receive(parent, State.PARTIALLY_FILLED, "20")
    child = top_up(parent)
    listener.received.clear()
    receive(child, State.FILLED, "29.99")
    parent.refresh_from_db()
    assert parent.is_paid
    assert parent.state == State.PARTIALLY_FILLED
    assert parent.received_usd == Decimal("49.99")
    assert not child.is_paid
    assert [(name, payment.pk) for name, payment, _ in listener.received] == [
        ("payment_paid", parent.pk),
        ("payment_updated", parent.pk),
    ]
    receive(child, State.FILLED, "29.99")
    assert len(listener.received) == 2


def test_what_a_top_up_brings_about_is_written_of_its_parent(listener, order):
    parent = of_order(order, live_slot=order_key(order).live_slot(""))
    receive(parent, State.PARTIALLY_FILLED, "20")
    listener.fail_on = {"payment_paid"}
    child = top_up(parent)
    receive(child, State.FILLED, "29.99")
    parent.refresh_from_db()
    assert parent.is_paid
    assert parent.live_slot is None
    assert timedelta(minutes=59) < parent.next_check_at - timezone.now() <= timedelta(hours=1)
    assert outcomes(parent) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]
    assert parent.events.get(outcome=Outcome.NOT_ANNOUNCED).error == parent.announce_error != ""
    listener.fail_on = set()
    receive(child, State.OVER_FILLED, "35")
    assert outcomes(parent)[3:] == [Outcome.REVIEW, Outcome.ANNOUNCED]
    assert outcomes(child) == [Outcome.RECORDED, Outcome.RECORDED]


def test_a_top_up_that_does_not_suffice_raises_the_sum_only(listener):
    parent = PaymentFactory()
    receive(parent, State.PARTIALLY_FILLED, "20")
    receive(top_up(parent), State.PARTIALLY_FILLED, "5")
    parent.refresh_from_db()
    assert parent.received_usd == 25
    assert parent.missing_usd == Decimal("24.99")
    assert not parent.is_paid
    assert Payment.objects.all().received_usd() == 25


def test_a_canceled_top_up_cancels_nothing(listener):
    parent = PaymentFactory()
    receive(top_up(parent), State.CANCELED)
    assert "payment_canceled" not in listener.names


# Holds are lifted on evidence only


def test_an_answer_that_does_not_name_the_amount_lifts_no_hold():
    """F32."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99", requested_usd=Decimal(5))
    receive(payment, State.FILLED, "49.99")
    assert payment.is_held
    assert payment.review == Review.AMOUNT
    receive(payment, State.FILLED, "49.99", requested_usd=Decimal("49.99"))
    assert payment.is_paid


def test_a_top_ups_report_lifts_no_hold_of_its_parent():
    parent = PaymentFactory()
    receive(parent, State.PARTIALLY_FILLED, "20", requested_usd=Decimal(5))
    receive(top_up(parent), State.OPEN)
    parent.refresh_from_db()
    assert parent.review == Review.AMOUNT
    receive(top_up(parent), State.FILLED, "29.99")
    parent.refresh_from_db()
    assert not parent.is_paid


def test_an_amount_that_was_resolved_before_the_money_came_is_raised_again_with_the_money(listener):
    payment = PaymentFactory()
    receive(payment, State.OPEN, requested_usd=Decimal(5))
    resolve(payment, reason="Known.", actor="kim")
    receive(payment, State.FILLED, "5", requested_usd=Decimal(5))
    assert payment.is_held
    assert payment.review == Review.AMOUNT
    assert listener.names.count("payment_needs_review") == 2
    accept(payment, reason="Agreed.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid


def test_coins_prove_that_money_came_before_the_link_was_canceled(listener):
    payment = PaymentFactory()
    receive(payment, State.CANCELED, filled_amount=Decimal(20))
    assert payment.state == State.PARTIALLY_FILLED
    assert payment.review == Review.PARTIAL
    assert "payment_canceled" not in listener.names


def test_a_deposit_that_vanished_is_no_longer_shown():
    payment = PaymentFactory()
    receive(payment, State.OPEN, on_chain=True, confirmations=1, confirmations_required=12)
    receive(payment, State.OPEN, confirmations=0, confirmations_required=0)
    assert not payment.is_confirming


def test_a_failure_that_repeats_is_written_down_once(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_paid"}
    receive(payment, State.FILLED, "49.99")
    for _ in range(5):
        transitions.notify(payment)
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]


def test_the_timeline_shows_each_transition_once(order):
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99")
    moves = [(event.state_before, event.state_after) for event in payment.events.order_by("pk")]
    assert moves == [(State.OPEN, State.FILLED), (State.FILLED, State.FILLED)]


def test_the_first_payment_of_an_order_is_announced_also_when_it_was_topped_up_before_its_receiver_succeeded(
    order, listener
):
    listener.fail_on = {"payment_paid"}
    first = of_order(order)
    receive(first, State.FILLED, "49.99")
    top_up = of_order(order, parent=first)
    receive(top_up, State.FILLED, "5")
    second = of_order(order)
    receive(second, State.FILLED, "49.99")
    listener.received.clear()
    listener.fail_on = set()
    for payment in (second, first):
        transitions.notify(payment)
    assert [(name, payment) for name, payment, _extra in listener.received if name == "payment_paid"] == [
        ("payment_paid", first)
    ]


def test_who_acted_and_what_became_of_the_payment_is_in_the_timeline():
    payment = PaymentFactory()
    recorded = apply(payment, update_of(State.FILLED, "49.99"), source=Source.ADMIN, actor="clerk" * 40)
    assert (recorded.payment, recorded.payment.state) == (payment, State.FILLED)
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.actor, event.payload) == ("clerk" * 30, None), "as much of a long name as the column holds"


def test_an_update_without_a_page_leaves_the_page():
    payment = PaymentFactory(reference="mine", url="")
    receive(payment, State.PARTIALLY_FILLED, "5", reference="mine")
    assert (payment.reference, payment.url) == ("mine", "")
    assert payment.events.get().actor == ""


def test_an_update_about_another_reference_is_refused_and_writes_nothing():
    payment = PaymentFactory(reference="mine")
    with pytest.raises(PayramDataError) as caught:
        receive(payment, State.FILLED, "49.99", reference="other")
    assert str(caught.value) == "The payment mine has a reference other than other."
    payment.refresh_from_db()
    assert (payment.state, payment.events.count()) == (State.OPEN, 0)


def test_an_update_in_an_unknown_state_still_gives_the_reference():
    """Resync can ask about it then."""
    payment = PaymentFactory(state=State.CREATING, reference=None, next_check_at=None)
    apply(payment, PaymentUpdate(reference="r1", word="PENDING", state=None), source=Source.WEBHOOK)
    payment.refresh_from_db()
    assert payment.reference == "r1"
    assert payment.next_check_at is not None


def test_each_update_gives_the_state_before_it(listener):
    payment = PaymentFactory()
    for state, usd in ((State.PARTIALLY_FILLED, "5"), (State.FILLED, "49.99")):
        receive(payment, state, usd)
    updates = [extra["previous_state"] for name, _payment, extra in listener.received if name == "payment_updated"]
    assert updates == [State.OPEN, State.PARTIALLY_FILLED]


def test_money_of_a_top_up_is_news_of_what_it_tops_up(order, listener):
    yesterday = timezone.now() - timedelta(days=1)
    parent = of_order(order, state=State.PARTIALLY_FILLED, filled_usd=Decimal(20), updated_at=yesterday)
    receive(top_up(parent), State.PARTIALLY_FILLED, "5")
    parent.refresh_from_db()
    assert parent.topped_up_usd == 5
    assert parent.updated_at > yesterday
    assert [(name, payment) for name, payment, _extra in listener.received] == [("payment_updated", parent)]


def test_a_right_amount_clears_its_own_reason_and_no_other():
    payment = PaymentFactory(reviews_raised=["late", "regression"])
    receive(payment, State.OPEN, requested_usd=Decimal("1.00"))
    assert (payment.reviews_raised, payment.amount_disputed) == (["late", "regression", "amount"], True)
    receive(payment, State.OPEN, requested_usd=payment.amount_usd)
    assert (payment.reviews_raised, payment.amount_disputed) == (["late", "regression", "amount"], False)


def test_a_partly_filled_payment_is_asked_about_by_the_age_of_its_last_news():
    now = timezone.now()
    payment = PaymentFactory(state=State.PARTIALLY_FILLED, created_at=now - timedelta(days=20), updated_at=now)
    assert next_check(payment, now=now) == now + timedelta(minutes=1)
    old = PaymentFactory(
        state=State.PARTIALLY_FILLED, created_at=payment.created_at, updated_at=payment.created_at, checks=10_000
    )
    assert next_check(old, now=now) != next_check(payment, now=now)
