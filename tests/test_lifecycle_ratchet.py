"""What a report means for a payment."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.lifecycle import ratchet
from django_payram.models import Payment
from django_payram.states import State
from django_payram.wire import Report

NOW = timezone.now()


def payment(state=State.OPEN, **fields):
    return Payment(state=state, amount_usd=Decimal("50.00"), updated_at=NOW, **fields)


def report(state=State.OPEN, **fields):
    return Report(state=state, word=str(state), **fields)


def test_a_cancellation_with_money_is_a_closed_partial_payment():
    assert ratchet.reported_state(report(State.CANCELED, filled_usd=Decimal(5))) == State.PARTIALLY_FILLED
    assert ratchet.reported_state(report(State.CANCELED, filled_usd=Decimal(0))) == State.CANCELED
    assert ratchet.reported_state(report(State.CANCELED)) == State.CANCELED
    assert ratchet.reported_state(report(State.OPEN, filled_usd=Decimal(5))) == State.OPEN


@pytest.mark.parametrize(
    ("heard", "closes"),
    [
        (report(State.CANCELED), True),
        (report(State.CANCELED, on_chain=True, confirmations=1, confirmations_required=3), False),
        (report(State.CANCELED, on_chain=True, confirmations=3, confirmations_required=3), True),
        (report(State.FILLED), True),
        (report(State.OVER_FILLED), True),
        (report(State.PARTIALLY_FILLED), False),
        (report(State.OPEN), False),
        (report(None), False),
    ],
)
def test_a_link_is_closed_by_cancellation_and_by_filling(heard, closes):
    assert ratchet.closes(heard) is closes


@pytest.mark.parametrize(
    ("row", "heard", "news"),
    [
        (payment(), report(), False),
        (payment(), report(State.FILLED), True),
        (payment(State.CREATING), report(), True),
        (payment(State.FAILED), report(), True),
        (payment(State.FILLED), report(), False),
        (payment(State.FILLED, closed_at=NOW), report(State.CANCELED), False),
        (payment(), report(None), False),
        (payment(), report(filled_usd=Decimal(0)), False),
        (payment(), report(filled_usd=Decimal(1)), True),
        (payment(State.PARTIALLY_FILLED, filled_usd=Decimal(2)), report(filled_usd=Decimal(2)), False),
        (payment(State.PARTIALLY_FILLED, filled_usd=Decimal(2)), report(filled_usd=Decimal(3)), True),
        (payment(State.PARTIALLY_FILLED, filled_usd=Decimal(2)), report(filled_usd=Decimal(1)), False),
        (payment(), report(on_chain=True), True),
        (payment(confirmations=0), report(on_chain=True, confirmations=5), False),
        (payment(State.PARTIALLY_FILLED), report(State.PARTIALLY_FILLED, on_chain=True), False),
        (payment(State.PARTIALLY_FILLED), report(State.CANCELED), True),
        (payment(State.PARTIALLY_FILLED, closed_at=NOW), report(State.CANCELED), False),
        (
            payment(State.CANCELED),
            report(State.CANCELED, on_chain=True, confirmations=1, confirmations_required=3),
            True,  # first sight
        ),
    ],
)
def test_news_is_a_higher_state_more_money_its_first_sight_or_a_closed_link(row, heard, news):
    assert ratchet.is_news(row, heard) is news


@pytest.mark.parametrize(
    ("row", "late"),
    [
        (payment(State.CANCELED, closed_at=NOW), True),
        (payment(State.PARTIALLY_FILLED, closed_at=NOW), True),
        (payment(State.FILLED, closed_at=NOW), False),
        (payment(State.PARTIALLY_FILLED), False),
        (payment(State.CANCELED), False),
    ],
)
def test_money_is_late_when_the_link_was_closed_unfilled(row, late):
    assert ratchet.was_canceled(row) is late


@pytest.mark.parametrize(
    ("row", "heard", "falls"),
    [
        (payment(State.FILLED), report(State.OPEN), True),
        (payment(State.FILLED), report(State.CANCELED), True),
        (payment(State.OVER_FILLED), report(State.FILLED), True),
        (payment(State.FILLED), report(State.FILLED), False),
        (payment(State.FILLED), report(State.OVER_FILLED), False),
        (payment(State.FILLED), report(None), False),
        (payment(State.CANCELED), report(State.OPEN), False),
        (payment(State.OPEN), report(State.OPEN), False),
        (payment(State.PARTIALLY_FILLED), report(State.CANCELED), False),
        (payment(State.PARTIALLY_FILLED), report(State.OPEN), True),
        (payment(State.FILLED, filled_usd=Decimal(50)), report(State.FILLED, filled_usd=Decimal(40)), True),
        (payment(State.FILLED, filled_usd=Decimal(50)), report(State.FILLED, filled_usd=Decimal(50)), False),
        (payment(State.FILLED), report(State.FILLED, filled_usd=Decimal(40)), False),
        (payment(State.FILLED), report(State.FILLED, filled_usd=Decimal("0.5")), False),
    ],
)
def test_an_answer_that_takes_money_back_is_a_regression(row, heard, falls):
    assert ratchet.falls_below(row, heard, asked_at=NOW) is falls


@pytest.mark.parametrize(
    ("heard", "vanished"),
    [
        (report(confirmations=0), True),
        (report(confirmations=0, on_chain=True), False),
        (report(), False),  # a server that tells no confirmations
        (report(State.PARTIALLY_FILLED, confirmations=0), False),
        (report(None, confirmations=0), False),
    ],
)
def test_money_has_vanished_when_a_server_that_counts_sees_none(heard, vanished):
    assert ratchet.vanished(heard) is vanished


@pytest.mark.parametrize(
    ("row", "heard", "more"),
    [
        ((State.OPEN, None), (State.PARTIALLY_FILLED, 5), True),
        ((State.PARTIALLY_FILLED, 5), (State.PARTIALLY_FILLED, 5), False),
        ((State.PARTIALLY_FILLED, 5), (State.FILLED, 50), True),
        ((State.FILLED, 40), (State.FILLED, 50), True),
        ((State.FILLED, 40), (State.OVER_FILLED, 60), True),
        ((State.FILLED, 40), (State.PARTIALLY_FILLED, 45), False),
        ((State.FILLED, None), (State.CANCELED, 45), False),
        ((State.FILLED, 40), (State.FILLED, None), False),
    ],
)
def test_what_was_said_before_a_payment_was_filled_adds_no_money_to_it(row, heard, more):
    state, usd = row
    said, sum_of_it = heard
    filled = None if usd is None else Decimal(usd)
    told = report(said, filled_usd=None if sum_of_it is None else Decimal(sum_of_it))
    assert ratchet.raises_sum(payment(state, filled_usd=filled), told) is more


@pytest.mark.parametrize("said", State)
@pytest.mark.parametrize("state", State)
def test_a_payment_is_filled_for_the_first_time_once(state, said):
    filled = {State.FILLED, State.OVER_FILLED}
    assert ratchet.fills(payment(state), report(said)) is (said in filled and state not in filled)


def test_an_answer_asked_for_before_the_last_news_is_merely_old():
    row = payment(State.FILLED)
    assert not ratchet.falls_below(row, report(State.OPEN), asked_at=NOW - timedelta(seconds=1))


def test_a_webhook_fills_in_the_sum_that_an_answer_in_the_same_state_lacks():
    hint = report(State.PARTIALLY_FILLED, filled_usd=Decimal(35))
    bare = report(State.PARTIALLY_FILLED)
    assert ratchet.completed(bare, hint).filled_usd == Decimal(35)
    assert ratchet.completed(report(State.OPEN), hint).filled_usd is None
    assert ratchet.completed(report(None), report(None, filled_usd=Decimal(35))).filled_usd is None
    assert ratchet.completed(report(State.PARTIALLY_FILLED, filled_usd=Decimal(1)), hint).filled_usd == Decimal(1)


def test_a_webhook_fills_in_the_confirmations_that_an_answer_in_the_same_state_lacks():
    hint = report(on_chain=True, confirmations=2, confirmations_required=6)
    told = ratchet.completed(report(), hint)
    assert (told.on_chain, told.confirmations, told.confirmations_required) == (True, 2, 6)
    own = report(confirmations=0, confirmations_required=0)
    assert ratchet.completed(own, hint) == own
    assert not ratchet.completed(report(State.FILLED), hint).on_chain


def test_only_an_answer_that_is_not_behind_describes_the_payment():
    assert ratchet.describes(payment(), report())
    assert ratchet.describes(payment(), report(State.FILLED))
    assert not ratchet.describes(payment(State.FILLED), report())
    assert not ratchet.describes(payment(), report(None))


@pytest.mark.parametrize(
    ("requested", "differs"),
    [(None, False), ("50", False), ("50.009", False), ("50.01", True), ("49.99", True), ("49.991", False)],
)
def test_a_requested_amount_differs_by_a_cent_or_more(requested, differs):
    """F32."""
    heard = report(requested_usd=None if requested is None else Decimal(requested))
    assert ratchet.amount_differs(payment(), heard) is differs


@pytest.mark.parametrize(
    ("state", "filled", "short"),
    [
        (State.FILLED, "48.50", False),
        (State.FILLED, "48.49", True),
        (State.OVER_FILLED, "48.49", True),
        (State.FILLED, None, False),
        (State.PARTIALLY_FILLED, "1", False),
    ],
)
def test_a_filled_payment_is_short_beyond_the_tolerance_of_three_percent(state, filled, short):
    row = payment(state, filled_usd=None if filled is None else Decimal(filled))
    assert ratchet.is_short(row, tolerance_percent=3) is short


def test_a_tolerance_with_a_fraction_is_exact():
    assert ratchet.least(Decimal("100.00"), 0.1) == Decimal("99.9")
    assert ratchet.least(Decimal("100.00"), 0) == Decimal(100)


@pytest.mark.parametrize(
    ("own", "top_ups", "child_state", "covered"),
    [
        ("20", "30", State.FILLED, True),
        ("20", "28.5", State.FILLED, True),
        ("20", "28.49", State.FILLED, False),
        ("20", "29.99", State.PARTIALLY_FILLED, False),
        ("20", "30", State.PARTIALLY_FILLED, True),
        ("50", "0", State.OPEN, False),
    ],
)
def test_top_ups_cover_the_amount_within_the_tolerance_once_one_of_them_is_filled(own, top_ups, child_state, covered):
    row = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(own), topped_up_usd=Decimal(top_ups))
    assert ratchet.is_covered(row, [payment(child_state)], tolerance_percent=3) is covered


@pytest.mark.parametrize(
    ("heard", "known"),
    [
        (report(on_chain=True), {"confirmations": 0, "confirmations_required": None}),
        (
            report(on_chain=True, confirmations=3, confirmations_required=12),
            {"confirmations": 3, "confirmations_required": 12},
        ),
        (report(confirmations=0), {"confirmations": None}),
        (report(), {}),
    ],
)
def test_confirmations_are_counted_from_nought_and_forgotten_when_the_money_has_vanished(heard, known):
    assert ratchet.description(heard) == known
