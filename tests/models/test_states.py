"""The words of a payment's states and of the reasons for review, and the order in which they stand."""

from __future__ import annotations

from django_payram.models.states import AWAITING, FULLY_FILLED, FUNDED, Review, State


def test_the_states_rank_from_creating_to_over_filled():
    assert [state.value for state in State] == [
        "CREATING",
        "FAILED",
        "OPEN",
        "CANCELED",
        "PARTIALLY_FILLED",
        "FILLED",
        "OVER_FILLED",
    ]


def test_the_reasons_for_review_weigh_from_amount_to_partial():
    assert [review.value for review in Review] == [
        "amount",
        "regression",
        "duplicate",
        "orphan",
        "unclear",
        "late",
        "partial",
    ]


def test_every_word_has_a_label_for_people():
    assert all(str(word.label).strip() and str(word.label) != word.value for word in [*State, *Review])


def test_only_states_with_money_are_funded_and_only_the_last_two_are_filled():
    assert FULLY_FILLED < FUNDED
    assert {state for state in State if "FILLED" in state} == FUNDED
    assert {State.PARTIALLY_FILLED} == FUNDED & AWAITING
