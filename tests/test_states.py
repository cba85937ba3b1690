"""The ratchet: states and sums only rise, whatever the order of the news."""

from __future__ import annotations

import itertools
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram.states import (
    AWAITING,
    FULLY_FILLED,
    FUNDED,
    RANK,
    WEIGHT,
    Review,
    State,
    higher,
    larger,
    rises,
    weightiest,
)

STATES = st.sampled_from(State)
SUMS = st.none() | st.decimals(min_value=0, max_value=10**9, places=8)

ORDERED = ["CREATING", "FAILED", "OPEN", "CANCELED", "PARTIALLY_FILLED", "FILLED", "OVER_FILLED"]


# --- the tables ----------------------------------------------------------------------------


def test_the_states_rank_from_creating_to_over_filled():
    assert sorted(RANK, key=RANK.__getitem__) == ORDERED
    assert sorted(RANK.values()) == list(range(7))


def test_every_state_has_a_label_for_people():
    assert {state.value: str(state.label) for state in State} == {
        "CREATING": "Being created",
        "FAILED": "Failed",
        "OPEN": "Open",
        "CANCELED": "Canceled",
        "PARTIALLY_FILLED": "Partially filled",
        "FILLED": "Filled",
        "OVER_FILLED": "Overfilled",
    }


def test_only_filled_and_over_filled_are_fully_filled():
    assert {"FILLED", "OVER_FILLED"} == FULLY_FILLED
    assert {"PARTIALLY_FILLED", "FILLED", "OVER_FILLED"} == FUNDED
    assert {"CREATING", "OPEN", "PARTIALLY_FILLED"} == AWAITING


def test_the_reasons_for_review_weigh_from_amount_to_partial():
    assert sorted(WEIGHT, key=WEIGHT.__getitem__, reverse=True) == [
        "amount",
        "regression",
        "duplicate",
        "late",
        "partial",
    ]


def test_every_reason_for_review_has_a_label_for_people():
    assert {review.value: str(review.label) for review in Review} == {
        "amount": "Amount differs",
        "regression": "PayRam reports less than before",
        "duplicate": "Second payment for the order",
        "late": "Money after cancellation",
        "partial": "Closed while partly paid",
    }


def test_the_tables_cannot_be_changed():
    for table in (RANK, WEIGHT):
        with pytest.raises(TypeError):
            table[State.OPEN] = 9


# --- states --------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [*itertools.product(ORDERED, repeat=2)])
def test_a_state_rises_only_to_a_later_one(before, after):
    risen = ORDERED.index(after) > ORDERED.index(before)
    assert rises(State(before), State(after)) is risen
    assert higher(State(before), State(after)) == (after if risen else before)


@settings(deadline=None)
@given(one=STATES, other=STATES, third=STATES)
def test_higher_does_not_depend_on_order_or_repetition(one, other, third):
    assert higher(one, other) == higher(other, one)
    assert higher(higher(one, other), third) == higher(one, higher(other, third))
    assert higher(one, one) == one


@settings(deadline=None)
@given(reports=st.lists(STATES, min_size=1), data=st.data())
def test_any_order_of_reports_ends_in_the_same_state(reports, data):
    """F7: the rank never falls."""
    shuffled = data.draw(st.permutations(reports))
    final = reduce(higher, reports, State.CREATING)
    assert reduce(higher, [*shuffled, *reports], State.CREATING) == final
    assert RANK[final] == max(RANK[state] for state in reports)


# --- sums ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(one=SUMS, other=SUMS, third=SUMS)
def test_larger_does_not_depend_on_order_or_repetition(one, other, third):
    assert larger(one, other) == larger(other, one)
    assert larger(larger(one, other), third) == larger(one, larger(other, third))
    assert larger(one, one) == one


@pytest.mark.parametrize(
    ("before", "reported", "after"),
    [
        (None, None, None),
        (None, "5", "5"),
        ("5", None, "5"),
        ("5", "4.99", "5"),
        ("5", "5.01", "5.01"),
        (None, "0", "0"),
        ("0", None, "0"),
    ],
)
def test_the_larger_known_sum_counts(before, reported, after):
    before, reported, after = (None if sum_ is None else Decimal(sum_) for sum_ in (before, reported, after))
    assert larger(before, reported) == after


# --- reviews -------------------------------------------------------------------------------


@pytest.mark.parametrize("reasons", [[], [""], ["", ""], ()])
def test_no_reason_weighs_nothing(reasons):
    assert weightiest(reasons) == ""


@pytest.mark.parametrize(
    ("reasons", "stands"),
    [
        (["partial"], "partial"),
        (["", "late"], "late"),
        (["late", "partial"], "late"),
        (["partial", "late", "duplicate"], "duplicate"),
        (["late", "regression", "duplicate"], "regression"),
        (["partial", "amount", "regression"], "amount"),
    ],
)
def test_the_weightiest_reason_stands_for_all(reasons, stands):
    for order in itertools.permutations(reasons):
        assert weightiest(order) == stands
    assert isinstance(weightiest(reasons), Review)


def test_an_unknown_reason_is_an_error():
    with pytest.raises(ValueError, match="whim"):
        weightiest(["whim"])
