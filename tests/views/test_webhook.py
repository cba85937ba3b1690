"""The webhook view: what it answers, and what it stores."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from django_payram.gateway.signatures import signature
from django_payram.models import Outcome, Payment, PaymentEvent, content_type
from django_payram.models.states import State
from django_payram.payments import open_payment, webhooks
from django_payram.polling import worker
from django_payram.testing import running_payram
from django_payram.testing.factories import PaymentFactory
from django_payram.views import WebhookView

pytestmark = pytest.mark.django_db

KEY = "5a6e64626f782d6b65792d7465737473"


@pytest.fixture(autouse=True)
def _key(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "API_KEY": KEY}}


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


@pytest.fixture
def paid(payram, payment):
    payram.pay(payment)
    return payment


def body_of(payment, state="FILLED", **fields):
    return {"reference_id": payment.reference, "status": state, **fields}


def post_webhook(body, *, method="POST", path="/payram/webhook/", headers=None, client=None):
    client = client or Client(enforce_csrf_checks=True, raise_request_exception=False)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"API-Key": KEY} if headers is None else headers
    return client.generic(method, path, data=data, content_type="application/json", headers=headers)


def test_the_get_of_payrams_faq_is_recorded(paid, listener):
    """F13, F16: a GET with a JSON body and an API-Key header."""
    body = {"reference_id": paid.reference, "payment_state": "FILLED", "amount": "49.99"}
    response = post_webhook(body, method="GET")
    assert (response.status_code, response.json()) == (200, {"message": "Webhook received successfully."})
    paid.refresh_from_db()
    assert paid.is_paid
    assert listener.names.count("payment_paid") == 1


def test_a_get_without_a_body_is_read_from_its_query(paid):
    """F16."""
    response = Client().get(
        "/payram/webhook/", {"reference_id": paid.reference, "payment_state": "FILLED"}, headers={"API-Key": KEY}
    )
    assert response.status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


def test_a_get_with_nothing_but_a_reference_makes_us_ask(paid):
    """F16."""
    response = Client().get("/payram/webhook/", {"reference_id": paid.reference}, headers={"API-Key": KEY})
    assert response.status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


def test_a_key_that_is_an_everyday_word_spoils_no_query(paid, settings):
    everyday = paid.reference[:8]
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "WEBHOOK_KEYS": [everyday]}}
    query = {"reference_id": paid.reference, "payment_state": "FILLED"}
    assert Client().get("/payram/webhook/", query, headers={"API-Key": KEY}).status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


def test_a_signed_post_is_recorded(paid):
    """F13."""
    body = json.dumps(body_of(paid)).encode()
    headers = {"API-KEY": KEY, "X-Payram-Signature": f"sha256={signature(KEY, body)}"}
    assert post_webhook(body, headers=headers).status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_signature_decides_against_a_right_key(paid, method):
    body = json.dumps(body_of(paid)).encode()
    headers = {"API-Key": KEY, "X-Payram-Signature": signature("another key", body)}
    response = post_webhook(body, headers=headers, method=method)
    assert response.status_code == 401
    assert response.json() == {"message": "The header X-Payram-Signature fits no project."}
    paid.refresh_from_db()
    assert not paid.is_paid


def test_a_signature_on_a_get_without_a_body_does_not_count(payment, settings):
    path = f"/payram/webhook/?reference_id={payment.reference}&status=OPEN"
    headers = {"X-Payram-Signature": signature(KEY, b""), "API-Key": KEY}
    assert post_webhook(b"", method="GET", path=path, headers=headers).status_code == 200
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "REQUIRE_SIGNATURE": True}}
    assert post_webhook(b"", method="GET", path=path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Neither the header API-Key nor X-Payram-Signature arrived."),
        ({"API-Key": ""}, "Neither the header API-Key nor X-Payram-Signature arrived."),
        ({"API-Key": "wrong"}, "The header API-Key fits no project."),
        ({"X-Payram-Signature": "sha256="}, "The header X-Payram-Signature fits no project."),
    ],
)
def test_nothing_is_looked_up_or_stored_without_a_valid_key(
    payment, headers, message, django_assert_num_queries, caplog
):
    """F15, F40, F50, F52."""
    with django_assert_num_queries(0):
        response = post_webhook(body_of(payment), headers=headers)
    assert (response.status_code, response.json()["message"]) == (401, message)
    assert f"A webhook was refused. {message}" in caplog.messages


@pytest.mark.parametrize("timestamp", [0, 4102444800, "1708160000", None])
def test_the_senders_clock_decides_nothing(paid, timestamp):
    """F38."""
    assert post_webhook(body_of(paid, timestamp=timestamp)).status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


def test_a_rotated_key_is_accepted(paid, settings):
    """F41."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "API_KEY": [KEY, "old-key-old-key-old"]}}
    assert post_webhook(body_of(paid), headers={"API-Key": "old-key-old-key-old"}).status_code == 200


def test_what_comes_with_a_key_that_is_listed_no_more_is_found_out_by_polling(paid):
    """F41."""
    assert post_webhook(body_of(paid), headers={"API-Key": "old-key-old-key-old"}).status_code == 401
    Payment.objects.update(next_check_at=timezone.now())
    list(worker.run())
    paid.refresh_from_db()
    assert paid.is_paid


@pytest.mark.parametrize("path", ["/payram/webhook", "/payram/webhook/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("append_slash", [True, False])
def test_both_forms_of_the_address_answer_without_a_redirect(payment, path, method, append_slash, settings):
    """F2, F14."""
    settings.APPEND_SLASH = append_slash
    assert post_webhook(body_of(payment, "OPEN"), method=method, path=path).status_code == 200


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("OPTIONS", 200), ("PUT", 405), ("DELETE", 405)])
def test_other_methods_do_no_harm(payment, method, status, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = post_webhook(body_of(payment), method=method)
    assert response.status_code == status
    if status == 405:
        assert response.json() == {"message": "PayRam's webhooks come by GET or POST."}
        assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("headers", [{}, {"API-Key": ""}, {"API-Key": KEY}])
@pytest.mark.parametrize("flag", ["true", "True", " TRUE "])
def test_the_ping_answers_200_without_effect(headers, flag, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = post_webhook({"event_type": "payout.ping"}, headers={**headers, "X-Webhook-Test": flag})
    assert (response.status_code, response.json()) == (200, {"message": "The test webhook arrived."})


def test_a_payout_event_is_acknowledged_and_logged(caplog, django_assert_num_queries):
    with caplog.at_level(logging.INFO), django_assert_num_queries(0):
        response = post_webhook({"event_type": "payout.failed", "payout_id": 77})
    assert (response.status_code, response.json()) == (200, {"message": "The event is not about a payment."})
    assert "PayRam sent the event 'payout.failed', which is not about a payment." in caplog.messages


def test_no_news_is_one_select(payment, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = post_webhook(body_of(payment, "OPEN"))
    assert (response.status_code, response.json()) == (200, {"message": "Nothing has changed."})
    assert "Retry-After" not in response


def test_an_unknown_reference_is_answered_200_and_kept():
    response = post_webhook({"reference_id": "nobody", "status": "FILLED"})
    assert response.status_code == 200
    assert "not known here" in response.json()["message"]
    event = PaymentEvent.objects.get()
    assert (event.outcome, event.payload) == (Outcome.UNMATCHED, {"reference_id": "nobody", "status": "FILLED"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"status": "FILLED"}',
        b'{"reference_id": "../etc", "status": "FILLED"}',
        b'{"reference_id": "x", "filled_amount_in_usd": NaN}',
        b'{"reference_id": "x", "filled_amount_in_usd": -1}',
        b'{"reference_id": "x", "reference_id": "y"}',
        b"[" * 5000 + b"]" * 5000,
        b'{"reference_id": "a\\u0000b"}',
        b"\x00",
    ],
)
def test_an_unreadable_body_is_answered_400_and_kept(body):
    """F12."""
    response = post_webhook(body)
    assert response.status_code == 400
    assert response.json()["message"]
    assert PaymentEvent.objects.get().outcome == Outcome.UNREADABLE
    assert post_webhook(body).status_code == 400
    assert PaymentEvent.objects.count() == 1


def test_an_unreadable_body_is_kept_with_what_is_wrong_and_without_zero_bytes():
    response = post_webhook(b'{"status": "FI\x00LLED"}')
    event = PaymentEvent.objects.get()
    assert event.payload == '{"status": "FILLED"}'
    assert event.error == response.json()["message"]
    assert event.error.startswith("The body is not JSON: ")


def test_an_unreadable_query_is_kept_as_it_came():
    assert post_webhook(b"", method="GET", path="/payram/webhook/?status=FILLED").status_code == 400
    assert PaymentEvent.objects.get().payload == "status=FILLED"


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10 * 1024 * 1024])
def test_a_body_over_64_kib_is_answered_413(size, django_assert_num_queries):
    """F12."""
    with django_assert_num_queries(0):
        response = post_webhook(b" " * size)
    assert response.status_code == 413
    assert "65536 bytes" in response.json()["message"]


def test_a_body_of_64_kib_is_read():
    assert post_webhook(b'{"reference_id": "x"}'.ljust(64 * 1024)).status_code == 200


@pytest.mark.parametrize(("digits", "status"), [(18, 200), (19, 413)])
def test_a_length_is_a_number_of_eighteen_digits_at_most(digits, status):
    body = b'{"reference_id": "x"}'
    headers, length = {"API-Key": KEY}, str(len(body)).zfill(digits)
    response = Client().generic("POST", "/payram/webhook/", body, headers=headers, CONTENT_LENGTH=length)
    assert response.status_code == status


def test_a_body_larger_than_django_admits_is_answered_413(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert post_webhook(b'{"reference_id": "x"}').status_code == 413


def test_a_length_of_thousands_of_digits_is_answered_413():
    response = Client().generic("POST", "/payram/webhook/", b"{}", headers={"API-Key": KEY}, CONTENT_LENGTH="9" * 5000)
    assert response.status_code == 413


def test_unreadable_webhooks_do_not_fill_the_database(monkeypatch):
    monkeypatch.setattr("django_payram.payments.webhooks.UNREADABLE_PER_HOUR", 3)
    for number in range(6):
        assert post_webhook({"timestamp": number}).status_code == 400
    assert PaymentEvent.objects.count() == 3


def test_a_length_that_is_no_number_is_survived():
    response = Client(raise_request_exception=False).generic(
        "POST", "/payram/webhook/", b"{}", headers={"API-Key": KEY}, CONTENT_LENGTH="x"
    )
    assert response.status_code == 400
    assert response.json() == {"message": "The header Content-Length is not a number."}


class BrokenStream(io.RawIOBase):
    def read(self, *args):
        raise OSError("the sender went away")


def test_a_body_that_breaks_off_is_answered_400(rf):
    request = rf.post("/", b"{}", content_type="application/json", headers={"API-Key": KEY})
    request._stream = BrokenStream()
    response = WebhookView.as_view()(request)
    assert (response.status_code, json.loads(response.content)) == (400, {"message": "The body could not be read."})


def test_a_body_that_a_middleware_has_begun_to_read_is_answered_400(rf):
    request = rf.post("/", b"{}", content_type="application/json", headers={"API-Key": KEY})
    request.read(1)
    assert WebhookView.as_view()(request).status_code == 400


def test_a_failed_receiver_is_answered_500_and_heals(paid, listener):
    """F8, F9."""
    listener.fail_on = {"payment_paid"}
    response = post_webhook(body_of(paid))
    assert response.status_code == 500
    assert "receiver" in response.json()["message"]
    paid.refresh_from_db()
    assert paid.is_paid
    listener.fail_on = set()
    assert post_webhook(body_of(paid)).status_code == 200
    assert listener.names.count("payment_paid") == 1


def test_a_failed_confirmation_is_answered_503_and_heals(payram, paid, caplog):
    payram.sandbox.inject_fault(None, "broken", times=1)
    response = post_webhook(body_of(paid))
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response.json() == {"message": "PayRam could not be asked about the payment. Please send again."}
    (said,) = [record.getMessage() for record in caplog.records if record.name == "django_payram"]
    assert said.startswith(f"A webhook about {paid.reference} could not be confirmed. PayRam at 127.0.0.1 refused")
    assert post_webhook(body_of(paid)).status_code == 200
    paid.refresh_from_db()
    assert paid.is_paid


def test_a_busy_database_is_answered_503(payment, monkeypatch, caplog):
    def locked(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr(webhooks, "handle_webhook", locked)
    response = post_webhook(body_of(payment))
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response.json() == {"message": "The database is busy. Please send again."}
    assert "A webhook found the database busy. database is locked" in caplog.messages


def test_answers_are_never_cached(payment):
    """F16."""
    by_django = HttpResponse()
    add_never_cache_headers(by_django)
    answers = [
        post_webhook(body_of(payment, "OPEN")),
        *(getattr(Client(), name)("/payram/webhook/") for name in ("get", "head", "put")),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 405]
    for answer in answers:
        assert sorted(answer["Cache-Control"].split(", ")) == sorted(by_django["Cache-Control"].split(", "))


def test_the_login_middleware_lets_payram_in(payment, settings):
    """Design: the key is the credential."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert post_webhook(body_of(payment, "OPEN")).status_code == 200


def test_a_shops_transaction_per_request_does_not_hold_the_webhook():
    """F10."""
    assert set(connections) <= resolve("/payram/webhook/").func._non_atomic_requests


@pytest.mark.django_db(transaction=True)
def test_a_shops_transaction_per_request_keeps_state_event_and_error_of_a_failure(paid, listener, monkeypatch):
    """F10."""
    for connection in connections.all():
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    listener.fail_on = {"payment_paid"}
    assert post_webhook(body_of(paid)).status_code == 500
    paid.refresh_from_db()
    assert paid.is_paid
    assert "payment_paid is broken" in paid.announce_error
    assert paid.events.filter(outcome=Outcome.NOT_ANNOUNCED).exists()


def test_no_header_of_a_request_is_kept(paid):
    """D2."""
    headers = {"API-Key": KEY, "Cookie": "sessionid=cookie-of-kim", "Authorization": "Basic a2ltOnNlY3JldA=="}
    post_webhook(body_of(paid), headers=headers)
    post_webhook(b"[]", headers=headers)
    rows = repr([*PaymentEvent.objects.values_list(), *Payment.objects.values_list()])
    assert [word for word in ("cookie-of-kim", "a2ltOnNlY3JldA", "sessionid") if word in rows] == []


def test_no_key_and_no_signature_reach_log_or_row(paid, caplog):
    """F42, D2."""
    body = json.dumps(body_of(paid, note=KEY)).encode()
    proof = signature(KEY, body)
    with caplog.at_level(logging.DEBUG):
        post_webhook(body, headers={"API-Key": KEY, "X-Payram-Signature": proof})
        post_webhook(body, headers={"API-Key": KEY[:-1] + "0"})
    rows = [*PaymentEvent.objects.values_list("payload", "error", "note"), *Payment.objects.values_list()]
    for secret in (KEY, proof, KEY[:-1] + "0"):
        assert secret not in caplog.text
        assert secret not in repr(rows)
    assert "[key]" in repr(rows)


@pytest.mark.parametrize("api_version", ["2024", "faq", "2025-11", "2026"])
def test_every_api_version_of_payram_settles_a_payment(order, api_version, listener):
    with running_payram(api_version=api_version) as payram:
        payment = open_payment(order, amount=order.total, email=order.email)
        payram.pay(payment, 20)
        assert payment.state == State.PARTIALLY_FILLED
        payram.pay(payment)
        assert payment.is_paid, api_version
        assert {delivery.status for delivery in payram.sandbox.deliveries} == {200}
    assert listener.names.count("payment_paid") == 1


@pytest.mark.parametrize("api_version", ["2024", "faq", "2025-11", "2026"])
def test_every_api_version_of_payram_closes_a_partial_payment(order, api_version, listener):
    with running_payram(api_version=api_version) as payram:
        payment = open_payment(order, amount=order.total, email=order.email)
        payram.see(payment, 20)
        payram.confirm(payment, 3)
        assert payment.state == State.PARTIALLY_FILLED
        payram.expire(payment)
    assert payment.closed_at is not None
    assert payment.review == "partial"
    assert "payment_canceled" not in listener.names


@pytest.mark.parametrize("api_version", ["2024", "faq", "2025-11", "2026"])
def test_every_api_version_of_payram_cancels_a_payment(order, api_version, listener):
    with running_payram(api_version=api_version) as payram:
        payment = open_payment(order, amount=order.total, email=order.email)
        payram.expire(payment)
        assert payment.state == State.CANCELED
    assert listener.names.count("payment_canceled") == 1


def test_the_address_has_its_name():
    assert reverse("payram:webhook") == "/payram/webhook/"


def test_confirmations_that_count_up_are_not_asked_about(payram, payment):
    payram.sandbox.see(payment.reference)
    post_webhook(body_of(payment, "OPEN", confirmation_current=1, confirmation_required=3))
    calls = len(payram.sandbox.calls)
    Payment.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    post_webhook(body_of(payment, "OPEN", confirmation_current=2, confirmation_required=3))
    assert len(payram.sandbox.calls) == calls


@pytest.mark.not_in("databases", reason="these are the statements of one database")
def test_a_transition_takes_nine_statements_the_receivers_own_included(order, settings, django_assert_num_queries):
    """SELECT; BEGIN, lock, UPDATE, INSERT; SAVEPOINT, the receiver's UPDATE, RELEASE; COMMIT."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}
    payment = PaymentFactory(order_type=content_type(order), order_id=str(order.pk))
    with django_assert_num_queries(9):
        assert post_webhook(body_of(payment, filled_amount_in_usd="49.99")).status_code == 200
    order.refresh_from_db()
    assert order.times_paid == 1
