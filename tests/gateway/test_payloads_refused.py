"""What cannot be read, errors, and queries."""

from __future__ import annotations

import pytest

from django_payram.exceptions import PayramDataError
from django_payram.gateway import payloads
from django_payram.gateway.payloads import CreatedPayment, ErrorAnswer, OtherEvent
from django_payram.models.states import State
from tests.gateway.payload_helpers import REFERENCE, body, update

# Bodies that are not PayRam's


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
        (b"[" * 40 + b"]" * 40, "The body is nested deeper than 32."),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_the_reason(content, reason):
    """F12: any body is readable or refused."""
    for read in (payloads.read_webhook, payloads.read_created, payloads.read_status):
        with pytest.raises(PayramDataError) as caught:
            read(content)
        assert str(caught.value) == reason
    assert payloads.read_error(content) == ErrorAnswer("", "")


@pytest.mark.parametrize("given", [{}, {"status": "FILLED"}, {"reference_id": None}, {"event_type": ""}])
def test_a_webhook_that_names_no_payment_is_refused(given):
    with pytest.raises(PayramDataError, match=r"^The webhook names no reference_id\.$"):
        payloads.read_webhook(body(**given))


@pytest.mark.parametrize("given", [{}, {"paymentState": None}, {"paymentState": 5}, {"referenceID": REFERENCE}])
def test_an_answer_without_a_state_is_refused(given):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer names no payment state\.$"):
        payloads.read_status(body(**given))


def test_an_error_whose_status_is_a_number_is_read_as_an_error():
    assert payloads.read_status(body(status=401, message="no")) == ErrorAnswer("no", "")


@pytest.mark.parametrize("url", [None, "", "\n"])
def test_a_created_payment_without_a_page_is_refused_and_its_reference_kept(url):
    with pytest.raises(PayramDataError, match=r"^PayRam's answer to the create call has no url\.$") as caught:
        payloads.read_created(body(reference_id=REFERENCE, url=url))
    assert caught.value.reference == REFERENCE


def test_the_address_of_the_page_is_refused_beyond_2000_characters():
    """A part of an address leads nowhere."""
    url = "https://pay.example.org/" + "x" * 1976
    assert payloads.read_created(body(reference_id="r", url=url)) == CreatedPayment("r", url)
    with pytest.raises(PayramDataError, match="longer than 2000 characters") as caught:
        payloads.read_created(body(reference_id=REFERENCE, url=url + "x"))
    assert caught.value.reference == REFERENCE


def test_a_created_payment_with_a_message_is_no_error():
    created_payment = payloads.read_created(body(reference_id="r", url="https://p", message="CreatedPayment", code=0))
    assert created_payment == CreatedPayment("r", "https://p")


# Error envelopes


@pytest.mark.parametrize(
    ("given", "failure"),
    [
        ({}, ErrorAnswer("", "")),
        ({"detail": "Not found."}, ErrorAnswer("Not found.", "")),
        ({"message": "one", "error": "two", "detail": "three"}, ErrorAnswer("one", "")),
        ({"error": "two", "detail": "three"}, ErrorAnswer("two", "")),
        ({"code": 0}, ErrorAnswer("", "0")),
        ({"code": "BUSY"}, ErrorAnswer("", "BUSY")),
        ({"code": True, "message": ["no"]}, ErrorAnswer("", "")),
        ({"message": None, "error": "two"}, ErrorAnswer("two", "")),
        ({"message": 5}, ErrorAnswer("5", "")),
        ({"error": {}, "message": "outside"}, ErrorAnswer("", "")),
        ({"error": {"detail": "inside"}, "message": "outside"}, ErrorAnswer("inside", "")),
        ({"message": "m" * 5000, "code": "c" * 5000}, ErrorAnswer("m" * 5000, "c" * 5000)),
        ({"message": "a\nb\x00c\ud800d"}, ErrorAnswer("a b c d", "")),
    ],
)
def test_message_and_code_are_found_in_any_envelope(given, failure):
    assert payloads.read_error(body(**given)) == failure


# Query strings


def test_a_query_string_is_read_as_a_webhook():
    query = {"reference_id": REFERENCE, "payment_state": "PARTIALLY_FILLED", "filled_amount_in_usd": "35.00"}
    assert payloads.read_query(query) == update(
        "PARTIALLY_FILLED", State.PARTIALLY_FILLED, reference=REFERENCE, filled_usd="35"
    )
    assert payloads.read_query({"event_type": "payout.ping"}) == OtherEvent("payout.ping")


def test_a_query_string_without_a_reference_is_refused():
    with pytest.raises(PayramDataError, match=r"^The webhook names no reference_id\.$"):
        payloads.read_query({"payment_state": "FILLED"})
