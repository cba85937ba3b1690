"""Applying updates: what is recorded of a payment, and its amount."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.models.states import Review, State
from django_payram.payments import record_refund, rules
from django_payram.payments.matching import flag_unplaced
from django_payram.signals import payment_paid
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import accept, apply, of_order, outcomes, receive, resolve, top_up, update_of
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


# The ratchet


def test_a_filled_payment_is_paid_and_announced_once(listener):
    payment = PaymentFactory()
    assert receive(payment, State.FILLED, "49.99").is_news
    assert payment.state == State.FILLED
    assert payment.filled_usd == Decimal("49.99")
    assert payment.is_paid
    assert payment.closed_at is not None
    assert listener.names == ["payment_paid", "payment_updated"]
    assert listener.received[1][2] == {"previous_state": State.OPEN}
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID]


def test_a_line_of_the_timeline_says_what_it_is_about_and_only_the_first_keeps_the_payload():
    payment = PaymentFactory(project="second", reference="mine")
    with_two = {"default": settings.PAYRAM["default"], "second": settings.PAYRAM["default"] | {"API_KEY": "b" * 32}}
    with override_settings(PAYRAM=with_two):
        apply(payment, update_of(State.FILLED, "49.99"), source=Source.WEBHOOK, payload='{"x": 1}')
    recorded = payment.events.order_by("pk").values_list("outcome", "project", "reference", "payload", "error", "note")
    assert list(recorded) == [
        (Outcome.RECORDED, "second", "mine", '{"x": 1}', "", ""),
        (Outcome.PAID, "second", "mine", None, "", ""),
    ]


def test_a_line_about_a_payment_without_a_reference_has_none():
    payment = PaymentFactory(reference=None, state=State.CREATING)
    apply(payment, rules.CreateFailure(Outcome.UNKNOWN, "No answer."))
    event = payment.events.get()
    assert (event.reference, event.error, event.note, event.payload) == ("", "No answer.", "", None)


def test_a_repeated_report_sends_no_signal_and_writes_no_event(listener):
    """F5, D1."""
    payment = PaymentFactory()
    for _ in range(5):
        receive(payment, State.FILLED, "49.99")
    assert listener.names == ["payment_paid", "payment_updated"]
    assert payment.events.count() == 2


def test_a_stale_instance_undoes_nothing():
    """F4."""
    payment, stale = PaymentFactory(reference="x"), Payment.objects.get()
    receive(payment, State.FILLED, "49.99")
    assert stale.state == State.OPEN
    receive(stale, State.OPEN, trusted=True)
    payment.refresh_from_db()
    assert (payment.state, payment.filled_usd, payment.is_paid) == (State.FILLED, Decimal("49.99"), True)


def test_a_lower_state_changes_nothing_and_the_higher_one_stays(listener):
    """F7."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99")
    assert not receive(payment, State.CANCELED, trusted=True).is_news
    assert payment.state == State.FILLED
    assert payment.is_paid


def test_a_second_partial_payment_raises_the_sum_in_the_same_state(listener):
    payment = PaymentFactory()
    receive(payment, State.PARTIALLY_FILLED, "10")
    receive(payment, State.PARTIALLY_FILLED, "25")
    assert payment.filled_usd == Decimal(25)
    assert payment.missing_usd == Decimal("24.99")
    assert listener.names == ["payment_updated", "payment_updated"]
    assert not payment.is_paid


def test_too_much_is_paid_and_the_surplus_is_visible(listener):
    """F31, D4."""
    payment = PaymentFactory()
    receive(payment, State.OVER_FILLED, "60")
    assert payment.is_paid
    assert payment.surplus_usd == Decimal("10.01")
    assert payment.review == ""
    assert listener.names.count("payment_paid") == 1


def test_more_money_after_paid_is_news_but_not_paid_again(listener):
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99")
    receive(payment, State.OVER_FILLED, "60")
    assert listener.names == ["payment_paid", "payment_updated", "payment_updated"]
    assert payment.review == ""


def test_receivers_see_the_row_as_it_was_written(listener):
    """D1: the receiver reads the sum after the last write."""
    seen = []

    def receiver(sender, payment, **kwargs):
        row = Payment.objects.get(pk=payment.pk)
        seen.append((row.state, row.filled_usd, row.is_paid, payment.filled_usd))

    payment_paid.connect(receiver, weak=False)
    try:
        receive(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(receiver)
    assert seen == [(State.FILLED, Decimal("49.99"), True, Decimal("49.99"))]


def test_money_on_the_chain_is_announced_once_and_is_not_paid(listener):
    """F34."""
    payment = PaymentFactory()
    receive(payment, State.OPEN, on_chain=True, confirmations=0, confirmations_required=12)
    assert payment.is_confirming
    receive(payment, State.OPEN, on_chain=True, confirmations=3, confirmations_required=12)
    assert (payment.confirmations, payment.confirmations_required) == (3, 12)
    assert listener.names == ["payment_updated"]
    assert not payment.is_paid


def test_an_unknown_state_changes_nothing_and_is_logged_once(listener):
    payment = PaymentFactory()
    for _ in range(3):
        apply(payment, PaymentUpdate(word="UNDEFINED"), source=Source.RESYNC, asked_at=timezone.now())
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert payment.checked_at is not None
    assert [(event.outcome, event.note) for event in payment.events.all()] == [(Outcome.UNKNOWN_STATE, "UNDEFINED")]
    assert listener.names == []


def test_each_unknown_word_is_logged_for_each_payment(reads_elsewhere):
    one, other = PaymentFactory(), PaymentFactory()
    PaymentEvent.objects.create(
        payment=one, project="default", source=Source.WEBHOOK, outcome=Outcome.UNMATCHED, note="UNDEFINED"
    )
    for payment in (one, other):
        for word in ("UNDEFINED", "DISPUTED", "UNDEFINED"):
            apply(payment, PaymentUpdate(word=word), source=Source.RESYNC, asked_at=timezone.now())
    unknown = PaymentEvent.objects.using(database()).filter(outcome=Outcome.UNKNOWN_STATE).order_by("pk")
    assert [(event.payment_id, event.note) for event in unknown] == [
        (one.pk, "UNDEFINED"),
        (one.pk, "DISPUTED"),
        (other.pk, "UNDEFINED"),
        (other.pk, "DISPUTED"),
    ]


def test_a_failed_payment_that_payram_reports_on_lives_again():
    payment = PaymentFactory(state=State.FAILED, reference=None, url="")
    receive(payment, State.OPEN, reference="late-1")
    assert (payment.state, payment.reference) == (State.OPEN, "late-1")


def test_the_description_comes_from_answers_that_are_not_behind():
    payment = PaymentFactory()
    receive(
        payment,
        State.FILLED,
        "49.99",
        currency="USDC",
        blockchain="ETH",
        deposit_address="0x2",
        filled_amount=Decimal(7),
    )
    receive(payment, State.OPEN, currency="BTC", trusted=True)
    assert (payment.currency, payment.blockchain, payment.deposit_address) == ("USDC", "ETH", "0x2")
    assert payment.filled_amount == 7


def test_only_news_moves_updated_at_and_every_answer_moves_checked_at():
    payment = PaymentFactory()
    before = payment.updated_at
    receive(payment, State.OPEN)
    first = payment.checked_at
    assert payment.updated_at == before
    receive(payment, State.PARTIALLY_FILLED, "1")
    assert payment.updated_at > before
    assert payment.checked_at > first


def test_a_trusted_payload_does_not_count_as_asking():
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99", trusted=True)
    assert payment.checked_at is None
    assert payment.is_paid


def test_each_state_has_its_next_check():
    payment = PaymentFactory()
    receive(payment, State.OPEN)
    assert timedelta(seconds=50) < payment.next_check_at - timezone.now() <= timedelta(minutes=1)
    receive(payment, State.FILLED, "49.99")
    assert timedelta(minutes=59) < payment.next_check_at - timezone.now() <= timedelta(hours=1)
    Payment.objects.update(paid_at=timezone.now() - timedelta(hours=2), checks=2)
    receive(payment, State.FILLED, "49.99")
    assert payment.next_check_at is None


def test_a_payment_that_is_gone_says_so():
    payment = PaymentFactory()
    Payment.objects.all().delete()
    with pytest.raises(Payment.DoesNotExist) as caught:
        apply(payment, update_of(State.OPEN), source=Source.WEBHOOK)
    assert str(caught.value) == f"The payment {payment.token} is gone."


# Amounts


def test_another_requested_amount_holds_the_payment(listener):
    """F32."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "10", requested_usd=Decimal(10))
    assert payment.review == Review.AMOUNT
    assert payment.is_held
    assert not payment.is_paid
    assert not Payment.objects.paid().exists()
    assert "payment_paid" not in listener.names
    assert listener.names == ["payment_needs_review", "payment_updated"]
    assert listener.received[0][2] == {"reason": Review.AMOUNT}


def test_filled_but_short_beyond_the_tolerance_is_held():
    """D1: one cent on a 10.00 order confirms nothing."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "0.01")
    assert payment.is_held


def test_a_small_shortfall_within_the_tolerance_is_paid():
    """F29."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.50")
    assert payment.is_paid
    assert payment.missing_usd == 0


def test_the_tolerance_is_a_setting(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHORTFALL_PERCENT": 0}}
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.98")
    assert payment.is_held


def test_a_held_payment_becomes_paid_when_payram_says_that_the_rest_has_come(listener):
    payment = PaymentFactory()
    receive(payment, State.FILLED, "40")
    receive(payment, State.FILLED, "49.99", trusted=True)
    assert payment.is_held, "a payload alone does not lift a hold"
    receive(payment, State.FILLED, "49.99")
    assert payment.is_paid
    assert payment.review == ""
    assert listener.names.count("payment_paid") == 1
    assert Outcome.RELEASED in outcomes(payment)


def test_an_accepted_payment_is_paid_with_the_reason_in_the_timeline(listener):
    payment = PaymentFactory()
    receive(payment, State.FILLED, "40")
    accept(payment, reason="They are regulars.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.review == ""
    assert payment.missing_usd == 0
    event = payment.events.get(outcome=Outcome.ACCEPTED)
    assert (event.note, event.actor, event.source) == ("They are regulars.", "kim", Source.ADMIN)
    assert listener.names.count("payment_paid") == 1
    receive(payment, State.FILLED, "40")
    assert payment.review == "", "an accepted amount is not raised again"


def test_what_a_person_decides_on_a_top_up_is_decided_on_what_it_tops_up():
    parent = PaymentFactory(state=State.FILLED, review=Review.AMOUNT, reviews_raised=["amount"])
    child = PaymentFactory(parent=parent)
    accept(child, reason="Close enough.", actor="kim")
    assert outcomes(parent) == [Outcome.ACCEPTED, Outcome.PAID]
    assert outcomes(child) == []
    other = PaymentFactory(review=Review.LATE, reviews_raised=["late"])
    resolve(PaymentFactory(parent=other), reason="Seen.", actor="kim")
    assert outcomes(other) == [Outcome.RESOLVED]


def test_a_hold_that_payram_lifts_is_lifted_without_a_word():
    payment = PaymentFactory()
    receive(payment, State.FILLED, "40")
    receive(payment, State.FILLED, "49.99")
    assert payment.events.get(outcome=Outcome.RELEASED).note == ""


def test_a_doubt_is_logged_once_for_each_reference():
    payment = PaymentFactory(reviews_raised=["late"])
    for reference in ("one", "one", "two", "one"):
        flag_unplaced(payment, reference)
    assert outcomes(payment) == [Outcome.DOUBTFUL, Outcome.REVIEW, Outcome.DOUBTFUL]
    assert list(payment.events.filter(outcome=Outcome.DOUBTFUL).values_list("note", flat=True)) == ["one", "two"]


def test_only_a_held_payment_can_be_accepted():
    with pytest.raises(ValueError) as caught:
        accept(PaymentFactory(), reason="x", actor="kim")
    assert str(caught.value) == "Only a payment that is filled and held can be accepted."


def test_a_hold_that_was_sent_back_stays_unpaid_however_often_payram_is_asked(listener):
    """F84, F89."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "40")
    record_refund(payment, amount_usd=40, actor="kim", source=Source.ADMIN)
    event = payment.events.get(outcome=Outcome.REFUNDED)
    assert (event.note, event.actor, event.source) == ("40.00 USD", "kim", Source.ADMIN)
    receive(payment, State.FILLED, "40")
    assert (payment.review, payment.is_held, payment.is_paid) == ("", False, False)
    assert listener.names.count("payment_needs_review") == 1


def test_there_must_be_a_review_to_resolve():
    with pytest.raises(ValueError) as caught:
        resolve(PaymentFactory(), reason="x", actor="kim")
    assert str(caught.value) == "The payment is not under review."


# Several payments of one order


def test_the_second_paid_payment_of_an_order_is_a_duplicate(listener, order):
    """F23."""
    first, second = of_order(order), of_order(order)
    receive(first, State.FILLED, "49.99")
    receive(second, State.FILLED, "49.99")
    assert second.review == Review.DUPLICATE
    assert second.is_paid
    assert listener.names.count("payment_paid") == 1
    assert listener.received[-2][2] == {"reason": Review.DUPLICATE}


def test_payments_of_different_orders_are_both_announced(listener, order):
    receive(of_order(order), State.FILLED, "49.99")
    receive(of_order(Order.objects.create()), State.FILLED, "49.99")
    assert listener.names.count("payment_paid") == 2


def test_payments_without_an_order_do_not_know_each_other(listener):
    receive(PaymentFactory(), State.FILLED, "49.99")
    receive(PaymentFactory(), State.FILLED, "49.99")
    assert listener.names.count("payment_paid") == 2


def test_a_weaker_reason_never_hides_a_weightier_one(listener, order):
    paid, second = of_order(order), of_order(order)
    receive(paid, State.FILLED, "49.99")
    receive(second, State.CANCELED)
    receive(second, State.FILLED, "49.99")
    assert second.review == Review.DUPLICATE
    reviews = [event.note for event in second.events.filter(outcome=Outcome.REVIEW).order_by("pk")]
    assert reviews == [Review.LATE, Review.DUPLICATE]


def test_a_weaker_reason_is_noted_and_not_announced(listener):
    payment = PaymentFactory(review=Review.AMOUNT, reviews_raised=["amount"])
    apply(payment, rules.UnplacedReference("one"))
    payment.refresh_from_db()
    assert (payment.review, payment.reviews_raised) == (Review.AMOUNT, ["amount", "unclear"])
    assert listener.names == []


def test_an_answer_below_what_was_recorded_unpays_nothing_and_is_flagged_once(listener):
    """F35."""
    payment = PaymentFactory()
    receive(payment, State.FILLED, "49.99")
    for _ in range(3):
        receive(payment, State.OPEN)
    assert payment.is_paid
    assert payment.state == State.FILLED
    assert payment.review == Review.REGRESSION
    assert listener.names.count("payment_needs_review") == 1
    assert payment.events.get(outcome=Outcome.REVIEW).note == Review.REGRESSION
    resolve(payment, reason="A node was behind.", actor="kim")
    receive(payment, State.OPEN)
    assert payment.review == ""


# Sums


@pytest.mark.parametrize("recorded", list(permutations([("PARTIALLY_FILLED", "20"), ("FILLED", None)])))
def test_a_sum_counts_with_the_state_it_came_with(recorded):
    """The status answers of 2025 name no sum in US dollars, the webhooks of the same servers do."""
    payment = PaymentFactory()
    for state, usd in recorded:
        receive(payment, State(state), usd)
    assert payment.is_paid
    assert (payment.filled_usd, payment.received_usd) == (None, payment.amount_usd)


@pytest.mark.parametrize("recorded", list(permutations([("FILLED", "49.99"), ("OVER_FILLED", None)])))
def test_a_sum_that_came_with_a_filled_state_stays(recorded):
    payment = PaymentFactory()
    for state, usd in recorded:
        receive(payment, State(state), usd)
    assert payment.filled_usd == Decimal("49.99")


def test_a_top_up_that_is_filled_without_a_sum_counts_as_its_amount(order):
    parent = of_order(order, partly_paid=True)
    child = top_up(parent)
    receive(child, State.PARTIALLY_FILLED, "10")
    receive(child, State.FILLED)
    parent.refresh_from_db()
    assert parent.is_paid
