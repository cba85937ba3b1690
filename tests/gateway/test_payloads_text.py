"""Words, spellings, references and text in PayRam's JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_payram.exceptions import PayramDataError
from django_payram.gateway import payloads
from django_payram.gateway.payloads import OtherEvent, PaymentUpdate
from django_payram.models.states import State
from tests.gateway.payload_helpers import EXPLORER, REFERENCE, body, webhook

# Words


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
    update = webhook(status=written(word))
    assert (update.word, update.state) == (word, state)


def test_a_webhook_without_a_word_is_read_as_one_that_says_nothing():
    assert webhook() == PaymentUpdate(reference=REFERENCE)


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
        update = payloads.read_webhook(body(**{**base, spelling: one}))
        assert getattr(update, name) == one
        silent = {other_spelling: None for other_spelling in spellings if other_spelling != spelling}
        assert payloads.read_webhook(body(**{**base, **silent, spelling: one})) == update
    assert payloads.read_webhook(body(**base, **dict.fromkeys(spellings, one))) == update
    for spelling in spellings[1:]:
        with pytest.raises(PayramDataError, match="with different values") as caught:
            payloads.read_webhook(body(**{**base, spellings[0]: one, spelling: other}))
        assert all(each in str(caught.value) for each in spellings)


def test_the_refusal_of_two_spellings_names_them():
    with pytest.raises(PayramDataError) as caught:
        webhook(filledAmount=1, filled_amount=2)
    assert str(caught.value) == "The body gives filled_amount and filledAmount with different values."


@pytest.mark.parametrize("given", ["event_type", "eventType"])
def test_an_event_is_known_by_either_spelling(given):
    assert payloads.read_webhook(body(**{given: "payout.x"})) == OtherEvent("payout.x")


def test_an_event_with_a_reference_is_about_a_payment():
    assert webhook(event_type="payment.x", status="OPEN") == PaymentUpdate(
        reference=REFERENCE, word="OPEN", state=State.OPEN
    )


def test_the_name_of_an_event_is_cut_at_100_characters():
    assert payloads.read_webhook(body(event_type="e" * 101)) == OtherEvent("e" * 100)


# References


@pytest.mark.parametrize("reference", ["a", "px_7f3a9c", REFERENCE, "A-_9", "x" * 128])
def test_a_reference_has_letters_digits_hyphens_and_underscores(reference):
    assert payloads.read_webhook(body(reference_id=reference)).reference == reference


@pytest.mark.parametrize("reference", ["", "x" * 129, "a/b", "a b", "a\n", "ä", "../x", "a?b", 5, True, [], {"a": 1}])
def test_anything_else_is_no_reference(reference):
    words = r"^The reference_id is not one of PayRam's: up to 128 letters, digits, hyphens and underscores\.$"
    for read in (payloads.read_webhook, payloads.read_created, payloads.read_status):
        with pytest.raises(PayramDataError, match=words):
            read(body(reference_id=reference, payment_state="OPEN", url="https://pay.example.org"))


# Text


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
    update = webhook(customer_id=1042, invoice_id=12.5)
    assert (update.customer_id, update.invoice_id) == ("1042", "12.5")


def test_ids_that_are_empty_are_unknown():
    update = webhook(customer_id="", invoice_id="\x00")
    assert (update.customer_id, update.invoice_id) == (None, None)


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


# What is kept of a webhook


def test_a_webhook_is_kept_as_it_was_read_without_personal_fields():
    update = payloads.read_webhook(b'{"reference_id": "r", "status": "OPEN", "customer_email": "kim@example.org"}')
    assert update.payload == {"reference_id": "r", "status": "OPEN"}


def test_what_was_kept_is_read_as_the_webhook_it_was():
    kept = payloads.read_webhook(b'{"reference_id": "r", "status": "FILLED", "filled_amount_in_usd": "1.5"}')
    assert payloads.read_kept(kept.payload, customer_id="") == kept
    assert payloads.read_kept(kept.payload, customer_id="kim") == replace(kept, customer_id="kim")


@pytest.mark.parametrize("payload", [None, "not JSON", [], {"status": "FILLED"}, {"event_type": "payout.failed"}])
def test_what_was_kept_and_names_no_payment_is_none(payload):
    assert payloads.read_kept(payload, customer_id="kim") is None


def test_halves_of_surrogate_pairs_are_kept_nowhere_neither_in_names_nor_in_values():
    kept = payloads.read_webhook(b'{"reference_id": "R", "status": "OPEN", "\\ud800x": ["\\udfff"]}').payload
    assert (kept["?x"], kept["status"]) == (["?"], "OPEN")
