"""Every vintage of PayRam's JSON reads as the same frozen values; what is not PayRam's is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram import wire
from django_payram.exceptions import PayramDataError
from django_payram.states import State
from django_payram.wire import Created, Failure, OtherEvent, Report
from tests.samples import names, sample

REFERENCE = "6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11"
TOP_UP = "0b5c7a52-6a39-4a0e-8d8a-5f2f3f9d0c77"
ADDRESS = "0x2222222222222222222222222222222222222222"
EXPLORER = "https://etherscan.example/tx/0xaaaa"


def body(**given):
    return json.dumps(given).encode()


def webhook(**given):
    return wire.read_webhook(body(reference_id=REFERENCE, **given))


def report(word, state, **told):
    """A report as the samples have it: numbers as text, and nothing that is not named."""
    for name in ("requested_usd", "filled_usd", "filled_amount"):
        if name in told:
            told[name] = Decimal(told[name])
    return Report(word=word, state=state, **told)


# --- the samples ---------------------------------------------------------------------------

WHO = {"customer_id": "order-1042", "invoice_id": "INV-1042"}
SNAKE = {"currency": "USDC", "deposit_address": ADDRESS}
S4 = {
    **WHO,
    "reference": REFERENCE,
    "requested_usd": "49.99",
    "currency": "ETH",
    "blockchain": "ETH",
    "deposit_address": ADDRESS,
    "explorer_url": EXPLORER,
    "confirmations_required": 12,
    "on_chain": True,
}
V8 = {**WHO, "reference": REFERENCE, "currency": "USDC", "confirmations": 0, "confirmations_required": 0}

STATUS = {
    "status/s1-open": report("OPEN", State.OPEN, **SNAKE, blockchain="ETH", filled_amount="0"),
    "status/s2-filled": report("FILLED", State.FILLED, **SNAKE),
    "status/s2-canceled": report("CANCELED", State.CANCELED, **SNAKE),
    "status/s3-open": report(
        "OPEN",
        State.OPEN,
        reference=REFERENCE,
        customer_id="order-1042",
        invoice_id=REFERENCE,
        requested_usd="49.99",
    ),
    "status/s3-short": report("OPEN", State.OPEN, **WHO, reference=REFERENCE, requested_usd="10"),
    "status/s4-confirming": report("OPEN", State.OPEN, **S4, confirmations=3),
    "status/s4-filled-usd": report(
        "FILLED", State.FILLED, **S4, confirmations=12, filled_usd="49.99", filled_amount="49.99"
    ),
    "status/s4-filled-coin": report(
        "FILLED", State.FILLED, **S4, confirmations=12, filled_usd="49.99", filled_amount="0.013512"
    ),
}

WEBHOOK = {
    "webhook/v1-filled": report("FILLED", State.FILLED, reference=REFERENCE, invoice_id="INV-1042"),
    "webhook/v2-filled": report(
        "FILLED",
        State.FILLED,
        reference=REFERENCE,
        invoice_id="INV-1042",
        currency="USDT",
        filled_amount="49.99",
    ),
    "webhook/v3-verifying": report(
        "VERIFYING",
        State.OPEN,
        **WHO,
        reference=REFERENCE,
        currency="USDT",
        filled_amount="49.99",
        filled_usd="49.99",
        on_chain=True,
    ),
    "webhook/v4-over-filled": report(
        "OVER_FILLED",
        State.OVER_FILLED,
        **WHO,
        reference=REFERENCE,
        currency="USDT",
        filled_amount="52",
        filled_usd="52",
    ),
    "webhook/v5-open": report(
        "OPEN", State.OPEN, **WHO, reference=REFERENCE, currency="BTC", filled_amount="18", filled_usd="18"
    ),
    "webhook/v6-partial": report(
        "PARTIALLY_FILLED",
        State.PARTIALLY_FILLED,
        reference=REFERENCE,
        deposit_address=ADDRESS,
        filled_amount="35",
        filled_usd="35",
    ),
    "webhook/v6-get": report("FILLED", State.FILLED, reference=REFERENCE),
    "webhook/v7-filled": report(
        "FILLED", State.FILLED, **WHO, reference=REFERENCE, requested_usd="49.99", filled_usd="49.99"
    ),
    "webhook/v7-undefined": report("UNDEFINED", None, reference=REFERENCE),
    "webhook/v8-open": report("OPEN", State.OPEN, **V8),
    "webhook/v8-confirming": report(
        "OPEN",
        State.OPEN,
        **{**V8, "currency": "ETH", "confirmations": 3, "confirmations_required": 12},
        on_chain=True,
    ),
    "webhook/v8-partial": report(
        "PARTIALLY_FILLED", State.PARTIALLY_FILLED, **V8, filled_amount="20", filled_usd="20", on_chain=True
    ),
    "webhook/v8-canceled": report("CANCELLED", State.CANCELED, **V8),
    "webhook/v8-top-up": report(
        "FILLED",
        State.FILLED,
        **{**V8, "reference": TOP_UP, "invoice_id": TOP_UP},
        filled_amount="29.99",
        filled_usd="29.99",
    ),
    "webhook/v8-signed": report("FILLED", State.FILLED, **V8, filled_amount="49.99", filled_usd="49.99", on_chain=True),
}

CREATED = {
    "create/legacy-pay-page": Created(
        REFERENCE,
        f"https://pay.example.org/pay?reference_id={REFERENCE}"
        f"&status_url=https%3A%2F%2Fpay.example.org%3A8443%2Fapi%2Fv1%2Fpayment%2Fref%2F{REFERENCE}",
    ),
    "create/split-ports": Created(
        REFERENCE,
        f"https://pay.example.org/payments?reference_id={REFERENCE}&host=https://pay.example.org:8443",
    ),
    "create/host-without-scheme": Created("px_7f3a9c", "https://checkout.example.org/sess/px_7f3a9c"),
    "create/one-origin": Created(REFERENCE, f"https://pay.example.org/payments?reference_id={REFERENCE}"),
    "create/localhost": Created(REFERENCE, f"http://localhost/payments?reference_id={REFERENCE}"),
}

ERRORS = {
    "errors/200-code5": Failure("Error occurred while creating the payment request.", "5"),
    "errors/400-nested": Failure("The request is invalid.", "3"),
    "errors/400-flat": Failure("The request is invalid. Amount should be greater than 0.", "3"),
    "errors/401-nested": Failure("Unauthorised access!", "UNAUTHORIZED"),
    "errors/401-flat": Failure("Unauthorized access", "1"),
    "errors/500-simple": Failure("Failed to get payment request", ""),
    "errors/502-nested-details": Failure("Error occurred while creating the payment request.", "5"),
    "errors/400-validation": Failure("Some fields are not valid", ""),
    "errors/404-message": Failure("Not found", ""),
    "errors/409-text-code": Failure("Duplicate payout", "PAYOUT_DUPLICATE_REQUEST"),
}

OTHER = {
    "other/ping": OtherEvent("payout.ping"),
    "other/payout-pending-approval": OtherEvent("payout.pending-approval"),
    "other/payout-failed": OtherEvent("payout.failed"),
}

REQUESTS = [name for name in names("create") if "request" in name]
NO_EVENTS = [name for name in names("other") if name not in OTHER]


def test_every_sample_is_read_by_a_test():
    tables = {"status": STATUS, "webhook": WEBHOOK, "errors": ERRORS, "create": [*CREATED, *REQUESTS]}
    for kind, table in tables.items():
        assert sorted(table) == names(kind)
    assert len(REQUESTS) == 4
    assert len(NO_EVENTS) == 7


@pytest.mark.parametrize("name", STATUS)
def test_a_status_answer_of_every_vintage_is_read(name):
    assert wire.read_status(sample(name)) == STATUS[name]


@pytest.mark.parametrize("name", WEBHOOK)
def test_a_webhook_of_every_vintage_is_read(name):
    assert wire.read_webhook(sample(name)) == WEBHOOK[name]


@pytest.mark.parametrize("name", CREATED)
def test_an_answer_to_create_of_every_vintage_is_read(name):
    assert wire.read_created(sample(name)) == CREATED[name]


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("read", [wire.read_failure, wire.read_created, wire.read_status])
def test_an_error_of_every_envelope_is_read(read, name):
    assert read(sample(name)) == ERRORS[name]


@pytest.mark.parametrize("name", OTHER)
def test_an_event_that_is_not_about_a_payment_is_named(name):
    assert wire.read_webhook(sample(name)) == OTHER[name]


@pytest.mark.parametrize("name", NO_EVENTS)
def test_an_answer_to_another_question_is_no_webhook(name):
    reason = "is JSON but not an object" if name == "other/ticker" else "names no reference_id"
    with pytest.raises(PayramDataError, match=reason):
        wire.read_webhook(sample(name))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_comes_back_is_no_answer_to_create(name):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer to the create call names no reference_id\.$"):
        wire.read_created(sample(name))


def test_the_create_call_speaks_as_the_samples_do():
    asked = wire.create_fields(
        customer_email="buyer@example.org",
        customer_id="order-1042",
        amount_usd=Decimal("49.99"),
        invoice_id="INV-1042",
    )
    plain = json.loads(sample("create/request-2025-customer-id"))
    assert asked == {**plain, "invoiceID": "INV-1042"}
    full = json.loads(sample("create/request-2026-all-fields"))
    known = {name.lower(): value for name, value in full.items()}
    assert all(known[name.lower()] == value for name, value in asked.items())


@settings(deadline=None)
@given(st.decimals(min_value="0.01", max_value="9999999999999.99", places=2))
def test_the_amount_is_sent_as_a_number_that_reads_back_exactly(amount):
    asked = wire.create_fields(customer_email="e", customer_id="c", amount_usd=amount, invoice_id="i")
    assert isinstance(asked["amountInUSD"], float)
    assert json.loads(json.dumps(asked), parse_float=Decimal)["amountInUSD"] == amount


# --- the values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name"),
    [(Created("r", "u"), "url"), (Report(), "word"), (OtherEvent("e"), "event_type"), (Failure("m", "c"), "code")],
)
def test_what_was_read_cannot_be_changed(value, name):
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")


def test_a_report_says_nothing_unless_told():
    silent = {one.name: getattr(Report(), one.name) for one in fields(Report)}
    assert {name for name, value in silent.items() if value is None} == {
        "reference",
        "state",
        "requested_usd",
        "filled_usd",
        "filled_amount",
        "confirmations",
        "confirmations_required",
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
    told = Report(on_chain=on_chain, confirmations=confirmations, confirmations_required=required)
    assert told.confirming is confirming


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
def test_the_samples_that_confirm_are_seen_to(name, confirming):
    assert {**STATUS, **WEBHOOK}[name].confirming is confirming


# --- words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("OPEN", State.OPEN),
        ("VERIFYING", State.OPEN),
        ("PARTIALLY_FILLED", State.PARTIALLY_FILLED),
        ("FILLED", State.FILLED),
        ("OVER_FILLED", State.OVER_FILLED),
        ("CANCELLED", State.CANCELED),
        ("CANCELED", State.CANCELED),
        ("UNDEFINED", None),
        ("PENDING", None),
        ("PAID", None),
        ("CLOSED", None),
        ("FAILED", None),
        ("CREATING", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("written", [str, str.lower, lambda word: f" {word.title()} "])
def test_a_word_is_kept_and_means_a_state_only_if_it_is_known(word, state, written):
    told = webhook(status=written(word))
    assert (told.word, told.state) == (word, state)


def test_a_webhook_without_a_word_is_read_as_one_that_says_nothing():
    assert webhook() == Report(reference=REFERENCE)


@pytest.mark.parametrize("spelling", ["status", "payment_state"])
def test_a_word_is_cut_at_64_characters(spelling):
    assert webhook(**{spelling: "A" * 64}).word == "A" * 64
    assert webhook(**{spelling: "A" * 65}).word == "A" * 64


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("reference", "reference_id referenceId referenceID"),
        ("word", "paymentState payment_state"),
        ("requested_usd", "amountInUSD amount_in_usd"),
        ("filled_usd", "filledAmountInUSD filled_amount_in_usd filled_amount_usd"),
        ("filled_amount", "filledAmount filled_amount"),
        ("currency", "currencySymbol currency_symbol currency"),
        ("blockchain", "blockchainSymbol blockchain_symbol"),
        ("deposit_address", "depositAddress deposit_address"),
        ("explorer_url", "explorerTransaction explorer_transaction"),
        ("confirmations", "confirmationCurrent confirmation_current"),
        ("confirmations_required", "confirmationRequired confirmation_required"),
        ("customer_id", "customerID customerId customer_id"),
        ("invoice_id", "invoiceID invoiceId invoice_id"),
    ],
)
def test_every_spelling_of_a_field_is_read_and_two_that_disagree_are_refused(name, given):
    spellings = given.split()
    numeric = {"requested_usd", "filled_usd", "filled_amount", "confirmations", "confirmations_required"}
    one, other = (5, 6) if name in numeric else ("https://one", "https://other")
    if name in {"reference", "word"}:
        one, other = "ONE", "OTHER"
    base = {} if name == "reference" else {"reference_id": REFERENCE}
    for spelling in spellings:
        told = wire.read_webhook(body(**{**base, spelling: one}))
        assert getattr(told, name) == one
        silent = {other_spelling: None for other_spelling in spellings if other_spelling != spelling}
        assert wire.read_webhook(body(**{**base, **silent, spelling: one})) == told
    assert wire.read_webhook(body(**base, **dict.fromkeys(spellings, one))) == told
    for spelling in spellings[1:]:
        with pytest.raises(PayramDataError, match="with different values") as caught:
            wire.read_webhook(body(**{**base, spellings[0]: one, spelling: other}))
        assert all(each in str(caught.value) for each in spellings)


def test_the_refusal_of_two_spellings_names_them():
    with pytest.raises(PayramDataError) as caught:
        webhook(filledAmount=1, filled_amount=2)
    assert str(caught.value) == "The body gives filledAmount and filled_amount with different values."


@pytest.mark.parametrize("given", ["event_type", "eventType"])
def test_an_event_is_known_by_either_spelling(given):
    assert wire.read_webhook(body(**{given: "payout.x"})) == OtherEvent("payout.x")


def test_an_event_with_a_reference_is_about_a_payment():
    assert webhook(event_type="payment.x", status="OPEN") == Report(reference=REFERENCE, word="OPEN", state=State.OPEN)


def test_the_name_of_an_event_is_cut_at_100_characters():
    assert wire.read_webhook(body(event_type="e" * 101)) == OtherEvent("e" * 100)


# --- references ----------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["a", "px_7f3a9c", REFERENCE, "A-_9", "x" * 128])
def test_a_reference_has_letters_digits_hyphens_and_underscores(reference):
    assert wire.read_webhook(body(reference_id=reference)).reference == reference


@pytest.mark.parametrize("reference", ["", "x" * 129, "a/b", "a b", "a\n", "ä", "../x", "a?b", 5, True, [], {"a": 1}])
def test_anything_else_is_no_reference(reference):
    words = r"^The reference_id is not one of PayRam's: up to 128 letters, digits, hyphens and underscores\.$"
    for read in (wire.read_webhook, wire.read_created, wire.read_status):
        with pytest.raises(PayramDataError, match=words):
            read(body(reference_id=reference, payment_state="OPEN", url="https://pay.example.org"))


# --- text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written", "limit"),
    [
        ("currency", "currency", 32),
        ("blockchain", "blockchain_symbol", 32),
        ("deposit_address", "deposit_address", 255),
        ("customer_id", "customer_id", 255),
        ("invoice_id", "invoice_id", 255),
    ],
)
def test_text_is_cut_to_what_the_database_holds(name, written, limit):
    assert getattr(webhook(**{written: "x" * limit}), name) == "x" * limit
    assert getattr(webhook(**{written: "x" * (limit + 1)}), name) == "x" * limit


def test_characters_that_no_database_keeps_are_dropped():
    assert webhook(customer_id="a\x00b\nc\x1fd\x7fe\ud800f\udfffg h").customer_id == "abcdefg h"


def test_printable_neighbours_of_the_dropped_characters_stay():
    assert webhook(customer_id=" ~\x80\ud7ff\ue000").customer_id == " ~\x80\ud7ff\ue000"


def test_a_number_where_text_belongs_is_read_as_its_digits():
    told = webhook(customer_id=1042, invoice_id=12.5)
    assert (told.customer_id, told.invoice_id) == ("1042", "12.5")


def test_ids_that_are_empty_are_unknown():
    told = webhook(customer_id="", invoice_id="\x00")
    assert (told.customer_id, told.invoice_id) == (None, None)


@pytest.mark.parametrize("value", [True, False, [], ["a"], {}, {"a": 1}])
def test_a_list_an_object_or_a_flag_is_not_text(value):
    with pytest.raises(PayramDataError, match=r"^The field customer_id is not text\.$"):
        webhook(customer_id=value)


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        (EXPLORER, EXPLORER),
        ("http://explorer.example/x", "http://explorer.example/x"),
        ("", ""),
        ("javascript:alert(1)", ""),
        ("ftp://explorer.example", ""),
        ("//explorer.example", ""),
        (" https://explorer.example", ""),
        ("https:explorer", ""),
        ("https://" + "x" * 492, "https://" + "x" * 492),
        ("https://" + "x" * 493, ""),
    ],
)
def test_only_a_whole_web_address_becomes_a_link(link, kept):
    assert webhook(explorer_transaction=link).explorer_url == kept


# --- numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [49.99, "49.99", "49.990", "4999e-2", "4.999E+1"])
def test_a_sum_is_read_from_number_or_text(written):
    assert webhook(filled_amount_in_usd=written).filled_usd == Decimal("49.99")


@pytest.mark.parametrize("written", [None, ""])
def test_null_and_blank_mean_unknown_and_zero_means_zero(written):
    assert webhook(filled_amount_in_usd=written).filled_usd is None
    assert webhook(filled_amount_in_usd=0).filled_usd == 0
    assert webhook(filled_amount_in_usd="0").filled_usd == 0


@pytest.mark.parametrize(
    "written",
    [
        "abc",
        " 5",
        "5 ",
        "+5",
        "1,000.00",
        "0x10",
        "NaN",
        "Infinity",
        "sNaN",
        "1_000",
        ".5",
        "5.",
        "1e100",
        "1" * 41,
        "0." + "1" * 41,
        "5\n",
        "\u0664\u0669",
        "\uff15",
        True,
        False,
        [],
        {},
    ],
)
@pytest.mark.parametrize("name", ["filled_amount", "filled_amount_usd", "amount_in_usd", "confirmation_current"])
def test_what_is_not_plainly_a_number_is_refused(name, written):
    """F33."""
    with pytest.raises(PayramDataError, match=f"^The field {name} is not a number\\.$"):
        webhook(**{name: written})


@pytest.mark.parametrize("written", [-1, "-0.01", "-1e-40"])
@pytest.mark.parametrize("name", ["filled_amount", "filled_amount_usd", "amount_in_usd", "confirmation_current"])
def test_a_negative_number_is_refused(name, written):
    """F33."""
    with pytest.raises(PayramDataError, match=f"^The field {name} is negative\\.$"):
        webhook(**{name: written})


def test_the_longest_numbers_that_are_read():
    assert webhook(filled_amount="0" * 39 + "5." + "0" * 40 + "e+00").filled_amount == 5
    assert webhook(filled_amount="1e-99").filled_amount == 0
    assert webhook(filled_amount="-0").filled_amount == 0


@pytest.mark.parametrize(
    ("name", "limit"), [("filled_amount_usd", 10**15), ("amount_in_usd", 10**15), ("filled_amount", 10**18)]
)
def test_an_amount_that_no_column_holds_is_refused(name, limit):
    field = {"filled_amount_usd": "filled_usd", "amount_in_usd": "requested_usd"}.get(name, name)
    assert getattr(webhook(**{name: limit - 1}), field) == limit - 1
    for written in (limit, f"{limit}.01", "1e90"):
        with pytest.raises(PayramDataError, match=f"^The field {name} is too large to be an amount\\.$"):
            webhook(**{name: written})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("49.99", "49.99000000"),
        ("0.123456789", "0.12345678"),
        ("0.999999999", "0.99999999"),
        ("12345678.12345678", "12345678.12345670"),
        ("999999999999999.9", "999999999999999.00000000"),
        ("12345678901234.99", "12345678901234.90000000"),
        ("0.000000009", "0E-8"),
    ],
)
def test_dollars_have_15_digits_and_8_places_rounded_down(written, read):
    assert str(webhook(filled_amount_in_usd=written).filled_usd) == read
    assert str(webhook(amount_in_usd=written).requested_usd) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.013512", "0.013512000000000000"),
        ("0.1234567890123456789", "0.123456789012345678"),
        ("123456789012345678.1234567890123456789", "123456789012345678.123456789012345678"),
        ("999999999999999999.9999999999999999999", "999999999999999999.999999999999999999"),
        ("0.0000000000000000009", "0E-18"),
    ],
)
def test_coins_have_18_places_rounded_down(written, read):
    assert str(webhook(filled_amount=written).filled_amount) == read


@pytest.mark.parametrize(("written", "read"), [(0, 0), (12, 12), ("7", 7), (3.0, 3), ("1e3", 1000), (1_000_000, 10**6)])
def test_a_count_is_a_whole_number(written, read):
    told = webhook(confirmation_current=written, confirmation_required=written)
    assert (told.confirmations, told.confirmations_required) == (read, read)
    assert type(told.confirmations) is int


@pytest.mark.parametrize("written", [0.5, "11.999", 1_000_001, "1e9", "1e99"])
@pytest.mark.parametrize("name", ["confirmation_current", "confirmation_required"])
def test_anything_else_is_no_count(name, written):
    with pytest.raises(PayramDataError, match=f"^The field {name} is not a count\\.$"):
        webhook(**{name: written})


# --- units ---------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", ["USD", "usd", "Usd"])
def test_amounts_in_usd_are_dollars_and_no_coin(currency):
    told = webhook(currency=currency, amount="49.99", filled_amount="20")
    assert (told.requested_usd, told.filled_usd) == (Decimal("49.99"), Decimal(20))
    assert (told.filled_amount, told.currency) == (Decimal(20), "")


@pytest.mark.parametrize("currency", ["USDC", "USDT", "ETH", None, "US"])
def test_amounts_of_another_unit_are_never_dollars(currency):
    """F32: an amount whose unit is not sure cannot be compared with ours."""
    told = webhook(currency=currency, amount="49.99", filled_amount="20")
    assert (told.requested_usd, told.filled_usd) == (None, None)
    assert (told.filled_amount, told.currency) == (Decimal(20), currency or "")


def test_a_sum_that_is_named_in_dollars_counts_before_one_that_is_only_labelled():
    told = webhook(currency="USD", amount="1", amount_in_usd="2", filled_amount="3", filled_amount_in_usd="0")
    assert (told.requested_usd, told.filled_usd, told.filled_amount) == (2, 0, 3)


def test_an_amount_without_use_is_not_even_read():
    assert webhook(currency="ETH", amount="?").requested_usd is None


# --- what is on the chain ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "on_chain"),
    [
        ({}, False),
        ({"confirmation_current": 0, "confirmation_required": 0}, False),
        ({"confirmation_current": 1}, True),
        ({"confirmation_required": 12}, True),
        ({"status": "VERIFYING"}, True),
        ({"status": "verifying"}, True),
        ({"status": "OPEN"}, False),
        ({"payment_info": []}, False),
        ({"payment_info": {}}, False),
        ({"payment_info": None}, False),
        ({"payment_info": [{"transaction_hash": "0xaaaa"}]}, True),
        ({"payment_info": {"transaction_hash": "0xaaaa"}}, True),
        ({"paymentInfo": [{"transaction_hash": "0xaaaa"}]}, True),
    ],
)
def test_money_is_on_the_chain_when_a_transaction_or_confirmations_are_named(given, on_chain):
    assert webhook(**given).on_chain is on_chain


# --- bodies that are not PayRam's ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The body is not JSON: Expecting value at character 0."),
        (b"<html></html>", "The body is not JSON: Expecting value at character 0."),
        (b"\xff", "The body is not UTF-8 text."),
        (b"[]", "The body is JSON but not an object."),
        (b"null", "The body is JSON but not an object."),
        (b'"text"', "The body is JSON but not an object."),
        (b'{"amount": NaN}', "The body holds NaN, which is not a number."),
        (b"[" * 40, "The body is nested deeper than 32."),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_the_reason(content, reason):
    """F12: any body is readable or refused."""
    for read in (wire.read_webhook, wire.read_created, wire.read_status):
        with pytest.raises(PayramDataError) as caught:
            read(content)
        assert str(caught.value) == reason
    assert wire.read_failure(content) == Failure("", "")


@pytest.mark.parametrize("given", [{}, {"status": "FILLED"}, {"reference_id": None}, {"event_type": ""}])
def test_a_webhook_that_names_no_payment_is_refused(given):
    with pytest.raises(PayramDataError, match=r"^The webhook names no reference_id\.$"):
        wire.read_webhook(body(**given))


@pytest.mark.parametrize("given", [{}, {"paymentState": None}, {"paymentState": 5}, {"referenceID": REFERENCE}])
def test_an_answer_without_a_state_is_refused(given):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer names no payment state\.$"):
        wire.read_status(body(**given))


def test_an_error_whose_status_is_a_number_is_read_as_an_error():
    assert wire.read_status(body(status=401, message="no")) == Failure("no", "")


@pytest.mark.parametrize("url", [None, "", "\n"])
def test_a_created_payment_without_a_page_is_refused_and_its_reference_kept(url):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer to the create call has no url\.$") as caught:
        wire.read_created(body(reference_id=REFERENCE, url=url))
    assert caught.value.reference == REFERENCE


def test_the_address_of_the_page_is_cut_at_2000_characters():
    url = "https://pay.example.org/" + "x" * 1976
    assert wire.read_created(body(reference_id="r", url=url)) == Created("r", url)
    assert wire.read_created(body(reference_id="r", url=url + "x")) == Created("r", url)


def test_a_created_payment_with_a_message_is_no_error():
    told = wire.read_created(body(reference_id="r", url="https://p", message="Created", code=0))
    assert told == Created("r", "https://p")


# --- error envelopes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "failure"),
    [
        ({}, Failure("", "")),
        ({"detail": "Not found."}, Failure("Not found.", "")),
        ({"message": "one", "error": "two", "detail": "three"}, Failure("one", "")),
        ({"error": "two", "detail": "three"}, Failure("two", "")),
        ({"code": 0}, Failure("", "0")),
        ({"code": "BUSY"}, Failure("", "BUSY")),
        ({"code": True, "message": ["no"]}, Failure("", "")),
        ({"message": None, "error": "two"}, Failure("two", "")),
        ({"message": 5}, Failure("5", "")),
        ({"error": {}, "message": "outside"}, Failure("", "")),
        ({"error": {"detail": "inside"}, "message": "outside"}, Failure("inside", "")),
        ({"message": "m" * 5000, "code": "c" * 5000}, Failure("m" * 5000, "c" * 5000)),
        ({"message": "a\nb\x00c\ud800d"}, Failure("a b c d", "")),
    ],
)
def test_message_and_code_are_found_in_any_envelope(given, failure):
    assert wire.read_failure(body(**given)) == failure


# --- query strings ---------------------------------------------------------------------------


def test_a_query_string_is_read_as_a_webhook():
    query = {"reference_id": REFERENCE, "payment_state": "PARTIALLY_FILLED", "filled_amount_in_usd": "35.00"}
    assert wire.read_query(query) == report(
        "PARTIALLY_FILLED", State.PARTIALLY_FILLED, reference=REFERENCE, filled_usd="35"
    )
    assert wire.read_query({"event_type": "payout.ping"}) == OtherEvent("payout.ping")


def test_a_query_string_without_a_reference_is_refused():
    with pytest.raises(PayramDataError, match=r"^The webhook names no reference_id\.$"):
        wire.read_query({"payment_state": "FILLED"})


# --- properties ------------------------------------------------------------------------------

NAMES = sorted({spelling for spellings in wire.SPELLINGS.values() for spelling in spellings} | {"error", "message"})
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
    for read in (wire.read_webhook, wire.read_status, wire.read_created):
        try:
            read(content)
        except PayramDataError:
            continue
    wire.read_failure(content)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_a_query_is_read_or_is_a_data_error(query):
    with suppress(PayramDataError):
        wire.read_query(query)


MONEY = st.decimals(min_value=0, max_value=10**6, places=2)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)

PAYMENTS = st.fixed_dictionaries(
    {
        "reference": st.uuids().map(str) | st.from_regex(r"px_[a-z0-9]{6}", fullmatch=True),
        "word": st.sampled_from([word for word in wire.STATES if word != "VERIFYING"]),
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


# vintage -> (reader, {spelling: (field of the payment, how it is written)}, what else it sends)
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

VINTAGES = {
    "S1": (wire.read_status, S1, {"amount": "49.99", "created_at": "2025-04-02T09:15:00Z", "success_url": ""}),
    "S2": (
        wire.read_status,
        {name: S1[name] for name in ("payment_state", "currency_symbol", "deposit_address")},
        {"amount": "49.99"},
    ),
    "S3": (wire.read_status, S3, {"merchantName": "Example Shop", "currencyDecimals": 6, "externalPlatformID": 1}),
    "S4": (
        wire.read_status,
        {
            **S3,
            "confirmationCurrent": ("confirmations", same),
            "confirmationRequired": ("confirmations_required", same),
        },
        {},
    ),
    "V1": (wire.read_webhook, WEBHOOK_IDS, {}),
    "V2": (wire.read_webhook, V2, {"amount": "49.99", "payment_info": {}}),
    "V3": (
        wire.read_webhook,
        {**V2, "customer_id": ("customer_id", same), "filled_amount_usd": ("filled_usd", text)},
        {"amount": "49.99", "timestamp": "1708160000", "payment_info": {}},
    ),
    "V4": (wire.read_webhook, V4, {"amount": "49.99", "timestamp": "1709110000", "payment_info": {}}),
    "V5": (
        wire.read_webhook,
        {**V4, "filled_amount": ("filled_amount", number), "filled_amount_in_usd": ("filled_usd", number)},
        {"amount": "49.99", "timestamp": "1744100000"},
    ),
    "V6": (
        wire.read_webhook,
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
        wire.read_webhook,
        {
            **WEBHOOK_IDS,
            "customer_id": ("customer_id", same),
            "amount": ("requested_usd", number),
            "filled_amount_in_usd": ("filled_usd", number),
        },
        {"currency": "USD", "customer_email": "buyer@example.org"},
    ),
    "V8": (
        wire.read_webhook,
        {
            **V4,
            "confirmation_current": ("confirmations", same),
            "confirmation_required": ("confirmations_required", same),
        },
        {"amount": "49.99", "sponsored_amount": "0", "timestamp": 1789000000, "payment_info": []},
    ),
}


@pytest.mark.parametrize("vintage", VINTAGES)
@settings(deadline=None, max_examples=40)
@given(payment=PAYMENTS)
def test_one_payment_reads_the_same_in_every_vintage(vintage, payment):
    read, spelled, besides = VINTAGES[vintage]
    written = {spelling: write(payment[name]) for spelling, (name, write) in spelled.items()}
    said = {name: payment[name] for name, _write in spelled.values()}
    expected = Report(**said, state=wire.STATES[payment["word"]], on_chain="confirmations_required" in said)
    assert read(body(**besides, **written)) == expected


@settings(deadline=None)
@given(payment=PAYMENTS)
def test_a_webhook_as_a_query_string_reads_as_its_json(payment):
    _read, spelled, _besides = VINTAGES["V4"]
    written = {spelling: text(payment[name]) for spelling, (name, _write) in spelled.items()}
    query = {spelling: value for spelling, value in written.items() if value is not None}
    assert wire.read_query(query) == wire.read_webhook(body(**written))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"filledAmountInUSD": "20.0"}, {"filled_amount_in_usd": 20}),
        ({"paymentState": "CANCELLED"}, {"payment_state": "canceled"}),
        ({"payment_state": "FILLED"}, {"status": "success"}),
    ],
)
def test_one_meaning_under_two_spellings_is_no_contradiction(one, other):
    assert wire.read_webhook(body(reference_id=REFERENCE, **one, **other)) == wire.read_webhook(
        body(reference_id=REFERENCE, **one)
    )


def test_the_status_counts_where_no_payment_state_is_given():
    assert wire.read_webhook(body(reference_id=REFERENCE, status="FILLED")).state == State.FILLED
    assert wire.read_status(body(status="FILLED")).state == State.FILLED


@pytest.mark.parametrize("field", ["currency", "blockchain_symbol", "deposit_address"])
@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "-2", "<b>x</b>", "a;b", "a\nb<", "`id`"])
def test_what_cannot_be_a_ticker_chain_or_address_is_dropped(field, text):
    """Such text computes in a spreadsheet or runs in a page."""
    read = wire.read_webhook(body(reference_id="r", status="OPEN", **{field: text}))
    assert getattr(read, field.removesuffix("_symbol")) == ""
