"""When PayRam is asked again: the tables of the design, edge by edge."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_payram.schedule import RETRY, TIERS, next_check
from django_payram.states import State

SINCE = datetime(2026, 1, 1, tzinfo=timezone.utc)

MINUTE, HOUR, DAY = 60, 3600, 86400

LINK = [(30 * MINUTE, MINUTE), (DAY, 5 * MINUTE), (30 * DAY, HOUR), (180 * DAY, DAY)]
MONEY_MOVING = [(2 * HOUR, MINUTE), (DAY, 5 * MINUTE), (30 * DAY, HOUR), (180 * DAY, DAY)]
CANCELED = [(7 * DAY, HOUR), (180 * DAY, DAY)]
SETTLED = [(HOUR, HOUR)]

# Each state's tiers in seconds: until this age, every so often; then never.
EXPECTED = {
    State.CREATING: LINK,
    State.FAILED: [],
    State.OPEN: LINK,
    State.CANCELED: CANCELED,
    State.PARTIALLY_FILLED: MONEY_MOVING,
    State.FILLED: SETTLED,
    State.OVER_FILLED: SETTLED,
}


def wait(state, age, **options):
    """Seconds from now until the next check of a payment that has been in ``state`` for ``age`` seconds."""
    now = SINCE + timedelta(seconds=age)
    moment = next_check(state, since=SINCE, now=now, **options)
    return None if moment is None else (moment - now).total_seconds()


def edges(tiers):
    """(age, wait) at the start and the end of every tier, and after the last."""
    start = 0
    for until, interval in tiers:
        yield start, interval
        yield until - 1, interval
        start = until
    yield start, None
    yield start + 1000 * DAY, None


CASES = [(state, age, expected) for state, tiers in EXPECTED.items() for age, expected in edges(tiers)]


def test_every_state_has_its_tiers():
    assert set(TIERS) == set(EXPECTED) == set(State)


@pytest.mark.parametrize(("state", "age", "expected"), CASES)
def test_a_payment_is_asked_about_less_often_as_it_ages(state, age, expected):
    """F2, F28, F37."""
    assert wait(state, age) == expected


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("age", "expected"), [*edges(MONEY_MOVING)])
def test_a_confirming_payment_is_asked_about_as_money_that_moves(state, age, expected):
    assert wait(state, age, confirming=True) == expected


def test_a_clock_that_went_back_still_asks():
    assert wait(State.OPEN, -10 * DAY) == MINUTE


@pytest.mark.parametrize("state", State)
def test_every_payment_leaves_the_schedule_in_bounded_time(state):
    """F37: abandoned attempts do not stay pending for ever."""
    age, asked = 0, 0
    while (pause := wait(state, age)) is not None:
        age, asked = age + pause, asked + 1
    assert asked < 2000
    assert age <= 181 * DAY


@pytest.mark.parametrize("state", [State.CREATING, State.OPEN, State.PARTIALLY_FILLED, State.CANCELED])
def test_what_may_still_be_paid_is_asked_about_when_webhooks_have_long_ended(state):
    """F2, F28: PayRam repeats a webhook for about 87 hours."""
    assert wait(state, 60 * DAY) is not None


def test_a_failed_question_is_asked_again_after_five_minutes():
    assert timedelta(minutes=5) == RETRY


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        TIERS[State.OPEN] = ()
