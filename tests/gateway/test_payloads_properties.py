"""Any bytes, any values and any spelling: read, or refused as a data error."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram.exceptions import PayramDataError
from django_payram.gateway import fields, payloads
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models.states import State
from tests.gateway.payload_helpers import EXPLORER, REFERENCE, body

NAMES = sorted({spelling for spellings in fields.SPELLINGS.values() for spelling in spellings} | {"error", "message"})


SCALARS = (
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.integers()
    | st.floats()
    | st.sampled_from(["OPEN", "1e99", "-0", "USD", REFERENCE, 1e300, 10**60])
)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=3),
    max_leaves=5,
)


BODIES = st.binary() | st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda value: json.dumps(value).encode())


@settings(deadline=None)
@given(BODIES)
def test_bytes_are_read_or_are_a_data_error(content):
    """F12."""
    for read in (payloads.read_webhook, payloads.read_status, payloads.read_created):
        try:
            read(content)
        except PayramDataError:
            continue
    payloads.read_error(content)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_a_query_is_read_or_is_a_data_error(query):
    with suppress(PayramDataError):
        payloads.read_query(query)


MONEY = st.decimals(min_value=0, max_value=10**6, places=2)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


PAYMENTS = st.fixed_dictionaries(
    {
        "reference": st.uuids().map(str) | st.from_regex(r"px_[a-z0-9]{6}", fullmatch=True),
        "word": st.sampled_from([word for word in fields.STATES if word != "VERIFYING"]),
        "requested_usd": MONEY,
        "filled_usd": st.none() | MONEY,
        "filled_amount": st.none() | MONEY,
        "currency": st.sampled_from(["ETH", "USDC", "BTC", "TRX"]),
        "blockchain": st.sampled_from(["ETH", "BASE", "BTC", "TRX"]),
        "deposit_address": st.from_regex(r"0x[0-9a-f]{40}", fullmatch=True),
        "explorer_url": st.just("") | st.just(EXPLORER),
        "confirmations": st.integers(0, 64),
        "confirmations_required": st.integers(1, 64),
        "customer_id": TEXT,
        "invoice_id": TEXT,
    }
)


def text(value):
    return None if value is None else str(value)


def number(value):
    return None if value is None else float(value)


def same(value):
    return value


# api_version -> (reader, {spelling: (field of the payment, how it is written)}, what else it sends)
STATUS_IDS = {
    "referenceID": ("reference", same),
    "invoiceID": ("invoice_id", same),
    "customerID": ("customer_id", same),
}


WEBHOOK_IDS = {
    "reference_id": ("reference", same),
    "invoice_id": ("invoice_id", same),
    "status": ("word", same),
}


S1 = {
    "payment_state": ("word", same),
    "filled_amount": ("filled_amount", text),
    "filled_amount_in_usd": ("filled_usd", text),
    "currency_symbol": ("currency", same),
    "blockchain_symbol": ("blockchain", same),
    "deposit_address": ("deposit_address", same),
}


S3 = {
    **STATUS_IDS,
    "paymentState": ("word", same),
    "amountInUSD": ("requested_usd", text),
    "filledAmount": ("filled_amount", text),
    "filledAmountInUSD": ("filled_usd", text),
    "currencySymbol": ("currency", same),
    "blockchainSymbol": ("blockchain", same),
    "depositAddress": ("deposit_address", same),
    "explorerTransaction": ("explorer_url", same),
}


V2 = {**WEBHOOK_IDS, "currency": ("currency", same), "filled_amount": ("filled_amount", text)}


V4 = {**V2, "customer_id": ("customer_id", same), "filled_amount_in_usd": ("filled_usd", text)}


API_VERSIONS = {
    "S1": (payloads.read_status, S1, {"amount": "49.99", "created_at": "2025-04-02T09:15:00Z", "success_url": ""}),
    "S2": (
        payloads.read_status,
        {name: S1[name] for name in ("payment_state", "currency_symbol", "deposit_address")},
        {"amount": "49.99"},
    ),
    "S3": (payloads.read_status, S3, {"merchantName": "Example Shop", "currencyDecimals": 6, "externalPlatformID": 1}),
    "S4": (
        payloads.read_status,
        {
            **S3,
            "confirmationCurrent": ("confirmations", same),
            "confirmationRequired": ("confirmations_required", same),
        },
        {},
    ),
    "V1": (payloads.read_webhook, WEBHOOK_IDS, {}),
    "V2": (payloads.read_webhook, V2, {"amount": "49.99", "payment_info": {}}),
    "V3": (
        payloads.read_webhook,
        {**V2, "customer_id": ("customer_id", same), "filled_amount_usd": ("filled_usd", text)},
        {"amount": "49.99", "timestamp": "1708160000", "payment_info": {}},
    ),
    "V4": (payloads.read_webhook, V4, {"amount": "49.99", "timestamp": "1709110000", "payment_info": {}}),
    "V5": (
        payloads.read_webhook,
        {**V4, "filled_amount": ("filled_amount", number), "filled_amount_in_usd": ("filled_usd", number)},
        {"amount": "49.99", "timestamp": "1744100000"},
    ),
    "V6": (
        payloads.read_webhook,
        {
            "reference_id": ("reference", same),
            "payment_state": ("word", same),
            "deposit_address": ("deposit_address", same),
            "filled_amount": ("filled_amount", text),
            "filled_amount_in_usd": ("filled_usd", text),
        },
        {"amount": "49.99"},
    ),
    "V7": (
        payloads.read_webhook,
        {
            **WEBHOOK_IDS,
            "customer_id": ("customer_id", same),
            "amount": ("requested_usd", number),
            "filled_amount_in_usd": ("filled_usd", number),
        },
        {"currency": "USD", "customer_email": "buyer@example.org"},
    ),
    "V8": (
        payloads.read_webhook,
        {
            **V4,
            "confirmation_current": ("confirmations", same),
            "confirmation_required": ("confirmations_required", same),
        },
        {"amount": "49.99", "sponsored_amount": "0", "timestamp": 1789000000, "payment_info": []},
    ),
}


@pytest.mark.parametrize("api_version", API_VERSIONS)
@settings(deadline=None, max_examples=40)
@given(payment=PAYMENTS)
def test_one_payment_reads_the_same_in_every_api_version(api_version, payment):
    read, spelled, besides = API_VERSIONS[api_version]
    written = {spelling: write(payment[name]) for spelling, (name, write) in spelled.items()}
    said = {name: payment[name] for name, _write in spelled.values()}
    expected = PaymentUpdate(**said, state=fields.STATES[payment["word"]], on_chain="confirmations_required" in said)
    assert read(body(**besides, **written)) == expected


@settings(deadline=None)
@given(payment=PAYMENTS)
def test_a_webhook_as_a_query_string_reads_as_its_json(payment):
    _read, spelled, _besides = API_VERSIONS["V4"]
    written = {spelling: text(payment[name]) for spelling, (name, _write) in spelled.items()}
    query = {spelling: value for spelling, value in written.items() if value is not None}
    assert payloads.read_query(query) == payloads.read_webhook(body(**written))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"filledAmountInUSD": "20.0"}, {"filled_amount_in_usd": 20}),
        ({"paymentState": "CANCELLED"}, {"payment_state": "canceled"}),
        ({"payment_state": "FILLED"}, {"status": "success"}),
    ],
)
def test_one_meaning_under_two_spellings_is_no_contradiction(one, other):
    both = payloads.read_webhook(body(reference_id=REFERENCE, **one, **other))
    assert both == payloads.read_webhook(body(reference_id=REFERENCE, **one))


def test_the_status_counts_where_no_payment_state_is_given():
    assert payloads.read_webhook(body(reference_id=REFERENCE, status="FILLED")).state == State.FILLED
    assert payloads.read_status(body(status="FILLED")).state == State.FILLED


@pytest.mark.parametrize("field", ["currency", "blockchain_symbol", "deposit_address"])
@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "-2", "<b>x</b>", "a;b", "a\nb<", "`id`"])
def test_what_cannot_be_a_ticker_chain_or_address_is_dropped(field, text):
    """Such text computes in a spreadsheet or runs in a page."""
    read = payloads.read_webhook(body(reference_id="r", status="OPEN", **{field: text}))
    assert getattr(read, field.removesuffix("_symbol")) == ""
