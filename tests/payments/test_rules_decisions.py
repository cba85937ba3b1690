"""What the rules make of the shop's own decisions: to withdraw, to assign, to record a refund."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType

from django_payram.models import OrderKey, Review, State, Status
from django_payram.payments import rules
from tests.payments.deciding import EARLIER, NOW, after, changed, decide, outcomes, payment, update

WITHDRAW = rules.Withdrawal("Paid by card.")
ORDER = OrderKey(ContentType(pk=7), "9")
ASSIGN = rules.Assignment(ORDER, "CK-9")


def refund(usd, **facts):
    return rules.RefundRecord(Decimal(usd), **facts)


def paid(usd=50, **fields):
    state = State.OVER_FILLED if usd > 50 else State.FILLED
    money = {"paid_at": EARLIER, "closed_at": EARLIER, "filled_usd": Decimal(usd), "live_slot": None}
    return payment(state, **{**money, **fields})


# Withdrawing


def test_a_withdrawal_ends_the_live_link_and_is_told_with_its_reason():
    decision = decide(payment(), WITHDRAW)
    row = decision.group.payment
    assert (row.withdrawn_at, row.live_slot, row.status) == (NOW, None, Status.WITHDRAWN)
    assert [(event.outcome.value, event.note) for event in decision.events] == [("withdrawn", "Paid by card.")]
    assert decision.notifications == ("payment_updated",)
    assert changed(decision) == {row.pk: {"withdrawn_at", "live_slot"}}


def test_a_second_withdrawal_changes_nothing():
    decision = decide(payment(withdrawn_at=EARLIER), WITHDRAW)
    assert (decision.changes, decision.events, decision.notifications) == ((), (), ())


def test_a_paid_payment_is_not_withdrawn():
    with pytest.raises(ValueError, match=r"^The payment is paid; money of it can only be sent back\.$"):
        decide(paid(), WITHDRAW)


def test_the_withdrawal_of_a_top_up_is_that_of_what_it_tops_up():
    parent = payment()
    top_up = payment(parent_id=parent.pk)
    decision = rules.decide(rules.Group(top_up, (parent, top_up)), WITHDRAW, NOW)
    assert decision.group.root.withdrawn_at == NOW
    assert decision.group.payment.withdrawn_at is None


@pytest.mark.parametrize("said", [update(State.FILLED, 50), update(State.PARTIALLY_FILLED, 20)])
def test_money_on_a_withdrawn_link_is_late(said):
    """F83."""
    assert after(payment(withdrawn_at=EARLIER), said).review == Review.LATE


def test_the_end_of_a_withdrawn_link_is_not_announced():
    decision = decide(payment(withdrawn_at=EARLIER), update(State.CANCELED))
    assert "payment_canceled" not in decision.notifications
    assert decision.group.payment.status == Status.WITHDRAWN


def test_a_withdrawn_link_keeps_no_other_from_being_announced_as_dead():
    dead, withdrawn = payment(), payment(withdrawn_at=EARLIER, live_slot=None)
    assert "payment_canceled" in decide(dead, update(State.CANCELED), withdrawn).notifications


# Expiry


@pytest.mark.parametrize(
    ("fields", "late"),
    [
        ({"expires_at": NOW}, True),
        ({"expires_at": NOW + timedelta(seconds=1)}, False),
        ({"expires_at": NOW, "confirmations": 1}, False),
        ({}, False),
    ],
)
def test_money_that_is_first_seen_after_the_shops_time_is_late(fields, late):
    """F87."""
    assert (after(payment(**fields), update(State.FILLED, 50)).review == Review.LATE) is late


# Purposes and prices


def test_a_payment_for_another_purpose_is_another_bill():
    """F82."""
    first, second = paid(purpose="deposit"), payment(purpose="balance")
    decision = decide(second, update(State.FILLED, 50), first)
    assert (decision.group.payment.review, "payment_paid" in decision.notifications) == ("", True)


def test_only_another_price_makes_money_on_an_older_link_late():
    """F86: the exchange rate has changed, and the price has not."""
    price = {"price_amount": Decimal(40), "price_currency": "EUR"}
    for newer, late in ((price, False), ({**price, "price_amount": Decimal(41)}, True), ({}, True)):
        row, other = payment(**price), payment(amount_usd=Decimal(51), **newer)
        decision = decide(row, update(State.FILLED, 50), other)
        assert (decision.group.payment.review == Review.LATE) is late


# A part for an order that is paid


def test_a_part_on_another_link_of_a_paid_order_is_a_duplicate_at_once():
    row, first = payment(), paid()
    decision = decide(row, update(State.PARTIALLY_FILLED, 20), first)
    assert (decision.group.payment.review, decision.group.payment.is_paid) == (Review.DUPLICATE, False)
    assert decision.notifications == ("payment_needs_review", "payment_updated")


def test_a_part_that_came_before_the_order_was_paid_is_a_duplicate_from_then_on():
    row, part, empty = payment(), payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20)), payment()
    decision = decide(row, update(State.FILLED, 50), part, empty)
    rows = {one.pk: one for one in decision.group.members}
    assert [rows[one.pk].review for one in (row, part, empty)] == ["", Review.DUPLICATE, ""]
    assert (rows[part.pk].undelivered, rows[part.pk].next_delivery_at) == (["payment_needs_review"], NOW)
    assert (rows[empty.pk].undelivered, rows[empty.pk].next_delivery_at) == ([], None)
    assert decision.notifications == ("payment_paid", "payment_updated")


def test_a_part_that_was_sent_back_or_is_held_or_for_another_bill_is_no_duplicate():
    back = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), refunded_usd=Decimal(20))
    other_bill = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), purpose="parcel")
    held = payment(State.FILLED, filled_usd=Decimal(20), review=Review.AMOUNT, reviews_raised=["amount"])
    row = payment()
    decision = decide(row, update(State.FILLED, 50), back, other_bill, held)
    rows = {one.pk: one for one in decision.group.members}
    assert [rows[one.pk].review for one in (back, other_bill, held)] == ["", "", Review.AMOUNT]
    assert rows[held.pk].undelivered == []


def test_a_repeated_answer_about_a_part_raises_no_review_that_was_settled():
    row = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), reviews_raised=["duplicate"], review_settled=True)
    assert after(row, update(State.PARTIALLY_FILLED, 20), others=(paid(),)).review == ""
    assert after(row, update(State.PARTIALLY_FILLED, 25), others=(paid(),)).review == Review.DUPLICATE


# Assigning


def test_an_open_payment_becomes_the_orders_live_link():
    decision = decide(payment(order_type_id=None, order_id="", purpose="deposit"), ASSIGN)
    row = decision.group.payment
    assert (row.order_type_id, row.order_id, row.order_number) == (7, "9", "CK-9")
    assert row.live_slot == ORDER.live_slot("deposit")
    assert [(event.outcome.value, event.note) for event in decision.events] == [("assigned", "CK-9")]
    assert decision.notifications == ("payment_updated",)


@pytest.mark.parametrize("fields", [{"withdrawn_at": EARLIER}, {"state": State.CANCELED, "closed_at": EARLIER}])
def test_a_payment_that_is_not_open_is_no_live_link_of_the_order(fields):
    assert decide(payment(**fields), ASSIGN).group.payment.live_slot is None


def test_the_order_keeps_the_live_link_that_it_has():
    row = payment()
    live = payment(order_type_id=7, order_id="9", live_slot="7:9")
    superseded = payment(order_type_id=7, order_id="9", live_slot=None)
    assert decide(row, ASSIGN, live).group.payment.live_slot is None
    assert decide(row, ASSIGN, superseded).group.payment.live_slot == "7:9"
    other_bill = payment(order_type_id=7, order_id="9", live_slot="x", purpose="parcel")
    assert decide(row, ASSIGN, other_bill).group.payment.live_slot == "7:9"


def test_a_payment_that_the_order_has_already_is_left_alone():
    decision = decide(paid(order_type_id=7, order_id="9"), ASSIGN)
    assert (decision.changes, decision.events, decision.notifications) == ((), (), ())


def test_top_ups_move_along():
    parent, other = payment(order_type_id=1, order_id="1"), payment(order_type_id=1, order_id="1")
    top_up = payment(order_type_id=1, order_id="1", parent_id=parent.pk, order_gone=True)
    decision = rules.decide(rules.Group(top_up, (parent, top_up, other)), ASSIGN, NOW)
    rows = {row.pk: row for row in decision.group.members}
    for pk in (parent.pk, top_up.pk):
        assert (rows[pk].order_type_id, rows[pk].order_id, rows[pk].order_number) == (7, "9", "CK-9")
        assert not rows[pk].order_gone
    assert rows[other.pk].order_id == "1"


def test_a_paid_payment_is_announced_for_the_order_even_if_it_was_a_duplicate_before():
    row = paid(order_type_id=1, order_id="1", paid_second=True, review=Review.DUPLICATE, reviews_raised=["duplicate"])
    first = paid(order_type_id=1, order_id="1")
    decision = decide(row, ASSIGN, first)
    assert "payment_paid" in decision.notifications
    assert not decision.group.payment.paid_second


def test_a_paid_payment_of_a_paid_order_is_a_duplicate_and_is_flagged_again():
    row = paid(order_type_id=1, order_id="1", reviews_raised=["duplicate"], review_settled=True)
    first = paid(order_type_id=7, order_id="9")
    decision = decide(row, ASSIGN, first)
    assert (decision.group.payment.review, decision.group.payment.paid_second) == (Review.DUPLICATE, True)
    assert "payment_paid" not in decision.notifications


def test_an_orphan_is_settled_and_announced():
    """F60, F85."""
    row = paid(order_gone=True, review=Review.ORPHAN, reviews_raised=["orphan"], undelivered=["payment_paid"])
    decision = rules.decide(rules.Group(row, (row,)), ASSIGN, NOW)
    assert (decision.group.payment.review, decision.group.payment.review_settled) == ("", True)
    assert "payment_paid" in decision.notifications


def test_another_reason_for_review_stays_with_the_payment():
    row = decide(paid(review=Review.LATE, reviews_raised=["late"]), ASSIGN).group.payment
    assert (row.review, row.review_settled) == (Review.LATE, False)


# Refunds


def test_a_refund_is_written_down_with_all_that_was_said_of_it():
    """F84."""
    decision = decide(paid(), refund("20.50", transaction="0xabc", note="Broken.", actor="kim"))
    row, made = decision.group.payment, decision.refund
    assert (row.refunded_usd, row.net_usd, row.is_paid) == (Decimal("20.50"), Decimal("29.50"), True)
    assert (made.payment, made.amount_usd, made.transaction) == (row, Decimal("20.50"), "0xabc")
    assert (made.note, made.actor) == ("Broken.", "kim")
    assert [(event.outcome.value, event.note) for event in decision.events] == [("refunded", "20.50 USD 0xabc")]
    assert decision.notifications == ("payment_refunded",)
    assert changed(decision) == {row.pk: {"refunded_usd"}}


def test_nothing_else_makes_a_refund():
    assert decide(payment(), WITHDRAW).refund is None
    assert decide(payment(), update(State.FILLED, 50)).refund is None


@pytest.mark.parametrize(
    ("received", "before", "most"), [("50", "0", "50.00"), ("49.9901", "0", "49.99"), ("50", "49.99", "0.01")]
)
def test_what_is_left_can_be_sent_back_and_not_a_cent_more(received, before, most):
    row = paid(filled_usd=Decimal(received), refunded_usd=Decimal(before))
    assert decide(row, refund(most)).group.payment.status == Status.REFUNDED
    with pytest.raises(
        ValueError, match=rf"^amount_usd must be at most {most}, which is left of the payment reference\.$"
    ):
        decide(row, refund(Decimal(most) + Decimal("0.01")))


@pytest.mark.parametrize("review", [Review.DUPLICATE, Review.LATE, Review.ORPHAN, Review.UNCLEAR, Review.PARTIAL])
def test_sending_all_back_settles_every_review(review):
    row = paid(review=review, reviews_raised=[review.value], paid_second=review == Review.DUPLICATE)
    assert decide(row, refund(49)).group.payment.review == review
    decision = decide(row, refund(50))
    assert (decision.group.payment.review, decision.group.payment.review_settled) == ("", True)
    assert outcomes(decision) == ["refunded", "resolved"]


@pytest.mark.parametrize(
    ("fields", "usd", "left"),
    [
        ({"review": Review.DUPLICATE}, "10", ""),
        ({"review": Review.DUPLICATE}, "9.99", Review.DUPLICATE),
        ({"review": Review.DUPLICATE, "paid_second": True}, "10", Review.DUPLICATE),
        ({"review": Review.LATE}, "10", Review.LATE),
    ],
)
def test_sending_a_surplus_back_settles_a_top_up_of_a_paid_payment_alone(fields, usd, left):
    assert decide(paid(60, **fields), refund(usd)).group.payment.review == left


def test_a_hold_ends_when_all_is_sent_back_and_no_answer_makes_it_paid():
    """F89."""
    held = after(payment(), update(State.FILLED, 40))
    row = decide(held, refund(40)).group.payment
    assert (row.is_held, row.review, row.status) == (False, "", Status.REFUNDED)
    row = after(row, update(State.FILLED, 40, asked_at=NOW, requested_usd=Decimal(50)))
    assert (row.is_paid, row.review) == (False, "")


def test_new_money_after_all_was_sent_back_is_held_again():
    row = decide(after(payment(), update(State.FILLED, 40)), refund(40)).group.payment
    row = after(row, update(State.FILLED, 45))
    assert (row.is_held, row.review) == (True, Review.AMOUNT)


@pytest.mark.parametrize(("sent_back", "held"), [("1.50", False), ("1.51", True)])
def test_a_payment_that_is_filled_after_a_part_was_sent_back_is_held_beyond_the_tolerance(sent_back, held):
    """F89. The tolerance is three percent of 50."""
    row = decide(payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20)), refund(sent_back)).group.payment
    row = after(row, update(State.FILLED, 50))
    assert (row.is_held, row.is_paid, row.review) == (held, not held, Review.AMOUNT if held else "")


def test_a_refund_is_announced_again_on_request_only_where_there_is_one():
    everything = rules.Redelivery(everything=True)
    assert "payment_refunded" in decide(paid(refunded_usd=Decimal(1)), everything).notifications
    assert "payment_refunded" not in decide(paid(), everything).notifications
