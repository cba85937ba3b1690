"""Asking for a payment: the link, and what PayRam's answer means."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from django_payram.exceptions import (
    PayramDataError,
    PayramRefused,
    PayramUnavailable,
)
from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type
from django_payram.models.states import State
from django_payram.payments import open_payment
from django_payram.testing import running_payram
from tests.payments.helpers import PaysBeforeAnswering, creates, pay_for
from tests.servers import raw_server
from tests.shop.models import Order, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db


def test_a_payment_comes_back_saved_with_a_link(payram, order, listener):
    """F27."""
    payment = pay_for(order, metadata={"cart": 7})
    payment.refresh_from_db()
    assert (payment.state, payment.notified_state) == (State.OPEN, State.OPEN)
    assert payment.url.startswith(payram.sandbox.url)
    assert payment.order == order
    assert (payment.order_type_id, payment.order_id) == (content_type(order).pk, str(order.pk))
    assert payment.customer_id == f"shop.order-{order.pk}-{payment.token.hex[:12]}"
    assert payment.customer_email == "buyer@example.org"
    assert payment.amount_usd == Decimal("49.99")
    assert payment.metadata == {"cart": 7}
    assert payment.project == "default"
    assert payment.next_check_at is not None
    assert [event.outcome for event in payment.events.all()] == [Outcome.CREATED]
    assert listener.names == [], "the caller knows that a link was opened"


def test_payram_is_sent_amount_customer_and_our_token(payram, order):
    payment = pay_for(order)
    known = payram.sandbox.payment(payment.reference)
    assert known.amount_usd == Decimal("49.99")
    assert known.customer_id == payment.customer_id
    assert known.customer_email == "buyer@example.org"
    assert known.invoice_id == str(payment.token)


@pytest.mark.parametrize("make", [Order, UuidOrder, lambda: SlugOrder(pk="2026/A-1")])
def test_orders_may_have_int_uuid_and_str_keys(payram, make):
    order = make()
    order.save()
    payment = pay_for(order)
    assert Payment.objects.for_order(order).get() == payment
    assert Payment.objects.get(pk=payment.pk).order == order
    assert pay_for(order) == payment


def test_a_payment_needs_no_order(payram):
    payment = open_payment(amount=5, email="buyer@example.org")
    assert payment.order is None
    assert payment.customer_id == f"payment-{payment.token}"
    named = open_payment(amount="5.50", email="buyer@example.org", customer_id="kim")
    assert (named.customer_id, named.amount_usd) == ("kim", Decimal("5.50"))


def test_the_prefix_separates_staging_from_production(payram, order, settings):
    """F26."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CUSTOMER_ID_PREFIX": "staging-"}}
    assert pay_for(order).customer_id.startswith(f"staging-shop.order-{order.pk}-")
    assert open_payment(amount=1, email="a@example.org").customer_id.startswith("staging-payment-")


# What PayRam's answer means


@pytest.mark.parametrize(
    ("kind", "error", "state"),
    [
        ("unauthorized", PayramRefused, State.FAILED),
        ("code5", PayramUnavailable, State.FAILED),
        ("conflict", PayramUnavailable, State.FAILED),
        ("throttled", PayramUnavailable, State.FAILED),
        ("broken", PayramUnavailable, State.CREATING),
        ("gateway", PayramUnavailable, State.CREATING),
        ("html", PayramUnavailable, State.CREATING),
        ("redirect", PayramUnavailable, State.CREATING),
        ("not_json", PayramDataError, State.CREATING),
        ("cut_body", PayramUnavailable, State.CREATING),
        ("foreign_url", PayramDataError, State.CREATING),
    ],
)
def test_an_outcome_is_definite_or_unknown(payram, order, kind, error, state):
    payram.sandbox.inject_fault(None, kind)
    with pytest.raises(error) as caught:
        pay_for(order)
    payment = Payment.objects.get()
    assert payment.state == state
    assert payment.live_slot is None
    assert payment.url == ""
    assert len(creates(payram)) == 1, "the create call is never repeated"
    event = payment.events.get()
    assert event.outcome == (Outcome.REFUSED if state == State.FAILED else Outcome.UNKNOWN)
    assert event.error == str(caught.value)
    assert event.source == Source.CHECKOUT


def test_the_next_try_after_a_failure_makes_a_new_payment_of_the_same_customer(payram, order):
    """F20."""
    payram.sandbox.inject_fault(None, "broken", times=1)
    with pytest.raises(PayramUnavailable):
        pay_for(order)
    payment = pay_for(order)
    assert payment.url
    assert set(Payment.objects.values_list("customer_id", flat=True)) == {payment.customer_id}


def test_a_refused_connection_is_definite(order, settings):
    settings.PAYRAM = {"default": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "x" * 32}}
    with pytest.raises(PayramUnavailable) as caught:
        pay_for(order)
    assert caught.value.definite
    assert Payment.objects.get().state == State.FAILED


def test_silence_behind_a_proxy_is_not_taken_for_no_payment(order, settings, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    project = {"BASE_URL": "http://pay.example.org", "ALLOW_HTTP": True, "API_KEY": "x" * 32, "TIMEOUT": (2, 0.3)}
    settings.PAYRAM = {"default": project}
    with raw_server(lambda _: proxy.closing.wait(5)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(PayramUnavailable) as caught:
            pay_for(order)
        assert len(proxy.requests) == 1
    assert not caught.value.definite
    assert Payment.objects.get().state == State.CREATING


def test_a_payment_whose_page_was_refused_keeps_its_reference_and_is_watched(payram, order):
    payram.sandbox.inject_fault(None, "foreign_url")
    with pytest.raises(PayramDataError, match="CHECKOUT_HOSTS"):
        pay_for(order)
    payment = Payment.objects.get()
    assert payment.reference
    assert payment.next_check_at is not None


def test_a_webhook_that_overtakes_the_answer_is_matched_when_the_reference_is_saved(order, listener):
    """F3."""
    with running_payram(api_version="2025-11") as payram:
        client = PaysBeforeAnswering(payram, order)
        payment = pay_for(order, client=client)
        assert client.early.state == State.CREATING
    assert payment.is_paid
    assert PaymentEvent.objects.filter(payment=None).count() == 0
    assert payment.events.filter(outcome=Outcome.UNMATCHED, payment=payment).exists()
    assert listener.names.count("payment_paid") == 1


def test_catching_up_with_an_early_webhook_may_fail_without_losing_the_link(payram, order):
    client = PaysBeforeAnswering(payram, order)
    client.fetch = _unavailable
    payment = pay_for(order, client=client)
    assert payment.url
    assert payment.state == State.OPEN


def _unavailable(reference, **options):
    raise PayramUnavailable("down")


def test_no_key_is_logged_while_a_payment_is_opened(payram, order, caplog, settings):
    """F42."""
    key = settings.PAYRAM["default"]["API_KEY"]
    with caplog.at_level(logging.DEBUG):
        pay_for(order)
    assert key not in caplog.text
