"""The gate: what a report changes, what is announced, what a person may decide."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction
from django.test import override_settings
from django.utils import timezone

from django_payram import lifecycle, schedule
from django_payram.exceptions import PayramDataError
from django_payram.lifecycle import gate, record
from django_payram.lifecycle.entry import next_check
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database, slot
from django_payram.signals import payment_paid, payment_updated
from django_payram.states import Review, State
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from django_payram.wire import Report
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def report(state, usd=None, **fields):
    filled = None if usd is None else Decimal(usd)
    return Report(state=state, word=str(state), filled_usd=filled, **fields)


def hear(payment, state, usd=None, *, trusted=False, **fields):
    """Record a report as if PayRam had just been asked, and return the row as it is then."""
    asked_at = None if trusted else timezone.now()
    recorded = record(payment, report(state, usd, **fields), source=Source.WEBHOOK, asked_at=asked_at)
    payment.refresh_from_db()
    return recorded


def of_order(order, **fields):
    from django_payram.models import content_type

    return PaymentFactory(order_type=content_type(order), order_id=str(order.pk), **fields)


def outcomes(payment):
    return list(payment.events.order_by("pk").values_list("outcome", flat=True))


# The ratchet


def test_a_filled_payment_is_paid_and_announced_once(listener):
    payment = PaymentFactory()
    assert hear(payment, State.FILLED, "49.99").news
    assert payment.state == State.FILLED
    assert payment.filled_usd == Decimal("49.99")
    assert payment.is_paid
    assert payment.closed_at is not None
    assert listener.names == ["payment_paid", "payment_updated"]
    assert listener.heard[1][2] == {"previous_state": State.OPEN}
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID]


def test_a_line_of_the_timeline_says_what_it_is_about_and_only_the_first_keeps_the_payload():
    payment = PaymentFactory(project="second", reference="mine")
    with_two = {"default": settings.PAYRAM["default"], "second": settings.PAYRAM["default"] | {"API_KEY": "b" * 32}}
    with override_settings(PAYRAM=with_two):
        record(payment, report(State.FILLED, "49.99"), source=Source.WEBHOOK, payload='{"x": 1}')
    told = payment.events.order_by("pk").values_list("outcome", "project", "reference", "payload", "error", "note")
    assert list(told) == [
        (Outcome.RECORDED, "second", "mine", '{"x": 1}', "", ""),
        (Outcome.PAID, "second", "mine", "", "", ""),
    ]


def test_a_line_about_a_payment_without_a_reference_has_none():
    payment = PaymentFactory(reference=None, state=State.CREATING)
    gate.failed(payment, outcome=Outcome.UNKNOWN, error="No answer.")
    event = payment.events.get()
    assert (event.reference, event.error, event.note, event.payload) == ("", "No answer.", "", "")


def test_a_repeated_report_sends_no_signal_and_writes_no_event(listener):
    """F5, D1."""
    payment = PaymentFactory()
    for _ in range(5):
        hear(payment, State.FILLED, "49.99")
    assert listener.names == ["payment_paid", "payment_updated"]
    assert payment.events.count() == 2


def test_a_stale_instance_undoes_nothing():
    """F4."""
    payment, stale = PaymentFactory(reference="x"), Payment.objects.get()
    hear(payment, State.FILLED, "49.99")
    assert stale.state == State.OPEN
    hear(stale, State.OPEN, trusted=True)
    payment.refresh_from_db()
    assert (payment.state, payment.filled_usd, payment.is_paid) == (State.FILLED, Decimal("49.99"), True)


def test_a_lower_state_changes_nothing_and_the_higher_one_stays(listener):
    """F7."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99")
    assert not hear(payment, State.CANCELED, trusted=True).news
    assert payment.state == State.FILLED
    assert payment.is_paid


def test_a_second_partial_payment_raises_the_sum_in_the_same_state(listener):
    payment = PaymentFactory()
    hear(payment, State.PARTIALLY_FILLED, "10")
    hear(payment, State.PARTIALLY_FILLED, "25")
    assert payment.filled_usd == Decimal(25)
    assert payment.missing_usd == Decimal("24.99")
    assert listener.names == ["payment_updated", "payment_updated"]
    assert not payment.is_paid


def test_too_much_is_paid_and_the_surplus_is_visible(listener):
    """F31, D4."""
    payment = PaymentFactory()
    hear(payment, State.OVER_FILLED, "60")
    assert payment.is_paid
    assert payment.surplus_usd == Decimal("10.01")
    assert payment.review == ""
    assert listener.names.count("payment_paid") == 1


def test_more_money_after_paid_is_news_but_not_paid_again(listener):
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99")
    hear(payment, State.OVER_FILLED, "60")
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
        hear(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(receiver)
    assert seen == [(State.FILLED, Decimal("49.99"), True, Decimal("49.99"))]


def test_money_on_the_chain_is_told_once_and_is_not_paid(listener):
    """F34."""
    payment = PaymentFactory()
    hear(payment, State.OPEN, on_chain=True, confirmations=0, confirmations_required=12)
    assert payment.is_confirming
    hear(payment, State.OPEN, on_chain=True, confirmations=3, confirmations_required=12)
    assert (payment.confirmations, payment.confirmations_required) == (3, 12)
    assert listener.names == ["payment_updated"]
    assert not payment.is_paid


def test_an_unknown_state_changes_nothing_and_is_logged_once(listener):
    payment = PaymentFactory()
    for _ in range(3):
        record(payment, Report(word="UNDEFINED"), source=Source.RESYNC, asked_at=timezone.now())
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
            record(payment, Report(word=word), source=Source.RESYNC, asked_at=timezone.now())
    unknown = PaymentEvent.objects.using(database()).filter(outcome=Outcome.UNKNOWN_STATE).order_by("pk")
    assert [(event.payment_id, event.note) for event in unknown] == [
        (one.pk, "UNDEFINED"),
        (one.pk, "DISPUTED"),
        (other.pk, "UNDEFINED"),
        (other.pk, "DISPUTED"),
    ]


def test_a_failed_payment_that_payram_reports_on_lives_again():
    payment = PaymentFactory(state=State.FAILED, reference=None, url="")
    hear(payment, State.OPEN, reference="late-1")
    assert (payment.state, payment.reference) == (State.OPEN, "late-1")


def test_the_description_comes_from_answers_that_are_not_behind():
    payment = PaymentFactory()
    hear(
        payment,
        State.FILLED,
        "49.99",
        currency="USDC",
        blockchain="ETH",
        deposit_address="0x2",
        filled_amount=Decimal(7),
    )
    hear(payment, State.OPEN, currency="BTC", trusted=True)
    assert (payment.currency, payment.blockchain, payment.deposit_address) == ("USDC", "ETH", "0x2")
    assert payment.filled_amount == 7


def test_only_news_moves_updated_at_and_every_answer_moves_checked_at():
    payment = PaymentFactory()
    before = payment.updated_at
    hear(payment, State.OPEN)
    first = payment.checked_at
    assert payment.updated_at == before
    hear(payment, State.PARTIALLY_FILLED, "1")
    assert payment.updated_at > before
    assert payment.checked_at > first


def test_a_trusted_payload_does_not_count_as_asking():
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99", trusted=True)
    assert payment.checked_at is None
    assert payment.is_paid


def test_each_state_has_its_next_check():
    payment = PaymentFactory()
    hear(payment, State.OPEN)
    assert timedelta(seconds=50) < payment.next_check_at - timezone.now() <= timedelta(minutes=1)
    hear(payment, State.FILLED, "49.99")
    assert timedelta(minutes=59) < payment.next_check_at - timezone.now() <= timedelta(hours=1)
    Payment.objects.update(paid_at=timezone.now() - timedelta(hours=2))
    hear(payment, State.FILLED, "49.99")
    assert payment.next_check_at is None


def test_a_payment_that_is_gone_says_so():
    payment = PaymentFactory()
    Payment.objects.all().delete()
    with pytest.raises(Payment.DoesNotExist) as caught:
        record(payment, report(State.OPEN), source=Source.WEBHOOK)
    assert str(caught.value) == f"The payment {payment.token} is gone."


# Amounts


def test_another_requested_amount_holds_the_payment(listener):
    """F32."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "10", requested_usd=Decimal(10))
    assert payment.review == Review.AMOUNT
    assert payment.is_held
    assert not payment.is_paid
    assert not Payment.objects.paid().exists()
    assert "payment_paid" not in listener.names
    assert listener.names == ["payment_needs_review", "payment_updated"]
    assert listener.heard[0][2] == {"reason": Review.AMOUNT}


def test_filled_but_short_beyond_the_tolerance_is_held():
    """D1: one cent on a 10.00 order confirms nothing."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "0.01")
    assert payment.is_held


def test_a_small_shortfall_within_the_tolerance_is_paid():
    """F29."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.50")
    assert payment.is_paid
    assert payment.missing_usd == 0


def test_the_tolerance_is_a_setting(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHORTFALL_PERCENT": 0}}
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.98")
    assert payment.is_held


def test_a_held_payment_becomes_paid_when_payram_says_that_the_rest_has_come(listener):
    payment = PaymentFactory()
    hear(payment, State.FILLED, "40")
    hear(payment, State.FILLED, "49.99", trusted=True)
    assert payment.is_held, "a payload alone does not lift a hold"
    hear(payment, State.FILLED, "49.99")
    assert payment.is_paid
    assert payment.review == ""
    assert listener.names.count("payment_paid") == 1
    assert Outcome.RELEASED in outcomes(payment)


def test_an_accepted_payment_is_paid_with_the_reason_in_the_timeline(listener):
    payment = PaymentFactory()
    hear(payment, State.FILLED, "40")
    lifecycle.accept(payment, reason="They are regulars.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.review == ""
    assert payment.missing_usd == 0
    event = payment.events.get(outcome=Outcome.ACCEPTED)
    assert (event.note, event.actor, event.source) == ("They are regulars.", "kim", Source.ADMIN)
    assert listener.names.count("payment_paid") == 1
    hear(payment, State.FILLED, "40")
    assert payment.review == "", "an accepted amount is not raised again"


def test_what_a_person_decides_on_a_top_up_is_decided_on_what_it_tops_up():
    parent = PaymentFactory(state=State.FILLED, review=Review.AMOUNT, raised="amount")
    child = PaymentFactory(parent=parent)
    lifecycle.accept(child, reason="Close enough.", actor="kim")
    assert outcomes(parent) == [Outcome.ACCEPTED, Outcome.PAID]
    assert outcomes(child) == []
    other = PaymentFactory(review=Review.LATE, raised="late")
    lifecycle.resolve(PaymentFactory(parent=other), reason="Seen.", actor="kim")
    assert outcomes(other) == [Outcome.RESOLVED]


def test_a_hold_that_payram_lifts_is_lifted_without_a_word():
    payment = PaymentFactory()
    hear(payment, State.FILLED, "40")
    hear(payment, State.FILLED, "49.99")
    assert payment.events.get(outcome=Outcome.RELEASED).note == ""


def test_a_doubt_is_logged_once():
    payment = PaymentFactory(raised="late")
    gate.doubt(payment, reference="one")
    assert outcomes(payment) == [Outcome.DOUBTFUL, Outcome.REVIEW]
    gate.doubt(payment, reference="two")
    assert payment.events.get(outcome=Outcome.DOUBTFUL).note == "one"


def test_only_a_held_payment_can_be_accepted():
    with pytest.raises(ValueError) as caught:
        lifecycle.accept(PaymentFactory(), reason="x", actor="kim")
    assert str(caught.value) == "Only a payment that is filled and held can be accepted."


def test_a_resolved_hold_stays_unpaid_however_often_payram_is_asked(listener):
    payment = PaymentFactory()
    hear(payment, State.FILLED, "40")
    lifecycle.resolve(payment, reason="Refunded.", actor="kim")
    event = payment.events.get(outcome=Outcome.RESOLVED)
    assert (event.note, event.actor, event.source) == ("Refunded.", "kim", Source.ADMIN)
    hear(payment, State.FILLED, "40")
    assert payment.review == ""
    assert not payment.is_paid
    assert listener.names.count("payment_needs_review") == 1


def test_there_must_be_a_review_to_resolve():
    with pytest.raises(ValueError) as caught:
        lifecycle.resolve(PaymentFactory(), reason="x", actor="kim")
    assert str(caught.value) == "The payment is not under review."


# Cancellation


def test_a_cancellation_is_announced_once_when_nothing_came(listener):
    """F36."""
    payment = PaymentFactory()
    for _ in range(3):
        hear(payment, State.CANCELED)
    assert payment.closed_at is not None
    assert listener.names == ["payment_canceled", "payment_updated"]
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.CANCELED]


def test_a_cancellation_while_money_confirms_is_announced_only_when_that_money_is_gone(listener):
    """F36."""
    payment = PaymentFactory()
    hear(payment, State.CANCELED, on_chain=True, confirmations=1, confirmations_required=12)
    assert payment.state == State.CANCELED
    assert "payment_canceled" not in listener.names
    hear(payment, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_money_after_cancellation_is_paid_and_flagged_late(listener):
    """F28."""
    payment = PaymentFactory()
    hear(payment, State.CANCELED)
    hear(payment, State.FILLED, "49.99")
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
def test_money_on_a_link_that_another_amount_replaced_is_flagged_late_though_no_cancellation_was_heard(order, came):
    """F24."""
    older = of_order(order)
    of_order(order, amount_usd=60, live_slot=slot(order))
    hear(older, came, "20" if came == State.PARTIALLY_FILLED else "49.99")
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
    hear(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, "")


def test_a_top_up_of_a_link_that_another_amount_replaced_is_flagged_late(order):
    """F24."""
    older = of_order(order, state=State.PARTIALLY_FILLED, filled_usd=20)
    of_order(order, amount_usd=60, live_slot=slot(order))
    child = of_order(order, parent=older, amount_usd=Decimal("29.99"))
    hear(child, State.FILLED, "29.99")
    older.refresh_from_db()
    assert (older.is_paid, older.review) == (True, Review.LATE)


def test_a_partial_payment_that_expires_keeps_its_state_and_is_flagged(listener):
    """F36."""
    payment = PaymentFactory()
    hear(payment, State.PARTIALLY_FILLED, "20")
    hear(payment, State.CANCELED, "20")
    assert payment.state == State.PARTIALLY_FILLED
    assert payment.closed_at is not None
    assert payment.review == Review.PARTIAL
    assert not payment.is_open
    assert "payment_canceled" not in listener.names


def test_a_partial_payment_whose_partial_report_was_lost_ends_the_same(listener):
    payment = PaymentFactory()
    hear(payment, State.CANCELED, "20")
    assert (payment.state, payment.review, payment.filled_usd) == (State.PARTIALLY_FILLED, Review.PARTIAL, 20)
    assert "payment_canceled" not in listener.names


def test_a_closed_link_frees_its_order_for_another(order):
    payment = of_order(order, live_slot=slot(order))
    hear(payment, State.CANCELED)
    assert payment.live_slot is None


def test_the_first_address_of_the_page_stays():
    payment = PaymentFactory(url="")
    for url in ("", "https://pay.example.com/1", "https://pay.example.com/2"):
        record(payment, report(State.OPEN), source=Source.CHECKOUT, url=url)
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
    hear(payment, *before)
    hear(payment, *after)
    assert Review.LATE in payment.raised.split()


def test_money_after_a_closed_partial_payment_is_late():
    payment = PaymentFactory()
    hear(payment, State.CANCELED, "20")
    hear(payment, State.FILLED, "49.99")
    assert payment.is_paid
    assert payment.review == Review.LATE


def test_the_cancellation_of_a_replaced_link_is_not_announced(listener, order):
    """F22."""
    old, new = of_order(order), of_order(order)
    hear(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    assert old.closed_at is not None
    assert Outcome.SUPERSEDED in outcomes(old)
    hear(new, State.CANCELED)
    assert listener.names.count("payment_canceled") == 1


def test_the_cancellation_of_one_link_is_not_announced_once_another_is_paid(listener, order):
    """F22, F36."""
    paid, other = of_order(order), of_order(order)
    hear(paid, State.FILLED, "49.99")
    hear(other, State.CANCELED)
    assert "payment_canceled" not in listener.names


def test_a_crashed_attempt_does_not_keep_a_cancellation_quiet(listener, order):
    old = of_order(order)
    of_order(order, state=State.CREATING, reference=None, created_at=timezone.now() - timedelta(minutes=3))
    hear(old, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_an_attempt_that_got_no_answer_does_not_keep_a_cancellation_quiet(listener, order):
    """F36."""
    of_order(order, state=State.CREATING, reference=None, live_slot=None)
    old = of_order(order)
    hear(old, State.CANCELED)
    assert "payment_canceled" in listener.names


def test_a_cancellation_waits_for_the_attempt_that_may_replace_the_link(listener, order):
    """F36."""
    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    hear(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    assert lifecycle.announce(old).announced
    assert "payment_canceled" not in listener.names
    Payment.objects.filter(pk=new.pk).update(created_at=timezone.now() - timedelta(minutes=3))
    assert old in Payment.objects.unannounced()
    for _again in range(2):
        lifecycle.announce(old)
    assert listener.names.count("payment_canceled") == 1
    assert outcomes(old).count(Outcome.ANNOUNCED) == 1
    assert old not in Payment.objects.unannounced()


def test_a_cancellation_is_dropped_when_the_attempt_has_replaced_the_link(listener, order):
    """F22."""
    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    hear(old, State.CANCELED)
    record(new, Report(reference="new", word="OPEN", state=State.OPEN), source=Source.CHECKOUT, url="https://x/")
    lifecycle.announce(old)
    assert old not in Payment.objects.unannounced()
    Payment.objects.filter(pk=new.pk).update(created_at=timezone.now() - timedelta(minutes=3))
    lifecycle.announce(old)
    assert "payment_canceled" not in listener.names


def test_a_failing_receiver_does_not_forget_a_cancellation_that_waits(listener, order):
    old = of_order(order)
    of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    listener.fail_on = {"payment_updated"}
    hear(old, State.CANCELED)
    assert set(old.pending.split()) == {"payment_updated", "payment_canceled"}


# Several payments of one order


def test_the_second_paid_payment_of_an_order_is_a_duplicate(listener, order):
    """F23."""
    first, second = of_order(order), of_order(order)
    hear(first, State.FILLED, "49.99")
    hear(second, State.FILLED, "49.99")
    assert second.review == Review.DUPLICATE
    assert second.is_paid
    assert listener.names.count("payment_paid") == 1
    assert listener.heard[-2][2] == {"reason": Review.DUPLICATE}


def test_payments_of_different_orders_are_both_announced(listener, order):
    hear(of_order(order), State.FILLED, "49.99")
    hear(of_order(Order.objects.create()), State.FILLED, "49.99")
    assert listener.names.count("payment_paid") == 2


def test_payments_without_an_order_do_not_know_each_other(listener):
    hear(PaymentFactory(), State.FILLED, "49.99")
    hear(PaymentFactory(), State.FILLED, "49.99")
    assert listener.names.count("payment_paid") == 2


def test_a_weaker_reason_never_hides_a_weightier_one(listener, order):
    paid, second = of_order(order), of_order(order)
    hear(paid, State.FILLED, "49.99")
    hear(second, State.CANCELED)
    hear(second, State.FILLED, "49.99")
    assert second.review == Review.DUPLICATE
    reviews = [event.note for event in second.events.filter(outcome=Outcome.REVIEW).order_by("pk")]
    assert reviews == [Review.LATE, Review.DUPLICATE]


def test_a_weaker_reason_is_noted_and_not_announced(listener):
    payment = PaymentFactory(review=Review.AMOUNT, raised="amount")
    gate.doubt(payment, reference="one")
    payment.refresh_from_db()
    assert (payment.review, payment.raised) == (Review.AMOUNT, "amount partial")
    assert listener.names == []


def test_an_answer_below_what_was_recorded_unpays_nothing_and_is_flagged_once(listener):
    """F35."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99")
    for _ in range(3):
        hear(payment, State.OPEN)
    assert payment.is_paid
    assert payment.state == State.FILLED
    assert payment.review == Review.REGRESSION
    assert listener.names.count("payment_needs_review") == 1
    assert payment.events.get(outcome=Outcome.REVIEW).note == Review.REGRESSION
    lifecycle.resolve(payment, reason="A node was behind.", actor="kim")
    hear(payment, State.OPEN)
    assert payment.review == ""


# Sums


@pytest.mark.parametrize("told", list(permutations([("PARTIALLY_FILLED", "20"), ("FILLED", None)])))
def test_a_sum_counts_with_the_state_it_came_with(told):
    """The status answers of 2025 name no sum in US dollars, the webhooks of the same servers do."""
    payment = PaymentFactory()
    for state, usd in told:
        hear(payment, State(state), usd)
    assert payment.is_paid
    assert (payment.filled_usd, payment.received_usd) == (None, payment.amount_usd)


@pytest.mark.parametrize("told", list(permutations([("FILLED", "49.99"), ("OVER_FILLED", None)])))
def test_a_sum_that_came_with_a_filled_state_stays(told):
    payment = PaymentFactory()
    for state, usd in told:
        hear(payment, State(state), usd)
    assert payment.filled_usd == Decimal("49.99")


def test_a_top_up_that_is_filled_without_a_sum_counts_as_its_amount(order):
    parent = of_order(order, partly_paid=True)
    child = top_up(parent)
    hear(child, State.PARTIALLY_FILLED, "10")
    hear(child, State.FILLED)
    parent.refresh_from_db()
    assert parent.is_paid


# What keeps a cancellation quiet

CONFIRMING = {"on_chain": True, "confirmations": 1, "confirmations_required": 12}


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
    hear(with_money, state, usd, **fields)
    hear(dead, State.CANCELED)
    assert not with_money.is_paid
    assert "payment_canceled" not in listener.names


def test_a_cancellation_waits_until_the_money_of_a_top_up_is_there_or_gone(listener, order):
    """F36."""
    payment = of_order(order)
    child = top_up(payment)
    hear(child, State.OPEN, **CONFIRMING)
    hear(payment, State.CANCELED)
    assert "payment_canceled" not in listener.names
    hear(child, State.CANCELED)
    assert listener.names.count("payment_canceled") == 1


def test_a_cancellation_that_waited_is_dropped_when_the_top_up_has_come(listener, order):
    """F36."""
    payment = of_order(order)
    child = top_up(payment)
    hear(child, State.OPEN, **CONFIRMING)
    hear(payment, State.CANCELED)
    hear(child, State.FILLED, "49.99")
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.pending == ""
    assert "payment_canceled" not in listener.names


def test_a_closed_payment_with_money_on_a_top_up_only_is_looked_at(listener, order):
    payment = of_order(order)
    child = top_up(payment)
    hear(child, State.PARTIALLY_FILLED, "5")
    hear(child, State.CANCELED, "5")
    hear(payment, State.CANCELED)
    assert payment.review == Review.PARTIAL
    assert "payment_needs_review" in listener.names
    assert "payment_canceled" not in listener.names


def test_money_seen_on_a_link_that_is_closed_is_no_news_until_it_is_there(listener):
    """F5: the row of a canceled payment does not go back to waiting."""
    payment = PaymentFactory()
    hear(payment, State.CANCELED)
    told = list(listener.names)
    for _ in range(3):
        assert not hear(payment, State.OPEN, **CONFIRMING).news
    assert listener.names == told


def test_the_first_sight_of_money_is_told_also_when_the_link_was_just_made(listener):
    payment = PaymentFactory()
    record(payment, report(State.OPEN, **CONFIRMING), source=Source.CHECKOUT, asked_at=timezone.now())
    assert listener.names == ["payment_updated"]


# Holds that end


def test_a_hold_for_a_shortfall_ends_with_the_top_up_that_makes_up_for_it(listener, order):
    payment = of_order(order)
    hear(payment, State.FILLED, "40")
    assert payment.review == Review.AMOUNT
    hear(top_up(payment), State.FILLED, "9.99")
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review) == (True, "")
    assert Outcome.RELEASED in outcomes(payment)


def test_what_stood_under_a_hold_comes_back_when_it_ends():
    """F28."""
    settled = PaymentFactory(review=Review.LATE, raised=Review.LATE)
    lifecycle.resolve(settled, reason="The customer called.", actor="kim")
    payment = PaymentFactory()
    hear(payment, State.CANCELED)
    hear(payment, State.FILLED, "40")
    assert payment.review == Review.AMOUNT
    hear(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, Review.LATE)


@pytest.mark.usefixtures("reads_elsewhere")
def test_what_a_person_has_settled_is_read_where_it_was_written():
    payment = PaymentFactory(state=State.FILLED, filled_usd=40, review=Review.AMOUNT, raised="late amount")
    news = report(State.FILLED, "49.99")
    assert record(payment, news, source=Source.RESYNC, asked_at=timezone.now()).payment.review == Review.LATE


def test_what_a_person_has_settled_does_not_come_back_when_a_hold_ends():
    payment = PaymentFactory()
    hear(payment, State.CANCELED)
    hear(payment, State.PARTIALLY_FILLED, "20")
    assert payment.review == Review.LATE
    lifecycle.resolve(payment, reason="The customer called.", actor="kim")
    hear(payment, State.FILLED, "40")
    hear(payment, State.FILLED, "49.99")
    assert (payment.is_paid, payment.review) == (True, "")


def test_a_payment_that_its_top_ups_cover_can_be_accepted_though_payram_asked_for_another_amount(order):
    payment = of_order(order)
    hear(payment, State.PARTIALLY_FILLED, "20", requested_usd=Decimal(45))
    hear(top_up(payment), State.FILLED, "29.99")
    payment.refresh_from_db()
    assert (payment.review, payment.is_paid, payment.is_held) == (Review.AMOUNT, False, True)
    lifecycle.accept(payment, reason="All of it is there.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid


def test_a_top_up_of_which_payram_reports_less_than_before_is_looked_at_on_what_it_tops_up(listener, order):
    """F35."""
    payment = of_order(order, partly_paid=True)
    child = top_up(payment)
    hear(child, State.FILLED, "29.99")
    hear(child, State.OPEN)
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review, child.review) == (True, Review.REGRESSION, "")
    assert "payment_needs_review" in listener.names


# Top-ups


def top_up(parent, **fields):
    return PaymentFactory(
        parent=parent,
        order_type_id=parent.order_type_id,
        order_id=parent.order_id,
        amount_usd=Decimal("29.99"),
        **fields,
    )


@pytest.mark.parametrize("with_order", [True, False])
def test_a_top_up_pays_for_its_parent_once_and_announces_nothing_itself(listener, order, with_order):
    parent = of_order(order) if with_order else PaymentFactory()
    hear(parent, State.PARTIALLY_FILLED, "20")
    child = top_up(parent)
    listener.heard.clear()
    hear(child, State.FILLED, "29.99")
    parent.refresh_from_db()
    assert parent.is_paid
    assert parent.state == State.PARTIALLY_FILLED
    assert parent.received_usd == Decimal("49.99")
    assert not child.is_paid
    assert [(name, payment.pk) for name, payment, _ in listener.heard] == [
        ("payment_paid", parent.pk),
        ("payment_updated", parent.pk),
    ]
    hear(child, State.FILLED, "29.99")
    assert len(listener.heard) == 2


def test_what_a_top_up_brings_about_is_written_of_its_parent(listener, order):
    parent = of_order(order, live_slot=slot(order))
    hear(parent, State.PARTIALLY_FILLED, "20")
    listener.fail_on = {"payment_paid"}
    child = top_up(parent)
    hear(child, State.FILLED, "29.99")
    parent.refresh_from_db()
    assert parent.is_paid
    assert parent.live_slot is None
    assert timedelta(minutes=59) < parent.next_check_at - timezone.now() <= timedelta(hours=1)
    assert outcomes(parent) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]
    assert parent.events.get(outcome=Outcome.NOT_ANNOUNCED).error == parent.announce_error != ""
    listener.fail_on = set()
    hear(child, State.OVER_FILLED, "35")
    assert outcomes(parent)[3:] == [Outcome.REVIEW, Outcome.ANNOUNCED]
    assert outcomes(child) == [Outcome.RECORDED, Outcome.RECORDED]


def test_a_top_up_that_does_not_suffice_raises_the_sum_only(listener):
    parent = PaymentFactory()
    hear(parent, State.PARTIALLY_FILLED, "20")
    hear(top_up(parent), State.PARTIALLY_FILLED, "5")
    parent.refresh_from_db()
    assert parent.received_usd == 25
    assert parent.missing_usd == Decimal("24.99")
    assert not parent.is_paid
    assert Payment.objects.all().received_usd() == 25


def test_a_canceled_top_up_cancels_nothing(listener):
    parent = PaymentFactory()
    hear(top_up(parent), State.CANCELED)
    assert "payment_canceled" not in listener.names


# Receivers


def test_a_receiver_that_raises_leaves_the_state_and_is_told_again(listener):
    """F9, F6, F47, D3."""
    payment = PaymentFactory()
    listener.fail_on = {"payment_paid"}
    assert not hear(payment, State.FILLED, "49.99").announced
    assert payment.is_paid
    assert payment.pending == "payment_paid"
    assert "RuntimeError: payment_paid is broken" in payment.announce_error
    assert listener.names == ["payment_updated"], "a bad receiver of one signal does not bar the other"
    assert Payment.objects.unannounced().get() == payment
    listener.fail_on = set()
    assert hear(payment, State.FILLED, "49.99").announced
    assert listener.names == ["payment_updated", "payment_paid"]
    assert (payment.pending, payment.announce_error) == ("", "")
    assert outcomes(payment)[-2:] == [Outcome.NOT_ANNOUNCED, Outcome.ANNOUNCED]


def test_a_mended_receiver_of_updates_is_told_from_which_state_it_last_knew(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_updated"}
    hear(payment, State.PARTIALLY_FILLED, "20")
    listener.fail_on = set()
    hear(payment, State.FILLED, "49.99")
    updates = [extra for name, _, extra in listener.heard if name == "payment_updated"]
    assert updates == [{"previous_state": State.OPEN}]


@pytest.mark.not_in("databases", reason="two databases have no common transaction")
def test_what_a_failing_receiver_wrote_is_undone_and_what_the_others_wrote_stays(order):
    """F9."""

    def count(sender, payment, **kwargs):
        Order.objects.filter(pk=order.pk).update(times_paid=1, status="paid")

    def fail(sender, payment, **kwargs):
        Order.objects.filter(pk=order.pk).update(status="broken")
        raise RuntimeError("no")

    payment_paid.connect(count, weak=False)
    payment_updated.connect(fail, weak=False)
    try:
        hear(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(count)
        payment_updated.disconnect(fail)
    order.refresh_from_db()
    assert (order.times_paid, order.status) == (1, "paid")


@pytest.mark.parametrize("how", ["database error", "swallowed error", "rollback"])
def test_a_receiver_that_breaks_its_transaction_leaves_the_state(how):
    def break_it(sender, payment, **kwargs):
        if how == "rollback":
            transaction.set_rollback(True, using=database())
            return
        try:
            with connections[database()].cursor() as cursor:
                cursor.execute("SELECT * FROM no_such_table")
        except Exception:
            if how == "database error":
                raise

    payment = PaymentFactory()
    payment_paid.connect(break_it, weak=False)
    try:
        recorded = hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(break_it)
    assert payment.is_paid
    if how != "swallowed error" or connection.vendor == "postgresql":
        assert not recorded.announced
        assert payment.pending == "payment_paid"


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_a_worker_stopped_inside_a_receiver_records_first_and_stops_then(listener, stop):
    """F9: a server that gives up on a hanging receiver raises SystemExit inside it."""

    def hang(sender, payment, **kwargs):
        PaymentEvent.objects.create(reference="the receiver's")
        raise stop

    payment = PaymentFactory()
    payment_paid.connect(hang, weak=False)
    try:
        with pytest.raises(stop):
            hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(hang)
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.pending == "payment_paid payment_updated"
    assert payment.announce_error.splitlines() == [
        f"payment_paid: {stop.__name__}: ",
        "payment_updated: not sent, the process was being stopped",
    ]
    assert not PaymentEvent.objects.filter(reference="the receiver's").exists()
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]
    assert lifecycle.announce(payment).announced
    assert listener.names == ["payment_paid", "payment_paid", "payment_updated"]


def test_a_receivers_error_is_kept_in_short_and_logged_in_full(caplog):
    def fail(sender, payment, **kwargs):
        raise RuntimeError("x" * 1000)

    payment = PaymentFactory()
    payment_paid.connect(fail, weak=False)
    try:
        hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(fail)
    assert payment.announce_error == "payment_paid: RuntimeError: ".ljust(500, "x")
    (record,) = [record for record in caplog.records if record.name == "django_payram"]
    assert record.getMessage().startswith(f"A receiver of payment_paid failed for payment {payment.token}.\nTraceback ")
    assert "x" * 1000 in record.getMessage()


def test_a_receiver_that_marks_the_transaction_for_rollback_is_told_apart():
    def mark(sender, payment, **kwargs):
        transaction.set_rollback(True, using=database())

    payment = PaymentFactory()
    payment_paid.connect(mark, weak=False)
    try:
        hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(mark)
    said = "payment_paid: TransactionBroken: A receiver marked the transaction for rollback."
    assert payment.announce_error == said


@pytest.mark.django_db(transaction=True)
def test_on_commit_work_that_fails_is_logged_without_keys_and_undoes_nothing(caplog, payram):
    def mail():
        raise ConnectionRefusedError(f"no mail for {TEST_KEY}")

    def leave(sender, payment, **kwargs):
        transaction.on_commit(mail, using=database())

    payment = PaymentFactory()
    payment_paid.connect(leave)
    try:
        recorded = hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(leave)
    assert (recorded.news, recorded.announced, payment.is_paid, payment.pending) == (True, True, True, "")
    (message,) = caplog.messages
    assert message.startswith(f"on_commit work of a receiver failed for payment {payment.token}.\nTraceback")
    assert message.endswith("ConnectionRefusedError: no mail for [key]\n")


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_fails_is_an_error(monkeypatch):
    payment = PaymentFactory()

    def broken(self):
        raise OperationalError("the server is gone")

    monkeypatch.setattr(type(connections[database()]), "_commit", broken)
    with pytest.raises(OperationalError):
        record(payment, report(State.FILLED, "49.99"), source=Source.WEBHOOK)
    monkeypatch.undo()
    payment.refresh_from_db()
    assert not payment.is_paid


def test_on_commit_work_of_a_failing_receiver_is_not_done(django_capture_on_commit_callbacks):
    done = []

    def mail_then_fail(sender, payment, **kwargs):
        transaction.on_commit(lambda: done.append("mail"), using=database())
        raise RuntimeError("no")

    payment_paid.connect(mail_then_fail, weak=False)
    try:
        with django_capture_on_commit_callbacks(using=database(), execute=True):
            hear(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(mail_then_fail)
    assert done == []


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_loses_the_whole_transaction_leaves_all_to_the_next_time():
    """A deadlock undoes the payment's new state as well."""

    def lose(sender, payment, **kwargs):
        with connections[database()].cursor() as cursor:
            cursor.execute("ROLLBACK")
        raise RuntimeError("deadlock")

    payment = PaymentFactory()
    payment_paid.connect(lose, weak=False)
    try:
        with pytest.raises(OperationalError) as caught:
            record(payment, report(State.FILLED, "49.99"), source=Source.WEBHOOK)
    finally:
        payment_paid.disconnect(lose)
    assert str(caught.value) == "A receiver of payment_paid lost the transaction."
    payment.refresh_from_db()
    assert payment.state == State.OPEN


def test_the_sender_of_every_signal_is_the_model():
    heard = []

    def receiver(sender, payment, **kwargs):
        heard.append((sender, payment))

    payment = PaymentFactory()
    payment_paid.connect(receiver, sender=Payment, weak=False)
    try:
        hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(receiver, sender=Payment)
    assert heard == [(Payment, payment)]


def test_a_receiver_that_listens_to_payments_only_is_a_receiver(monkeypatch):
    heard = []

    def receiver(payment, **kwargs):
        heard.append(payment)

    monkeypatch.setattr(payment_paid, "receivers", [])
    payment = PaymentFactory()
    payment_paid.connect(receiver, sender=Payment)
    hear(payment, State.FILLED, "49.99")
    assert heard == [payment]


def test_a_signal_without_receivers_counts_as_told():
    payment = PaymentFactory()
    assert hear(payment, State.FILLED, "49.99").announced
    assert payment.pending == ""


def test_a_pending_signal_that_lost_its_receivers_counts_as_told():
    payment = PaymentFactory(pending="payment_paid", announce_error="x")
    assert lifecycle.announce(payment).announced
    payment.refresh_from_db()
    assert (payment.pending, payment.announce_error) == ("", "")


def test_announcing_with_nothing_pending_tells_nobody(listener, django_assert_num_queries):
    payment = PaymentFactory()
    assert lifecycle.announce(payment).announced
    assert listener.names == []
    assert payment.events.count() == 0


def test_receivers_that_ask_about_the_same_payment_do_not_loop(listener):
    payment = PaymentFactory()

    def ask_again(sender, payment, **kwargs):
        hear(payment, State.FILLED, "49.99")

    payment_paid.connect(ask_again, weak=False)
    try:
        hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(ask_again)
    assert listener.names == ["payment_paid", "payment_updated"]


def test_a_key_in_a_receivers_error_is_neither_kept_nor_logged(settings, caplog):
    key = settings.PAYRAM["default"]["API_KEY"]

    def leak(sender, payment, **kwargs):
        raise RuntimeError(f"called with {key}")

    payment = PaymentFactory()
    payment_paid.connect(leak, weak=False)
    try:
        hear(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(leak)
    assert key not in payment.announce_error
    assert key not in caplog.text
    assert "in leak" in caplog.text, "the traceback is logged"
    assert "[key]" in payment.announce_error


@pytest.mark.parametrize(
    ("state", "usd", "told"),
    [
        (State.FILLED, "49.99", {"payment_paid", "payment_updated"}),
        (State.CANCELED, None, {"payment_canceled", "payment_updated"}),
        (State.FILLED, "10", {"payment_needs_review", "payment_updated"}),
        (State.OPEN, None, {"payment_updated"}),
    ],
)
def test_announcing_again_tells_the_present_truth(listener, state, usd, told):
    """D2."""
    payment = PaymentFactory()
    hear(payment, state, usd)
    listener.heard.clear()
    assert lifecycle.announce_again(payment, actor="kim").announced
    assert set(listener.names) == told


@pytest.mark.parametrize(
    ("options", "source", "actor"),
    [({}, Source.ADMIN, ""), ({"source": Source.RESYNC, "actor": "kim"}, Source.RESYNC, "kim")],
)
def test_announcing_again_says_who_wished_it(listener, options, source, actor):
    payment = PaymentFactory(paid=True, pending="payment_paid")
    lifecycle.announce_again(payment, **options)
    event = payment.events.get(outcome=Outcome.ANNOUNCED)
    assert (event.source, event.actor) == (source, actor)


def test_announcing_a_duplicate_again_does_not_say_paid(listener, order):
    first, second = of_order(order), of_order(order)
    hear(first, State.FILLED, "49.99")
    hear(second, State.FILLED, "49.99")
    listener.heard.clear()
    lifecycle.announce_again(second)
    assert "payment_paid" not in listener.names


def test_a_transition_takes_five_statements_without_receivers(django_assert_num_queries):
    payment = PaymentFactory()
    with django_assert_num_queries(5):  # SAVEPOINT, lock, UPDATE, INSERT of events, RELEASE
        record(payment, report(State.PARTIALLY_FILLED, "20"), source=Source.WEBHOOK, asked_at=timezone.now())


# What is no longer true is not told


def test_a_cancellation_that_was_not_delivered_is_not_told_once_the_payment_is_paid(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_canceled"}
    hear(payment, State.CANCELED)
    listener.fail_on = set()
    hear(payment, State.FILLED, "49.99")
    assert "payment_canceled" not in listener.names
    assert payment.pending == ""


def test_a_cancellation_that_was_not_delivered_is_not_told_once_the_order_is_paid(listener, order):
    canceled, other = of_order(order), of_order(order, state=State.CANCELED, closed_at=timezone.now())
    listener.fail_on = {"payment_canceled"}
    hear(canceled, State.CANCELED)
    listener.fail_on = set()
    hear(other, State.FILLED, "49.99")
    lifecycle.announce(canceled)
    assert "payment_canceled" not in listener.names


def test_a_paid_announcement_that_was_not_delivered_is_told_although_a_second_payment_came(listener, order):
    first, second = of_order(order), of_order(order)
    listener.fail_on = {"payment_paid"}
    hear(first, State.FILLED, "49.99")
    listener.fail_on = set()
    hear(second, State.FILLED, "49.99")
    assert "payment_paid" not in listener.names
    lifecycle.announce(first)
    lifecycle.announce(second)
    assert [payment.pk for name, payment, _ in listener.heard if name == "payment_paid"] == [first.pk]


def test_a_resolved_review_that_was_not_delivered_is_not_told(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_needs_review"}
    hear(payment, State.FILLED, "10")
    lifecycle.resolve(payment, reason="Refunded.", actor="kim")
    listener.fail_on = set()
    lifecycle.announce(payment)
    assert "payment_needs_review" not in listener.names


@pytest.mark.parametrize("own", [State.OPEN, State.PARTIALLY_FILLED])
def test_the_link_of_a_payment_that_its_top_ups_paid_may_expire_in_peace(listener, own):
    parent = PaymentFactory()
    hear(parent, own, "20" if own == State.PARTIALLY_FILLED else None)
    hear(
        top_up(
            parent,
        ),
        State.FILLED,
        "49.99",
    )
    hear(parent, State.CANCELED)
    assert parent.is_paid
    assert parent.review == ""
    assert "payment_canceled" not in listener.names
    listener.heard.clear()
    lifecycle.announce_again(parent)
    assert set(listener.names) == {"payment_paid", "payment_updated"}


def test_a_cancellation_while_money_confirms_is_not_told_again_on_request(listener):
    payment = PaymentFactory()
    hear(payment, State.CANCELED, on_chain=True, confirmations=1, confirmations_required=12)
    assert payment.is_confirming
    assert payment.next_check_at - timezone.now() <= timedelta(minutes=1)
    listener.heard.clear()
    lifecycle.announce_again(payment)
    assert listener.names == ["payment_updated"]


def test_a_link_whose_replacement_never_came_to_be_is_canceled_after_all(listener, order):
    """F36."""
    from django_payram.lifecycle.gate import failed

    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    hear(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    failed(new, outcome=Outcome.REFUSED, error="no")
    old.refresh_from_db()
    assert old.pending == "payment_canceled"
    lifecycle.announce(old)
    assert listener.names.count("payment_canceled") == 1


def test_a_link_whose_replacement_failed_stays_quiet_while_another_is_open(listener, order):
    from django_payram.lifecycle.gate import failed

    old, _open = of_order(order), of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    hear(old, State.CANCELED)
    failed(new, outcome=Outcome.UNKNOWN, error="no")
    old.refresh_from_db()
    assert old.pending == ""


def test_a_cancellation_that_was_told_is_not_told_again_when_another_attempt_fails(listener, order):
    hear(of_order(Order.objects.create()), State.CANCELED)
    other = Order.objects.create()
    superseded, _open = of_order(other), of_order(other)
    hear(superseded, State.CANCELED)
    old = of_order(order)
    hear(old, State.CANCELED)
    gate.failed(of_order(order, state=State.CREATING, reference=None), outcome=Outcome.REFUSED, error="no")
    old.refresh_from_db()
    assert old.pending == ""


def test_a_cancellation_beside_a_link_with_money_on_it_stays_quiet_when_another_attempt_fails(listener, order):
    old, partial = of_order(order), of_order(order, partly_paid=True)
    hear(old, State.CANCELED)
    hear(partial, State.CANCELED, "20")
    gate.failed(of_order(order, state=State.CREATING, reference=None), outcome=Outcome.REFUSED, error="no")
    lifecycle.announce(old)
    assert "payment_canceled" not in listener.names


def test_a_failed_attempt_is_asked_about_only_if_its_reference_is_known():
    later = timezone.now() + timedelta(days=1)
    unknown, named, known = (
        PaymentFactory(state=State.CREATING, reference=reference, told_state="", next_check_at=later)
        for reference in (None, None, "known")
    )
    for payment, reference in ((unknown, None), (named, "named"), (known, "other")):
        gate.failed(payment, outcome=Outcome.REFUSED, error="no", reference=reference)
        payment.refresh_from_db()
        assert (payment.state, payment.told_state) == (State.FAILED, State.FAILED)
    assert [payment.reference for payment in (unknown, named, known)] == [None, "named", "known"]
    assert [payment.next_check_at == later for payment in (unknown, named, known)] == [True, False, True]


# Holds are lifted on evidence only


def test_an_answer_that_does_not_name_the_amount_lifts_no_hold():
    """F32."""
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99", requested_usd=Decimal(5))
    hear(payment, State.FILLED, "49.99")
    assert payment.is_held
    assert payment.review == Review.AMOUNT
    hear(payment, State.FILLED, "49.99", requested_usd=Decimal("49.99"))
    assert payment.is_paid


def test_a_top_ups_report_lifts_no_hold_of_its_parent():
    parent = PaymentFactory()
    hear(parent, State.PARTIALLY_FILLED, "20", requested_usd=Decimal(5))
    hear(top_up(parent), State.OPEN)
    parent.refresh_from_db()
    assert parent.review == Review.AMOUNT
    hear(top_up(parent), State.FILLED, "29.99")
    parent.refresh_from_db()
    assert not parent.is_paid


def test_an_amount_that_was_resolved_before_the_money_came_is_raised_again_with_the_money(listener):
    payment = PaymentFactory()
    hear(payment, State.OPEN, requested_usd=Decimal(5))
    lifecycle.resolve(payment, reason="Known.", actor="kim")
    hear(payment, State.FILLED, "5", requested_usd=Decimal(5))
    assert payment.is_held
    assert payment.review == Review.AMOUNT
    assert listener.names.count("payment_needs_review") == 2
    lifecycle.accept(payment, reason="Agreed.", actor="kim")
    payment.refresh_from_db()
    assert payment.is_paid


def test_coins_prove_that_money_came_before_the_link_was_canceled(listener):
    payment = PaymentFactory()
    hear(payment, State.CANCELED, filled_amount=Decimal(20))
    assert payment.state == State.PARTIALLY_FILLED
    assert payment.review == Review.PARTIAL
    assert "payment_canceled" not in listener.names


def test_a_deposit_that_vanished_is_no_longer_shown():
    payment = PaymentFactory()
    hear(payment, State.OPEN, on_chain=True, confirmations=1, confirmations_required=12)
    hear(payment, State.OPEN, confirmations=0, confirmations_required=0)
    assert not payment.is_confirming


def test_a_failure_that_repeats_is_written_down_once(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_paid"}
    hear(payment, State.FILLED, "49.99")
    for _ in range(5):
        lifecycle.announce(payment)
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]


def test_the_timeline_shows_each_transition_once(order):
    payment = PaymentFactory()
    hear(payment, State.FILLED, "49.99")
    moves = [(event.state_before, event.state_after) for event in payment.events.order_by("pk")]
    assert moves == [(State.OPEN, State.FILLED), (State.FILLED, State.FILLED)]


def test_the_first_payment_of_an_order_is_announced_also_when_it_was_topped_up_before_its_receiver_succeeded(
    order, listener
):
    listener.fail_on = {"payment_paid"}
    first = of_order(order)
    hear(first, State.FILLED, "49.99")
    top_up = of_order(order, parent=first)
    hear(top_up, State.FILLED, "5")
    second = of_order(order)
    hear(second, State.FILLED, "49.99")
    listener.heard.clear()
    listener.fail_on = set()
    for payment in (second, first):
        gate.announce(payment)
    assert [(name, payment) for name, payment, _extra in listener.heard if name == "payment_paid"] == [
        ("payment_paid", first)
    ]


def test_who_acted_and_what_became_of_the_payment_is_told():
    payment = PaymentFactory()
    recorded = record(payment, report(State.FILLED, "49.99"), source=Source.ADMIN, actor="clerk")
    assert (recorded.payment, recorded.payment.state) == (payment, State.FILLED)
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.actor, event.payload) == ("clerk", "")


def test_a_report_without_a_page_leaves_the_page():
    payment = PaymentFactory(reference="mine", url="")
    hear(payment, State.PARTIALLY_FILLED, "5", reference="mine")
    assert (payment.reference, payment.url) == ("mine", "")
    assert payment.events.get().actor == ""


def test_a_report_about_another_reference_is_refused_and_writes_nothing():
    payment = PaymentFactory(reference="mine")
    with pytest.raises(PayramDataError) as caught:
        hear(payment, State.FILLED, "49.99", reference="other")
    assert str(caught.value) == "The payment mine has a reference other than other."
    payment.refresh_from_db()
    assert (payment.state, payment.events.count()) == (State.OPEN, 0)


def test_a_report_in_an_unknown_state_still_tells_the_reference():
    """Resync can ask about it then."""
    payment = PaymentFactory(state=State.CREATING, reference=None, next_check_at=None)
    record(payment, Report(reference="r1", word="PENDING", state=None), source=Source.WEBHOOK)
    payment.refresh_from_db()
    assert payment.reference == "r1"
    assert payment.next_check_at is not None


def test_each_update_tells_the_state_before_it(listener):
    payment = PaymentFactory()
    for state, usd in ((State.PARTIALLY_FILLED, "5"), (State.FILLED, "49.99")):
        hear(payment, state, usd)
    updates = [extra["previous_state"] for name, _payment, extra in listener.heard if name == "payment_updated"]
    assert updates == [State.OPEN, State.PARTIALLY_FILLED]


def test_money_of_a_top_up_is_news_of_what_it_tops_up(order, listener):
    yesterday = timezone.now() - timedelta(days=1)
    parent = of_order(order, state=State.PARTIALLY_FILLED, filled_usd=Decimal(20), updated_at=yesterday)
    hear(top_up(parent), State.PARTIALLY_FILLED, "5")
    parent.refresh_from_db()
    assert parent.topped_up_usd == 5
    assert parent.updated_at > yesterday
    assert [(name, payment) for name, payment, _extra in listener.heard] == [("payment_updated", parent)]


def test_a_right_amount_clears_its_own_reason_and_no_other():
    payment = PaymentFactory(raised="late regression")
    hear(payment, State.OPEN, requested_usd=Decimal("1.00"))
    assert set(payment.raised.split()) == {"late", "regression", "amount", "request"}
    hear(payment, State.OPEN, requested_usd=payment.amount_usd)
    assert payment.raised.split() == ["late", "regression", "amount"]


def test_a_partly_filled_payment_is_asked_about_by_the_age_of_its_last_news():
    now = timezone.now()
    payment = PaymentFactory(state=State.PARTIALLY_FILLED, created_at=now - timedelta(days=20), updated_at=now)
    assert next_check(payment, now=now) == schedule.next_check(State.PARTIALLY_FILLED, since=now, now=now)
    old = PaymentFactory(
        state=State.PARTIALLY_FILLED, created_at=now - timedelta(days=20), updated_at=payment.created_at
    )
    assert next_check(old, now=now) != next_check(payment, now=now)
