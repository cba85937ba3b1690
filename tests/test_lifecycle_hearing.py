"""What a webhook leads to."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram import conf, lifecycle
from django_payram.exceptions import PayramRefused, PayramUnavailable
from django_payram.lifecycle import Heard, hear, open_payment
from django_payram.models import Outcome, Payment, PaymentEvent, Source
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory
from django_payram.wire import Report

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def say(payment_or_reference, state=None, usd=None, **fields):
    reference = getattr(payment_or_reference, "reference", payment_or_reference)
    report = Report(
        reference=reference,
        word=str(state or "UNDEFINED"),
        state=state,
        filled_usd=None if usd is None else Decimal(usd),
        **fields,
    )
    return hear(report, project=conf.project(), payload='{"x": 1}')


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


def test_a_webhook_is_a_hint_and_payrams_answer_is_recorded(payram, payment):
    """F50, F53: what is claimed moves nothing."""
    assert say(payment, State.FILLED, "49.99") == Heard.NO_NEWS
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert asked(payram) == 1
    payram.sandbox.pay(payment.reference)
    assert say(payment, State.FILLED, "1") == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.filled_usd == Decimal("49.99")
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, '{"x": 1}')


def test_a_delivery_without_news_costs_one_select(payram, payment, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert say(payment, State.OPEN) == Heard.NO_NEWS
    assert asked(payram) == 0


def test_a_webhook_that_cannot_be_confirmed_is_an_error_and_is_asked_about_soon(payram, payment):
    Payment.objects.update(next_check_at=timezone.now() + timedelta(days=1))
    payram.sandbox.misbehave(None, "broken")
    with pytest.raises(PayramUnavailable):
        say(payment, State.FILLED)
    payment.refresh_from_db()
    assert payment.next_check_at <= timezone.now()
    assert payment.state == State.OPEN


def test_an_unknown_reference_is_kept_once_and_not_asked_about(payram, django_assert_num_queries):
    """F11."""
    for _ in range(3):
        assert say("no-such", State.FILLED) == Heard.UNMATCHED
    event = PaymentEvent.objects.get()
    assert (event.payment, event.reference, event.outcome, event.project) == (
        None,
        "no-such",
        Outcome.UNMATCHED,
        "default",
    )
    assert event.payload == '{"x": 1}'
    assert event.note == "FILLED"
    assert asked(payram) == 0
    say("no-such", State.OVER_FILLED)
    assert PaymentEvent.objects.count() == 2


def test_a_reference_of_another_project_is_unknown(payram, payment):
    """F48."""
    Payment.objects.update(project="other")
    assert say(payment, State.FILLED) == Heard.UNMATCHED


def test_an_unreadable_state_makes_us_ask_once_a_minute_at_most(payram, payment):
    say(payment)
    assert asked(payram) == 1
    say(payment)
    assert asked(payram) == 1
    Payment.objects.update(checked_at=timezone.now() - timedelta(seconds=61))
    say(payment)
    assert asked(payram) == 2


def test_the_invoice_id_completes_a_payment_whose_create_answer_was_lost(payram, order):
    payram.sandbox.misbehave(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost = Payment.objects.get()
    known = payram.sandbox.payments()[0]
    assert say(known.reference, State.OPEN, invoice_id=str(lost.token)) == Heard.RECORDED
    lost.refresh_from_db()
    assert (lost.reference, lost.state) == (known.reference, State.OPEN)


def test_an_invoice_id_of_a_payment_with_a_reference_changes_nothing(payram, payment):
    assert say("other", State.OPEN, invoice_id=str(payment.token)) == Heard.UNMATCHED


def test_pending_receivers_are_told_by_a_repeated_webhook(payram, payment, listener):
    """F6."""
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    assert say(payment, State.FILLED) == Heard.RECEIVER_FAILED
    assert say(payment, State.FILLED) == Heard.RECEIVER_FAILED
    listener.fail_on = set()
    assert say(payment, State.FILLED) == Heard.NO_NEWS
    assert listener.names.count("payment_paid") == 1


# CONFIRM_WEBHOOKS off


@pytest.fixture
def trusting(settings, payram):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}


@pytest.mark.usefixtures("trusting")
def test_a_checkable_payload_is_trusted_without_asking(payram):
    payment = PaymentFactory()
    assert say(payment, State.FILLED, "49.99") == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.is_paid
    assert asked(payram) == 0


@pytest.mark.usefixtures("trusting")
def test_a_requested_amount_in_usd_makes_a_payload_checkable(payram):
    payment = PaymentFactory()
    assert say(payment, State.FILLED, requested_usd=Decimal("10.00")) == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.is_held


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fields", [{}, {"usd": "49.99", "customer_id": "somebody else"}])
def test_a_payload_that_cannot_be_checked_is_confirmed(payram, payment, fields):
    assert say(payment, State.FILLED, **fields) == Heard.NO_NEWS
    assert asked(payram) == 1


# Unreadable webhooks


def test_an_unreadable_webhook_is_kept_once_without_keys(settings):
    key = settings.PAYRAM["default"]["API_KEY"]
    for _ in range(2):
        lifecycle.keep_unreadable(project=conf.project(), payload=f"[{key}]", error="not an object")
    event = PaymentEvent.objects.get()
    assert (event.outcome, event.payload, event.error) == (Outcome.UNREADABLE, "[[key]]", "not an object")


def test_payrams_401_for_a_reference_is_an_error_and_never_dead(payram, payment):
    payram.sandbox.misbehave(payment.reference, "unauthorized")
    with pytest.raises(PayramRefused):
        say(payment, State.CANCELED)
    payment.refresh_from_db()
    assert payment.state == State.OPEN
