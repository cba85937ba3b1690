"""Sums that only a webhook names: they are taken down, they pay nothing, and a contradiction makes a person look."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from django_payram.models import Review, State
from django_payram.payments import rules
from tests.payments.deciding import NOW, after, changed, decide, outcomes, payment, update

PARTIAL, FILLED = State.PARTIALLY_FILLED, State.FILLED


def completed_by(state, usd, **fields):
    """Return PayRam's answer without a sum, completed by that of the webhook which made us ask."""
    return update(state, webhook_usd=Decimal(usd), **fields)


def test_a_sum_that_comes_with_a_higher_state_is_taken_down_with_it():
    """F64."""
    decision = decide(payment(), completed_by(PARTIAL, 20))
    row = decision.group.payment
    assert (row.webhook_usd, row.filled_usd, row.received_usd, row.review) == (20, None, 0, "")
    assert (outcomes(decision), decision.notifications) == (["recorded"], ("payment_updated",))


def test_a_sum_alone_is_news_with_an_event_and_a_signal():
    row = payment(PARTIAL)
    decision = decide(row, completed_by(PARTIAL, 20))
    assert (decision.is_news, decision.group.payment.updated_at, decision.group.payment.webhook_usd) == (True, NOW, 20)
    assert (outcomes(decision), decision.notifications) == (["recorded"], ("payment_updated",))


@pytest.mark.parametrize("usd", ["20", "19.99", "0"])
def test_a_sum_that_is_not_higher_than_the_last_one_is_no_news(usd):
    row = payment(PARTIAL, webhook_usd=Decimal(20))
    decision = decide(row, completed_by(PARTIAL, usd))
    assert (decision.is_news, decision.group.payment.webhook_usd, outcomes(decision)) == (False, 20, [])
    assert changed(decision) == {row.pk: {"checked_at", "next_check_at"}}


def test_the_first_cents_are_taken_down_and_nothing_at_all_is_not():
    assert after(payment(PARTIAL), completed_by(PARTIAL, "0.01")).webhook_usd == Decimal("0.01")
    assert after(payment(PARTIAL), completed_by(PARTIAL, 0)).webhook_usd is None


def test_a_sum_beside_payrams_own_is_not_taken_down():
    assert after(payment(PARTIAL, filled_usd=Decimal(5)), completed_by(PARTIAL, 20)).webhook_usd is None


@pytest.mark.parametrize(
    ("state", "usd", "reviewed"),
    [
        (PARTIAL, "48.50", True),
        (PARTIAL, "48.49", False),
        (FILLED, "48.50", False),
        (FILLED, "48.49", True),
    ],
)
def test_a_sum_that_contradicts_the_state_is_unclear(state, usd, reviewed):
    """F64: the payment follows PayRam's state all the same."""
    row = after(payment(), completed_by(state, usd))
    assert (row.review, row.is_paid) == (Review.UNCLEAR if reviewed else "", state == FILLED)


def test_what_top_ups_have_brought_counts_beside_the_sum():
    topped_up = payment(PARTIAL, topped_up_usd=Decimal(30))
    assert after(topped_up, completed_by(PARTIAL, 20)).review == Review.UNCLEAR
    assert after(topped_up, completed_by(PARTIAL, 18)).review == ""


def test_a_contradicting_sum_of_a_top_up_is_reviewed_on_what_it_tops_up():
    parent = payment(PARTIAL)
    decision = decide(payment(PARTIAL, parent_id=parent.pk), completed_by(PARTIAL, 50), parent)
    assert (decision.group.root.review, decision.group.payment.review) == (Review.UNCLEAR, "")
    assert decision.notifications == ("payment_needs_review", "payment_updated")


# A webhook that is believed


def test_a_webhooks_own_sum_is_news_when_it_is_higher_than_all_that_is_known():
    known = payment(PARTIAL, filled_usd=None, webhook_usd=Decimal(20))
    said = update(PARTIAL, 20, asked_at=None)
    assert not rules.is_news(known, said), "it was noted before"
    assert rules.is_news(known, replace(said, filled_usd=Decimal("20.01")))
    assert rules.is_news(known, replace(said, asked_at=NOW)), "PayRam's own answer names it for the first time"
    assert not rules.is_news(payment(PARTIAL, filled_usd=Decimal(30), webhook_usd=Decimal(20)), update(PARTIAL, 25))


@pytest.mark.parametrize("asked_at", [None, NOW])
def test_the_first_cents_are_news(asked_at):
    assert rules.is_news(payment(PARTIAL), update(PARTIAL, "0.01", asked_at=asked_at))


# Money in a word that nobody knows


@pytest.mark.parametrize(
    ("said", "speaks"),
    [
        (update(None), False),
        (update(None, 0), False),
        (update(None, "0.01"), True),
        (update(None, filled_amount=Decimal("0.0001")), True),
        (update(None, filled_amount=Decimal(0)), False),
        (update(None, on_chain=True), True),
        (update(State.OPEN), False),
        (update(State.CANCELED), False),
        (update(PARTIAL), True),
        (update(FILLED), True),
        (update(State.OVER_FILLED), True),
    ],
)
def test_an_update_has_money_in_it_by_its_sums_its_state_or_the_chain(said, speaks):
    assert rules.has_money(said) is speaks


def test_an_unknown_word_with_money_is_unclear_once():
    """F66."""
    said = replace(update(None, 50), word="PAID")
    first = decide(payment(), said)
    assert [(event.outcome.value, event.note) for event in first.events] == [
        ("unknown_state", "PAID"),
        ("review", "unclear"),
    ]
    assert (first.group.payment.is_paid, first.notifications) == (False, ("payment_needs_review",))
    assert outcomes(decide(first.group.payment, said)) == []


def test_an_unknown_word_about_a_top_up_is_noted_there_and_reviewed_on_what_it_tops_up():
    parent = payment(PARTIAL)
    decision = decide(payment(parent_id=parent.pk), replace(update(None, 5), word="PAID"), parent)
    assert (decision.group.payment.unknown_words, decision.group.root.unknown_words) == (["PAID"], [])
    assert (decision.group.payment.review, decision.group.root.review) == ("", Review.UNCLEAR)


# What completes an answer


def test_a_hint_without_money_on_the_chain_adds_no_confirmations():
    answer = update()
    assert rules.completed(answer, update(confirmations=5, confirmations_required=6)) == answer
