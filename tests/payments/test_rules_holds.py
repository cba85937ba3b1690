"""Amounts: what holds a payment back, what ends a hold, and what a person decides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_payram.models import Review, State
from django_payram.payments import rules
from tests.payments.deciding import EARLIER, NOW, Options, after, decide, outcomes, payment, update

ACCEPT, RESOLVE = rules.Acceptance("Close enough."), rules.Resolution("Refunded.")


def asked_for(usd, **fields):
    return {"requested_usd": Decimal(usd), **fields}


@pytest.mark.parametrize(
    ("requested", "differs"),
    [(None, False), ("50", False), ("50.009", False), ("50.01", True), ("49.99", True), ("49.991", False)],
)
def test_a_requested_amount_differs_by_a_cent_or_more(requested, differs):
    """F32."""
    said = update(State.FILLED, 50, requested_usd=None if requested is None else Decimal(requested))
    row = after(payment(), said)
    assert (row.review == Review.AMOUNT, row.amount_disputed, row.is_paid) == (differs, differs, not differs)


@pytest.mark.parametrize(
    ("state", "filled", "held"),
    [
        (State.FILLED, "48.50", False),
        (State.FILLED, "48.49", True),
        (State.OVER_FILLED, "48.49", True),
        (State.FILLED, None, False),
    ],
)
def test_a_filled_payment_is_held_beyond_the_tolerance_of_three_percent(state, filled, held):
    """F29, D1."""
    row = after(payment(), update(state, filled))
    assert (row.is_held, row.is_paid, row.review) == (held, not held, Review.AMOUNT if held else "")


def test_a_partial_payment_is_not_held():
    row = after(payment(), update(State.PARTIALLY_FILLED, 1))
    assert (row.review, row.is_paid) == ("", False)


@pytest.mark.parametrize(
    ("percent", "usd", "least"),
    [(0.1, 10, "99.9"), (0, 10, "100"), (3, 10, "97"), (100, 100, "0"), (3, "2.5", "97.5"), (100, 0, "100")],
)
def test_the_tolerance_is_exact_and_the_smaller_of_both(percent, usd, least):
    """F88."""
    assert rules.least_usd(Decimal("100.00"), Options(percent, Decimal(usd))) == Decimal(least)


def test_a_hold_is_flagged_once_and_receivers_are_given_the_reason():
    decision = decide(payment(), update(State.FILLED, 40))
    assert (outcomes(decision), decision.notifications) == (
        ["recorded", "review"],
        ("payment_needs_review", "payment_updated"),
    )
    assert decision.events[1].note == "amount"
    again = decide(decision.group.payment, update(State.FILLED, 40))
    assert (outcomes(again), again.notifications) == ([], ())


# What ends a hold


def test_a_hold_ends_when_payram_says_that_the_rest_has_come():
    held = after(payment(), update(State.FILLED, 40))
    decision = decide(held, update(State.FILLED, 50))
    assert outcomes(decision) == ["recorded", "released", "paid"]
    assert (decision.group.payment.review, decision.group.payment.paid_at) == ("", NOW)
    assert decision.notifications == ("payment_paid", "payment_updated")
    assert decision.events[1].note == ""


def test_a_webhook_alone_ends_no_hold():
    held = after(payment(), update(State.FILLED, 40))
    assert after(held, update(State.FILLED, 50, asked_at=None)).is_held


def test_a_right_amount_ends_the_hold_of_a_wrong_one_and_silence_does_not():
    held = after(payment(), update(State.FILLED, 50, **asked_for(10)))
    assert after(held, update(State.FILLED, 50)).is_held
    released = after(held, update(State.FILLED, 50, **asked_for(50)))
    assert (released.amount_disputed, released.is_paid, released.reviews_raised) == (False, True, ["amount"])


def test_what_stood_under_a_hold_comes_back_when_it_ends():
    held = payment(State.FILLED, filled_usd=Decimal(40), review="amount", reviews_raised=["late", "partial", "amount"])
    assert after(held, update(State.FILLED, 50)).review == Review.LATE
    held.review_settled = True
    assert after(held, update(State.FILLED, 50)).review == "", "a person has settled it"


# People


def test_an_accepted_payment_is_paid_with_the_reason_in_the_timeline():
    held = after(payment(), update(State.FILLED, 40))
    decision = decide(held, ACCEPT)
    assert [(event.outcome.value, event.note) for event in decision.events] == [
        ("accepted", "Close enough."),
        ("paid", ""),
    ]
    row = decision.group.payment
    assert (row.is_paid, row.review, row.missing_usd, decision.notifications) == (True, "", 0, ("payment_paid",))
    assert after(row, update(State.FILLED, 40)).review == "", "an accepted amount is not raised again"


@pytest.mark.parametrize("row", [payment(), payment(State.PARTIALLY_FILLED), payment(State.FILLED, paid_at=EARLIER)])
def test_only_a_held_payment_can_be_accepted(row):
    with pytest.raises(ValueError, match=r"^Only a payment that is filled and held can be accepted\.$"):
        decide(row, ACCEPT)


def test_a_hold_is_accepted_or_sent_back_and_cannot_be_resolved():
    """F89."""
    held = after(payment(), update(State.FILLED, 40))
    with pytest.raises(
        ValueError, match=r"^A payment that is held is accepted, or sent back; it cannot be resolved\.$"
    ):
        decide(held, RESOLVE)


def test_there_must_be_a_review_to_resolve():
    with pytest.raises(ValueError, match=r"^The payment is not under review\.$"):
        decide(payment(), RESOLVE)


def test_an_amount_that_was_resolved_before_the_money_came_is_raised_again_with_the_money():
    row = after(payment(), update(**asked_for(10)), RESOLVE, update(**asked_for(10)))
    assert row.review == ""
    decision = decide(row, update(State.FILLED, 10, **asked_for(10)))
    assert (decision.group.payment.review, decision.group.payment.is_held) == (Review.AMOUNT, True)
    assert "payment_needs_review" in decision.notifications


# Weights


def test_a_weaker_reason_is_noted_and_does_not_hide_a_weightier_one():
    held = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(5), review="amount", reviews_raised=["amount"])
    held.amount_disputed = True
    decision = decide(held, update(State.CANCELED, 5))
    row = decision.group.payment
    assert (row.review, row.reviews_raised) == (Review.AMOUNT, ["amount", "partial"])
    assert "payment_needs_review" not in decision.notifications


def test_a_weightier_reason_takes_the_place_of_a_weaker_one():
    late = payment(State.CANCELED, closed_at=EARLIER)
    decision = decide(late, update(State.FILLED, 40))
    row = decision.group.payment
    assert (row.review, row.reviews_raised) == (Review.AMOUNT, ["late", "amount"])


def test_a_reason_that_a_person_has_settled_is_raised_again_by_new_money_alone():
    late = payment(State.CANCELED, closed_at=EARLIER, reviews_raised=["late"], review_settled=True)
    again = decide(late, update(State.PARTIALLY_FILLED, 5))
    assert (again.group.payment.review, outcomes(again)) == ("late", ["review", "recorded"])
    assert again.notifications == ("payment_needs_review", "payment_updated")
    settled = decide(again.group.payment, rules.Resolution("refunded")).group.payment
    repeated = decide(settled, update(State.PARTIALLY_FILLED, 5))
    assert (repeated.group.payment.review, outcomes(repeated)) == ("", [])


def test_a_reason_that_stands_is_not_raised_once_more_by_new_money():
    late = payment(State.PARTIALLY_FILLED, filled_usd=5, closed_at=EARLIER, reviews_raised=["late"], review="late")
    assert outcomes(decide(late, update(State.PARTIALLY_FILLED, 6))) == ["recorded"]


def test_each_reference_that_payram_cannot_place_is_logged_and_flags_what_a_person_has_settled():
    first = decide(payment(), rules.UnplacedReference("one"))
    assert [(event.outcome.value, event.note) for event in first.events] == [("doubtful", "one"), ("review", "unclear")]
    assert first.notifications == ("payment_needs_review",)
    second = decide(first.group.payment, rules.UnplacedReference("two"))
    assert outcomes(second) == ["doubtful"]
    settled = decide(second.group.payment, rules.Resolution("not ours")).group.payment
    third = decide(settled, rules.UnplacedReference("three"))
    assert (third.group.payment.review, outcomes(third)) == ("unclear", ["doubtful", "review"])


# The create call


@pytest.mark.parametrize(
    ("outcome", "state"), [(rules.Outcome.REFUSED, State.FAILED), (rules.Outcome.UNKNOWN, State.CREATING)]
)
def test_a_create_call_without_a_link_frees_its_order(outcome, state):
    """F20: what is certain makes the attempt fail, what is not leaves it open."""
    made = payment(State.CREATING, reference=None)
    decision = decide(made, rules.CreateFailure(outcome, "No.", "late-reference"))
    row = decision.group.payment
    assert (row.state, row.live_slot, row.notified_state, row.reference) == (state, None, state, "late-reference")
    assert row.next_check_at == NOW, "the reference can be asked about at once"
    assert [(event.outcome, event.error) for event in decision.events] == [(outcome, "No.")]
    assert decision.notifications == ()


def test_a_refusal_does_not_undo_what_a_webhook_has_found_out():
    opened = payment(State.OPEN, reference="one", next_check_at=EARLIER)
    row = after(opened, rules.CreateFailure(rules.Outcome.REFUSED, "No.", "two"))
    assert (row.state, row.reference, row.next_check_at) == (State.OPEN, "one", EARLIER)
