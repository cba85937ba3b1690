"""Sums that only a webhook names, and words that nobody can read: they make a person look, and pay nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from django_payram.models import Outcome, PaymentEvent, Review, State
from django_payram.payments import open_payment, refresh
from django_payram.sandbox import api_versions
from django_payram.testing.payram import running_payram
from tests.payments.helpers import asked, outcomes, send_webhook

pytestmark = pytest.mark.django_db


# Sums that only a webhook names


def without_sums(payment, _project, word):
    """Answer as the servers of 2025 do: the state, and no sum."""
    return {
        "invoiceID": payment.invoice_id,
        "customerID": payment.customer_id,
        "amountInUSD": str(payment.amount_usd),
        "paymentState": word,
        "merchantName": "Example Shop",
        "referenceID": payment.reference,
    }


@pytest.fixture
def old_payram(monkeypatch):
    """A server whose answers give no sums, and whose webhooks are switched off."""
    version = replace(api_versions.API_VERSIONS["2025-11"], status=without_sums)
    monkeypatch.setitem(api_versions.API_VERSIONS, "2025-11", version)
    with running_payram(api_version="2025-11") as payram:
        payram.sandbox.webhooks = False
        yield payram


@pytest.fixture
def payment(old_payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def test_a_webhooks_sum_is_shown_and_not_counted(old_payram, payment):
    """F64."""
    old_payram.sandbox.pay(payment.reference, 20)
    send_webhook(payment, State.PARTIALLY_FILLED, 20)
    payment.refresh_from_db()
    assert (payment.state, payment.filled_usd, payment.received_usd) == (State.PARTIALLY_FILLED, None, 0)
    assert (payment.webhook_usd, payment.review) == (20, "")


def test_a_webhooks_sum_is_asked_about_once(old_payram, payment):
    old_payram.sandbox.pay(payment.reference, 20)
    for _ in range(3):
        send_webhook(payment, State.PARTIALLY_FILLED, 20)
    assert asked(old_payram) == 1
    send_webhook(payment, State.PARTIALLY_FILLED, 30)
    assert asked(old_payram) == 2
    payment.refresh_from_db()
    assert (payment.webhook_usd, outcomes(payment)) == (30, ["created", "recorded", "recorded"])


@pytest.mark.parametrize("usd", ["48.50", "49.98", "49.99", "5000"])
def test_a_webhook_that_names_the_whole_sum_of_a_partly_paid_payment_is_reviewed(old_payram, payment, usd):
    """F64: whoever knows a key can write a webhook."""
    old_payram.sandbox.pay(payment.reference, 1)
    send_webhook(payment, State.PARTIALLY_FILLED, usd)
    payment.refresh_from_db()
    assert (payment.is_paid, payment.received_usd, payment.review) == (False, 0, Review.UNCLEAR)


def test_a_webhook_with_too_small_a_sum_holds_nothing_that_payram_calls_filled(old_payram, payment, order):
    """F64."""
    old_payram.sandbox.pay(payment.reference)
    send_webhook(payment, State.FILLED, "0.01")
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.received_usd, payment.review, order.status) == (Decimal("49.99"), Review.UNCLEAR, "paid")


def test_a_webhook_with_the_right_sum_of_a_filled_payment_is_no_reason_to_look(old_payram, payment):
    old_payram.sandbox.pay(payment.reference)
    send_webhook(payment, State.FILLED, "49.99")
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review) == (True, "")


def test_a_webhooks_sum_of_a_top_up_does_not_pay(old_payram, payment, order):
    """F64: of 49.99 two dollars have come, in two parts."""
    old_payram.sandbox.pay(payment.reference, 1)
    send_webhook(payment, State.PARTIALLY_FILLED)
    child = old_payram.sandbox.top_up(payment.reference, 1)
    entries = old_payram.sandbox._ledger.payments
    entries[child] = replace(entries[child], amount_usd=Decimal("48.99"), state="PARTIALLY_FILLED")
    for usd in (None, "49.99"):
        send_webhook(child, State.PARTIALLY_FILLED, usd, customer_id=payment.customer_id)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.received_usd, payment.review, order.status) == (0, Review.UNCLEAR, "new")


# Words that nobody knows


@pytest.fixture
def say(monkeypatch):
    """Let PayRam use a word of its own for every state."""
    words = []

    def say(*said):
        words[:] = said

    real = api_versions.ApiVersion.word
    monkeypatch.setattr(
        api_versions.ApiVersion,
        "word",
        lambda version, payment: (words.pop(0) if len(words) > 1 else words[0]) if words else real(version, payment),
    )
    return say


def test_a_new_word_with_money_in_it_is_reviewed_once(payram, order, say, listener):
    """F66: a server that calls FILLED something else must not leave the order unpaid for ever, unseen."""
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.webhooks = False
    payram.sandbox.pay(payment.reference)
    say("PAID")
    for _ in range(3):
        refresh(payment)
    assert (payment.state, payment.is_paid, payment.review) == (State.OPEN, False, Review.UNCLEAR)
    assert listener.names == ["payment_needs_review"]
    assert outcomes(payment) == ["created", Outcome.UNKNOWN_STATE, Outcome.REVIEW]


def test_a_new_word_without_money_is_one_event(payram, order, say):
    payment = open_payment(order, amount=order.total, email=order.email)
    say("WAITING_FOR_GODOT")
    for _ in range(3):
        refresh(payment)
    assert (payment.review, outcomes(payment)) == ("", ["created", "unknown_state"])


def test_any_number_of_new_words_makes_a_bounded_number_of_events(payram, order, say):
    payment = open_payment(order, amount=order.total, email=order.email)
    say(*(f"WORD-{number}" for number in range(40)))
    for _ in range(40):
        refresh(payment)
    assert PaymentEvent.objects.filter(payment=payment, outcome=Outcome.UNKNOWN_STATE).count() == 10
