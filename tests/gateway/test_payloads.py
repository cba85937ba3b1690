"""Samples of every API version, and what an update says."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram.exceptions import PayramDataError
from django_payram.gateway import payloads
from django_payram.gateway.payloads import CreatedPayment, ErrorAnswer, OtherEvent, PaymentUpdate
from django_payram.models.states import State
from tests.gateway.payload_helpers import ADDRESS, OTHER, REFERENCE, S4, V8, WHO, update
from tests.samples import names, sample

TOP_UP = "0b5c7a52-6a39-4a0e-8d8a-5f2f3f9d0c77"


SNAKE = {"currency": "USDC", "deposit_address": ADDRESS}


STATUS = {
    "status/s1-open": update("OPEN", State.OPEN, **SNAKE, blockchain="ETH", filled_amount="0"),
    "status/s2-filled": update("FILLED", State.FILLED, **SNAKE),
    "status/s2-canceled": update("CANCELED", State.CANCELED, **SNAKE),
    "status/s3-open": update(
        "OPEN",
        State.OPEN,
        reference=REFERENCE,
        customer_id="order-1042",
        invoice_id=REFERENCE,
        requested_usd="49.99",
    ),
    "status/s3-short": update("OPEN", State.OPEN, **WHO, reference=REFERENCE, requested_usd="10"),
    "status/s4-confirming": update("OPEN", State.OPEN, **S4, confirmations=3),
    "status/s4-filled-usd": update(
        "FILLED", State.FILLED, **S4, confirmations=12, filled_usd="49.99", filled_amount="49.99"
    ),
    "status/s4-filled-coin": update(
        "FILLED", State.FILLED, **S4, confirmations=12, filled_usd="49.99", filled_amount="0.013512"
    ),
}


WEBHOOK = {
    "webhook/v1-filled": update("FILLED", State.FILLED, reference=REFERENCE, invoice_id="INV-1042"),
    "webhook/v2-filled": update(
        "FILLED",
        State.FILLED,
        reference=REFERENCE,
        invoice_id="INV-1042",
        currency="USDT",
        filled_amount="49.99",
    ),
    "webhook/v3-verifying": update(
        "VERIFYING",
        State.OPEN,
        **WHO,
        reference=REFERENCE,
        currency="USDT",
        filled_amount="49.99",
        filled_usd="49.99",
        on_chain=True,
    ),
    "webhook/v4-over-filled": update(
        "OVER_FILLED",
        State.OVER_FILLED,
        **WHO,
        reference=REFERENCE,
        currency="USDT",
        filled_amount="52",
        filled_usd="52",
    ),
    "webhook/v5-open": update(
        "OPEN", State.OPEN, **WHO, reference=REFERENCE, currency="BTC", filled_amount="18", filled_usd="18"
    ),
    "webhook/v6-partial": update(
        "PARTIALLY_FILLED",
        State.PARTIALLY_FILLED,
        reference=REFERENCE,
        deposit_address=ADDRESS,
        filled_amount="35",
        filled_usd="35",
    ),
    "webhook/v6-get": update("FILLED", State.FILLED, reference=REFERENCE),
    "webhook/v7-filled": update(
        "FILLED", State.FILLED, **WHO, reference=REFERENCE, requested_usd="49.99", filled_usd="49.99"
    ),
    "webhook/v7-undefined": update("UNDEFINED", None, reference=REFERENCE),
    "webhook/v8-open": update("OPEN", State.OPEN, **V8),
    "webhook/v8-confirming": update(
        "OPEN",
        State.OPEN,
        **{**V8, "currency": "ETH", "confirmations": 3, "confirmations_required": 12},
        on_chain=True,
    ),
    "webhook/v8-partial": update(
        "PARTIALLY_FILLED", State.PARTIALLY_FILLED, **V8, filled_amount="20", filled_usd="20", on_chain=True
    ),
    "webhook/v8-canceled": update("CANCELLED", State.CANCELED, **V8),
    "webhook/v8-top-up": update(
        "FILLED",
        State.FILLED,
        **{**V8, "reference": TOP_UP, "invoice_id": TOP_UP},
        filled_amount="29.99",
        filled_usd="29.99",
    ),
    "webhook/v8-signed": update("FILLED", State.FILLED, **V8, filled_amount="49.99", filled_usd="49.99", on_chain=True),
}


CREATED = {
    "create/legacy-pay-page": CreatedPayment(
        REFERENCE,
        f"https://pay.example.org/pay?reference_id={REFERENCE}"
        f"&status_url=https%3A%2F%2Fpay.example.org%3A8443%2Fapi%2Fv1%2Fpayment%2Fref%2F{REFERENCE}",
    ),
    "create/split-ports": CreatedPayment(
        REFERENCE,
        f"https://pay.example.org/payments?reference_id={REFERENCE}&host=https://pay.example.org:8443",
    ),
    "create/host-without-scheme": CreatedPayment("px_7f3a9c", "https://checkout.example.org/sess/px_7f3a9c"),
    "create/one-origin": CreatedPayment(REFERENCE, f"https://pay.example.org/payments?reference_id={REFERENCE}"),
    "create/localhost": CreatedPayment(REFERENCE, f"http://localhost/payments?reference_id={REFERENCE}"),
}


ERRORS = {
    "errors/200-code5": ErrorAnswer("Error occurred while creating the payment request.", "5"),
    "errors/400-nested": ErrorAnswer("The request is invalid.", "3"),
    "errors/400-flat": ErrorAnswer("The request is invalid. Amount should be greater than 0.", "3"),
    "errors/401-nested": ErrorAnswer("Unauthorised access!", "UNAUTHORIZED"),
    "errors/401-flat": ErrorAnswer("Unauthorized access", "1"),
    "errors/500-simple": ErrorAnswer("Failed to get payment request", ""),
    "errors/502-nested-details": ErrorAnswer("Error occurred while creating the payment request.", "5"),
    "errors/400-validation": ErrorAnswer("Some fields are not valid", ""),
    "errors/404-message": ErrorAnswer("Not found", ""),
    "errors/409-text-code": ErrorAnswer("Duplicate payout", "PAYOUT_DUPLICATE_REQUEST"),
}


REQUESTS = [name for name in names("create") if "request" in name]


NO_EVENTS = [name for name in names("other") if name not in OTHER]


# The samples


def test_every_sample_is_read_by_a_test():
    tables = {"status": STATUS, "webhook": WEBHOOK, "errors": ERRORS, "create": [*CREATED, *REQUESTS]}
    for kind, table in tables.items():
        assert sorted(table) == names(kind)
    assert len(REQUESTS) == 4
    assert len(NO_EVENTS) == 7


@pytest.mark.parametrize("name", STATUS)
def test_a_status_answer_of_every_api_version_is_read(name):
    assert payloads.read_status(sample(name)) == STATUS[name]


@pytest.mark.parametrize("name", WEBHOOK)
def test_a_webhook_of_every_api_version_is_read(name):
    assert payloads.read_webhook(sample(name)) == WEBHOOK[name]


@pytest.mark.parametrize("name", CREATED)
def test_an_answer_to_create_of_every_api_version_is_read(name):
    assert payloads.read_created(sample(name)) == CREATED[name]


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("read", [payloads.read_error, payloads.read_created, payloads.read_status])
def test_an_error_of_every_envelope_is_read(read, name):
    assert read(sample(name)) == ERRORS[name]


@pytest.mark.parametrize("name", OTHER)
def test_an_event_that_is_not_about_a_payment_is_named(name):
    assert payloads.read_webhook(sample(name)) == OTHER[name]


@pytest.mark.parametrize("name", NO_EVENTS)
def test_an_answer_to_another_question_is_no_webhook(name):
    reason = "is JSON but not an object" if name == "other/ticker" else "names no reference_id"
    with pytest.raises(PayramDataError, match=reason):
        payloads.read_webhook(sample(name))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_comes_back_is_no_answer_to_create(name):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer to the create call names no reference_id\.$"):
        payloads.read_created(sample(name))


EXPIRES = datetime(2026, 10, 20, 12, tzinfo=timezone(timedelta(hours=2)))


def test_the_create_call_speaks_as_the_samples_do():
    asked = payloads.create_fields(
        customer_email="buyer@example.org",
        customer_id="order-1042",
        amount_usd=Decimal("49.99"),
        invoice_id="INV-1042",
        expires_at=EXPIRES,
    )
    plain = json.loads(sample("create/request-2025-customer-id"))
    assert asked == {**plain, "invoiceID": "INV-1042", "expire": "2026-10-20T10:00:00Z"}
    full = json.loads(sample("create/request-2026-all-fields"))
    known = {name.lower(): value for name, value in full.items()}
    assert all(known[name.lower()] == value for name, value in asked.items())


@settings(deadline=None)
@given(st.decimals(min_value="0.01", max_value="9999999999999.99", places=2))
def test_the_amount_is_sent_as_a_number_that_reads_back_exactly(amount):
    asked = payloads.create_fields(customer_email="e", customer_id="c", amount_usd=amount, invoice_id="i")
    assert isinstance(asked["amountInUSD"], float)
    assert json.loads(json.dumps(asked), parse_float=Decimal)["amountInUSD"] == amount


# The values


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (CreatedPayment("r", "u"), "url"),
        (PaymentUpdate(), "word"),
        (OtherEvent("e"), "event_type"),
        (ErrorAnswer("m", "c"), "code"),
    ],
)
def test_what_was_read_cannot_be_changed(value, name):
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")


def test_an_update_says_nothing_unless_given():
    silent = {one.name: getattr(PaymentUpdate(), one.name) for one in fields(PaymentUpdate)}
    assert {name for name, value in silent.items() if value is None} == {
        "reference",
        "state",
        "requested_usd",
        "filled_usd",
        "webhook_usd",
        "filled_amount",
        "confirmations",
        "confirmations_required",
        "asked_at",
        "fields",
        "customer_id",
        "invoice_id",
    }
    assert {value for value in silent.values() if value is not None} == {"", False}


@pytest.mark.parametrize(
    ("on_chain", "confirmations", "required", "confirming"),
    [
        (True, 3, 12, True),
        (True, 11, 12, True),
        (True, 12, 12, False),
        (True, 13, 12, False),
        (True, None, 12, True),
        (True, 0, 1, True),
        (True, None, None, False),
        (True, 0, None, False),
        (True, 0, 0, False),
        (True, 1, None, False),
        (False, 3, 12, False),
        (False, None, None, False),
    ],
)
def test_money_is_confirming_until_it_has_the_confirmations_it_needs(on_chain, confirmations, required, confirming):
    update = PaymentUpdate(on_chain=on_chain, confirmations=confirmations, confirmations_required=required)
    assert update.confirming is confirming


@pytest.mark.parametrize(
    ("name", "confirming"),
    [
        ("status/s3-open", False),
        ("status/s4-confirming", True),
        ("status/s4-filled-coin", False),
        ("webhook/v3-verifying", False),
        ("webhook/v8-open", False),
        ("webhook/v8-confirming", True),
        ("webhook/v8-canceled", False),
    ],
)
def test_which_samples_are_confirming(name, confirming):
    assert {**STATUS, **WEBHOOK}[name].confirming is confirming
