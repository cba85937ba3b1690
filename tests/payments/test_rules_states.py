"""What PayRam says of one payment: states and sums only rise, and news is distinguished from repetition."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, Review, State
from django_payram.payments import rules, schedule
from tests.payments.deciding import (
    EARLIER,
    LATER,
    NOW,
    Options,
    after,
    changed,
    confirming,
    decide,
    outcomes,
    payment,
    update,
)

FILLED = {State.FILLED, State.OVER_FILLED}


@pytest.mark.parametrize(("before", "said"), [*product(State, repeat=2)])
def test_a_state_rises_only_to_a_later_one(before, said):
    """F7: the rank never falls."""
    order = list(State)
    row = decide(payment(before), update(said)).group.payment
    assert row.state == max(before, said, key=order.index)


def test_the_rows_that_were_decided_from_stay_as_they_were():
    row = payment()
    decision = decide(row, update(State.FILLED, 50))
    assert (row.state, row.paid_at, row.reviews_raised, row.undelivered) == (State.OPEN, None, [], [])
    assert decision.group.payment is not row


def test_a_decision_names_the_fields_that_change_and_no_others():
    row = payment()
    decision = decide(row, update(State.FILLED, 50, currency="USDC"))
    assert changed(decision) == {
        row.pk: {
            *("state", "filled_usd", "currency", "paid_at", "closed_at", "live_slot", "updated_at", "checked_at"),
            *("next_check_at", "notified_state"),
        }
    }
    assert changed(decide(row, replace(update(), asked_at=None))) == {row.pk: {"next_check_at"}}


def test_a_filled_payment_is_paid_and_its_receivers_are_sent_that_and_the_news():
    decision = decide(payment(), update(State.FILLED, 50))
    assert decision.notifications == ("payment_paid", "payment_updated")
    assert outcomes(decision) == ["recorded", "paid"]
    assert [(event.state_before, event.state_after) for event in decision.events] == [
        (State.OPEN, State.FILLED),
        (State.FILLED, State.FILLED),
    ]
    row = decision.group.payment
    assert (row.paid_at, row.closed_at, row.updated_at, row.checked_at) == (NOW, NOW, NOW, NOW)
    assert (row.live_slot, row.notified_state, decision.is_news) == (None, State.FILLED, True)


def test_a_webhook_that_is_trusted_does_not_count_as_asking():
    assert after(payment(), update(State.FILLED, 50, asked_at=None)).checked_at is None


# What a state stands for


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (update(State.CANCELED, 5), State.PARTIALLY_FILLED),
        (update(State.CANCELED, filled_amount=Decimal("0.1")), State.PARTIALLY_FILLED),
        (update(State.CANCELED, 0), State.CANCELED),
        (update(State.CANCELED), State.CANCELED),
        (update(State.OPEN, 5), State.OPEN),
        (update(None), None),
    ],
)
def test_a_cancellation_with_money_is_a_closed_partial_payment(said, state):
    assert rules.reported_state(said) == state


@pytest.mark.parametrize(
    ("said", "closes"),
    [
        (update(State.CANCELED), True),
        (update(State.CANCELED, **confirming()), False),
        (update(State.CANCELED, **confirming(confirmations=3)), True),
        (update(State.FILLED), True),
        (update(State.OVER_FILLED), True),
        (update(State.PARTIALLY_FILLED), False),
        (update(State.OPEN), False),
    ],
)
def test_a_link_is_closed_by_cancellation_and_by_filling(said, closes):
    assert rules.closes(said) is closes
    row = after(payment(), said)
    assert (row.closed_at is not None, row.live_slot is None) == (closes, closes)


def test_a_link_is_closed_once():
    assert after(payment(closed_at=EARLIER), update(State.CANCELED)).closed_at == EARLIER


# News


@pytest.mark.parametrize(
    ("row", "said", "news"),
    [
        (payment(), update(), False),
        (payment(), update(State.CANCELED), True),
        (payment(), update(State.PARTIALLY_FILLED, 1), True),
        (payment(), update(None), False),
        (payment(), update(None, 1), False),
        (payment(), update(usd=0), False),
        (payment(), update(usd=1), True),
        (payment(State.PARTIALLY_FILLED, filled_usd=2), update(State.PARTIALLY_FILLED, 2), False),
        (payment(State.PARTIALLY_FILLED, filled_usd=2), update(State.PARTIALLY_FILLED, 3), True),
        (payment(State.PARTIALLY_FILLED, filled_usd=2), update(State.PARTIALLY_FILLED, 1), False),
        (payment(), update(**confirming()), True),
        (payment(confirmations=0), update(**confirming(confirmations=5)), False),
        (payment(State.CANCELED), update(**confirming()), False),
        (payment(State.PARTIALLY_FILLED), update(State.PARTIALLY_FILLED, **confirming()), False),
        (payment(State.PARTIALLY_FILLED), update(State.CANCELED), True),
        (payment(State.PARTIALLY_FILLED, closed_at=NOW), update(State.CANCELED), False),
        (payment(State.CANCELED), update(State.CANCELED, **confirming()), True),
        (payment(State.FILLED, filled_usd=40), update(State.FILLED, 50), True),
        (payment(State.FILLED, filled_usd=40), update(State.OVER_FILLED, 60), True),
        (payment(State.FILLED, filled_usd=40), update(State.PARTIALLY_FILLED, 45), False),
        (payment(State.FILLED, closed_at=NOW), update(State.CANCELED, 45), False),
    ],
)
def test_news_is_a_higher_state_more_money_its_first_sight_or_an_end(row, said, news):
    assert rules.is_news(row, said) is news


def test_news_begins_the_count_of_checks_anew_and_a_repetition_does_not():
    row = after(payment(checks=7), update())
    assert (row.updated_at, row.checked_at, row.checks) == (EARLIER, NOW, 7)
    row = after(row, update(State.PARTIALLY_FILLED, 1))
    assert (row.updated_at, row.checks) == (NOW, 0)


def test_confirmations_that_count_up_are_recorded_and_are_no_news():
    """F34."""
    seen = decide(payment(), update(**confirming()))
    assert (seen.is_news, seen.notifications, outcomes(seen)) == (True, ("payment_updated",), ["recorded"])
    row = seen.group.payment
    assert (row.is_confirming, row.is_paid) == (True, False)
    more = decide(row, update(**confirming(confirmations=2)))
    assert (more.is_news, more.notifications, more.group.payment.confirmations) == (False, (), 2)


def test_confirmations_are_forgotten_when_a_server_that_counts_sees_none():
    """F35."""
    row = payment(confirmations=2, confirmations_required=3)
    assert after(row, update(confirmations=0)).confirmations is None
    assert after(row, update()).confirmations == 2, "a server that counts none says nothing"
    assert after(row, update(State.PARTIALLY_FILLED, confirmations=0)).confirmations == 2


def test_confirmations_without_a_number_count_from_nought():
    row = after(payment(), update(on_chain=True))
    assert (row.confirmations, row.confirmations_required) == (0, None)


def test_an_unknown_word_is_logged_once_and_changes_nothing_else():
    said = PaymentUpdate(word="DISPUTED", asked_at=NOW)
    first = decide(payment(), said)
    assert (outcomes(first), first.events[0].note, first.is_news) == (["unknown_state"], "DISPUTED", False)
    row = first.group.payment
    assert (row.state, row.checked_at, row.unknown_words) == (State.OPEN, NOW, ["DISPUTED"])
    assert outcomes(decide(row, said)) == []
    assert after(row, replace(said, word="ON_HOLD")).unknown_words == ["DISPUTED", "ON_HOLD"]


# What describes a payment


def test_only_an_answer_that_is_not_behind_describes_the_payment():
    known = {"currency": "USDC", "blockchain": "ETH", "deposit_address": "0x2", "explorer_url": "https://x/"}
    row = after(payment(), update(State.FILLED, 50, filled_amount=Decimal(7), **known))
    assert {name: getattr(row, name) for name in known} == known
    assert row.filled_amount == 7
    behind = after(row, update(currency="BTC", blockchain="BTC", deposit_address="b", explorer_url="https://y/"))
    assert {name: getattr(behind, name) for name in known} == known
    silent = after(row, update(State.FILLED, 50))
    assert {name: getattr(silent, name) for name in known} == known


def test_a_sum_counts_with_the_state_it_came_with():
    """What was said before PayRam called the payment filled does not count any more."""
    filled_without_a_sum = after(payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20)), update(State.FILLED))
    assert (filled_without_a_sum.filled_usd, filled_without_a_sum.received_usd) == (None, 50)
    assert after(payment(State.FILLED, filled_usd=Decimal(40)), update(State.PARTIALLY_FILLED, 45)).filled_usd == 40


# When PayRam is asked again


def test_the_next_check_follows_from_the_schedule():
    row = after(payment(created_at=NOW), update())
    assert row.next_check_at == schedule.next_check(row, now=NOW) == NOW + timedelta(minutes=1)
    assert after(payment(), update(State.FILLED, 50)).next_check_at == NOW + timedelta(hours=1)


# Repetitions


def test_a_repetition_would_change_nothing_but_the_times_of_checks():
    row = payment(currency="USDC", created_at=NOW)
    said = update(currency="USDC", requested_usd=Decimal(50))
    assert rules.is_repetition(row, said, NOW, Options())
    assert not rules.is_repetition(row, replace(said, currency="BTC"), NOW, Options())
    assert not rules.is_repetition(row, update(State.CANCELED), NOW, Options())
    assert not rules.is_repetition(row, replace(said, requested_usd=Decimal(1)), NOW, Options())


@pytest.mark.parametrize(
    "fields",
    [
        {"state": State.FILLED},
        {"paid_at": EARLIER},
        {"undelivered": ["payment_paid"]},
        {"reviews_raised": ["late"]},
        {"parent_id": 1},
        {"topped_up_usd": Decimal("0.01")},
        {"created_at": NOW - timedelta(days=181), "checks": 300},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_other_rows_have_a_say_in_is_no_repetition(fields):
    row = payment(**{"created_at": NOW, **fields})
    assert not rules.is_repetition(row, update(row.state), NOW, Options())


def test_an_old_word_that_is_known_to_be_unknown_is_a_repetition():
    row = payment(created_at=NOW, unknown_words=["DISPUTED"])
    assert rules.is_repetition(row, PaymentUpdate(word="DISPUTED", asked_at=NOW), NOW, Options())


# A webhook completes the answer that it made us ask for


def sums(answer, hint):
    known = rules.completed(answer, hint)
    return known.filled_usd, known.webhook_usd


def test_a_webhooks_sum_stands_beside_an_answer_in_the_same_state_that_names_none():
    """F64."""
    hint = update(State.PARTIALLY_FILLED, 35)
    assert sums(update(State.PARTIALLY_FILLED), hint) == (None, 35)
    assert sums(update(State.OPEN), hint) == (None, None)
    assert sums(update(None), update(None, 35)) == (None, None)
    assert sums(update(State.PARTIALLY_FILLED, 1), hint) == (1, None)


def test_a_webhook_fills_in_the_confirmations_that_an_answer_in_the_same_state_lacks():
    hint = update(**confirming(confirmations=2))
    known = rules.completed(update(), hint)
    assert (known.on_chain, known.confirmations, known.confirmations_required) == (True, 2, 3)
    own = update(confirmations=0, confirmations_required=0)
    assert rules.completed(own, hint) == own
    assert not rules.completed(update(State.FILLED), hint).on_chain


# Regressions


@pytest.mark.parametrize(
    ("row", "said", "falls"),
    [
        (payment(State.FILLED), update(State.OPEN), True),
        (payment(State.FILLED), update(State.CANCELED), True),
        (payment(State.OVER_FILLED), update(State.FILLED), True),
        (payment(State.FILLED), update(State.FILLED), False),
        (payment(State.FILLED), update(State.OVER_FILLED), False),
        (payment(State.CANCELED), update(State.OPEN), False),
        (payment(State.OPEN), update(State.OPEN), False),
        (payment(State.PARTIALLY_FILLED), update(State.CANCELED), False),
        (payment(State.PARTIALLY_FILLED), update(State.OPEN), True),
        (payment(State.FILLED, filled_usd=Decimal(50)), update(State.FILLED, 49), True),
        (payment(State.FILLED, filled_usd=Decimal(50)), update(State.FILLED, 50), False),
        (payment(State.FILLED), update(State.FILLED, 50), False),
        (payment(State.FILLED), update(State.OPEN, asked_at=EARLIER - timedelta(seconds=1)), False),
        (payment(State.FILLED), update(State.OPEN, asked_at=EARLIER), True),
        (payment(State.FILLED), update(State.OPEN, asked_at=None), False),
        (payment(State.FILLED, updated_at=NOW), update(State.OPEN, asked_at=EARLIER), False),
        (payment(State.FILLED, updated_at=LATER), update(State.OPEN), True),
        (payment(State.PARTIALLY_FILLED), update(State.PARTIALLY_FILLED, "0.01"), False),
        (payment(State.OPEN, filled_usd=Decimal(5)), update(State.OPEN, 3), False),
    ],
)
def test_an_answer_that_takes_money_back_is_flagged_and_unpays_nothing(row, said, falls):
    """F35."""
    row.paid_at = EARLIER if row.is_filled else None
    decided = after(row, said)
    assert (Review.REGRESSION in decided.reviews_raised) is falls
    assert (decided.paid_at, decided.state) == (row.paid_at, max(row.state, said.state, key=list(State).index))


# Any order


UPDATES = st.builds(
    lambda state, usd, seen: update(
        state, usd, requested_usd=Decimal(50), asked_at=None, **(confirming() if seen else {})
    ),
    st.sampled_from(State),
    st.none() | st.sampled_from([Decimal(0), Decimal(10), Decimal(50), Decimal(60)]),
    st.booleans(),
)


def outcome_of(updates):
    row = after(payment(), *updates)
    return row.state, row.is_paid, row.closed_at is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(UPDATES, max_size=4), st.data())
def test_any_order_and_repetition_of_updates_ends_in_the_same_state(updates, data):
    """F5, F7, F53: a function of the set of updates."""
    ended = outcome_of(updates)
    repeated = data.draw(st.permutations(updates + updates[:2]))
    assert outcome_of(repeated)[0] == ended[0]
    assert outcome_of([*updates, *updates]) == ended


def test_updates_in_any_order_ends_paid_once():
    story = [
        update(asked_at=None),
        update(State.PARTIALLY_FILLED, 20, asked_at=None),
        update(State.FILLED, 50, asked_at=None),
    ]
    for known in permutations(story):
        row, sent = payment(), []
        for said in known:
            decision = decide(row, said)
            row, sent = decision.group.payment, [*sent, *decision.notifications]
        assert (row.state, row.filled_usd, row.is_paid, sent.count("payment_paid")) == (State.FILLED, 50, True, 1)


def test_a_payment_of_no_order_has_a_group_of_its_own():
    row = payment()
    assert rules.Group(row, (row,)).root is row
    child = Payment(pk=10**6, parent_id=row.pk)
    assert rules.Group(child, (row, child)).root is row
    assert LATER > NOW
