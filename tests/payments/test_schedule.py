"""When PayRam is asked again: the tables of the design, edge by edge."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_payram.models import Payment, State
from django_payram.payments.schedule import LONGEST_INTERVAL, RETRY, TIERS, next_check

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


def payment(state, *, confirming=False, checks=10_000):
    """A payment that has been in that state since then, and been asked about often enough to leave the schedule."""
    if confirming:
        return Payment(state=State.OPEN, created_at=SINCE, updated_at=SINCE, confirmations=1, checks=checks)
    return Payment(state=state, created_at=SINCE, updated_at=SINCE, checks=checks)


def wait(state, age, **options):
    """Seconds from now until the next check of a payment that has been in ``state`` for ``age`` seconds."""
    now = SINCE + timedelta(seconds=age)
    moment = next_check(payment(state, **options), now=now)
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


@pytest.mark.parametrize(("age", "expected"), [*edges(MONEY_MOVING)])
def test_a_confirming_payment_is_asked_about_as_money_that_moves(age, expected):
    assert wait(State.OPEN, age, confirming=True) == expected


def test_the_age_counts_from_what_ended_last():
    """F28: a link is followed for its time from when it was paid or closed, not from when it was made."""
    now = SINCE + timedelta(days=30)
    dead = Payment(state=State.CANCELED, created_at=SINCE, updated_at=SINCE, closed_at=now)
    assert next_check(dead, now=now) == now + timedelta(hours=1)
    paid = Payment(state=State.PARTIALLY_FILLED, created_at=SINCE, updated_at=SINCE, closed_at=SINCE, paid_at=now)
    assert next_check(paid, now=now) == now + timedelta(hours=1)
    paid.checks = 2
    assert next_check(paid, now=now + timedelta(hours=1)) is None


def test_a_clock_that_went_back_still_asks():
    """F68: rarely, since the payment has been asked about often enough; it may look so for years."""
    assert wait(State.OPEN, -10 * DAY) == DAY


@pytest.mark.parametrize(("state", "first"), [(State.OPEN, MINUTE), (State.CANCELED, HOUR), (State.FILLED, HOUR)])
@pytest.mark.parametrize("age", [-3650 * DAY, 200 * DAY, 3650 * DAY])
def test_a_payment_that_was_hardly_asked_about_is_young_whatever_its_clock_said(state, first, age):
    """F68: a link made with a clock that was 200 days behind."""
    assert wait(state, age, checks=1) == first


@pytest.mark.parametrize("state", [State.OPEN, State.PARTIALLY_FILLED, State.CANCELED])
@pytest.mark.parametrize("age", [-3650 * DAY, 200 * DAY])
def test_each_tier_lasts_for_a_number_of_checks_where_ages_mean_nothing(state, age):
    """F37, F68."""
    pauses = [wait(state, age, checks=checks) for checks in range(300)]
    assert pauses == sorted(pauses, key=lambda pause: pause or 1000 * DAY)
    assert {pause for pause in pauses if pause} == {interval for _until, interval in EXPECTED[state]}


@pytest.mark.parametrize("state", State)
def test_every_payment_leaves_the_schedule_in_bounded_time(state):
    """F37: abandoned attempts do not stay pending for ever."""
    age, asked = 0, 0
    while (pause := wait(state, age, checks=asked)) is not None:
        age, asked = age + pause, asked + 1
    assert asked < 2000
    assert age <= 181 * DAY


@pytest.mark.parametrize("state", [State.CREATING, State.OPEN, State.PARTIALLY_FILLED, State.CANCELED])
def test_what_may_still_be_paid_is_asked_about_when_webhooks_have_long_ended(state):
    """F2, F28: PayRam repeats a webhook for about 87 hours."""
    assert wait(state, 60 * DAY) is not None


@pytest.mark.parametrize("state", [state for state, tiers in EXPECTED.items() if tiers])
def test_no_clock_ends_a_schedule_by_itself(state):
    """F68: one process whose clock is years ahead sees every payment as old."""
    pause = wait(state, 3650 * DAY, checks=1)
    assert pause is not None
    assert timedelta(seconds=pause) < LONGEST_INTERVAL


def test_a_failed_question_is_asked_again_after_five_minutes():
    assert timedelta(minutes=5) == RETRY


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        TIERS[State.OPEN] = ()
