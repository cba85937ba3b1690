"""Whoever has a key, an old webhook, or time to guess: what they can do with it, and what they cannot."""

from __future__ import annotations

import hmac
import importlib
import json
import pkgutil
import re
import time
import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import django_payram
from django_payram.gateway import signatures
from django_payram.models import Payment, PaymentEvent
from django_payram.models.states import State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from django_payram.views.api import CheckoutThrottle

pytestmark = pytest.mark.django_db

WRONG_KEY = "00000000000000000000000000000000"


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


def body_of(payment, state="FILLED", **fields):
    facts = {"reference_id": payment.reference, "status": state, "customer_id": payment.customer_id, "currency": "USD"}
    return json.dumps({**facts, "amount": "49.99", "filled_amount_in_usd": "49.99", **fields}).encode()


def proof(body, key=TEST_KEY):
    return hmac.new(key.encode(), body, "sha256").hexdigest()


def post_webhook(body, *, key=TEST_KEY, signature=None):
    headers = {"API-Key": key} | ({} if signature is None else {"X-Payram-Signature": f"sha256={signature}"})
    return Client().post("/payram/webhook/", body, content_type="application/json", headers=headers)


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


def trust(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}


# --- forged and repeated webhooks ------------------------------------------------------------------


@pytest.mark.parametrize("state", ["FILLED", "OVER_FILLED", "PARTIALLY_FILLED", "CANCELLED"])
def test_a_perfect_forgery_moves_nothing(payram, payment, order, listener, state):
    """F50: the static key stands in the same request as its signature, so that one look at a webhook is enough."""
    body = body_of(payment, state)
    assert post_webhook(body, signature=proof(body)).status_code == 200
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.state, payment.filled_usd, payment.paid_at) == (State.OPEN, None, None)
    assert (order.status, listener.names) == ("new", [])
    assert asked(payram) == 1


def test_a_perfect_forgery_while_payram_is_down_moves_nothing(payram, payment, listener):
    payram.sandbox.inject_fault(None, "broken")
    body = body_of(payment)
    assert post_webhook(body, signature=proof(body)).status_code == 503
    payment.refresh_from_db()
    assert (payment.state, listener.names) == (State.OPEN, [])


def test_a_forged_payment_of_nobody_is_kept_and_moves_nothing(payram, payment, listener):
    for reference in (str(uuid.uuid4()), str(payment.token)):
        body = body_of(payment, reference_id=reference)
        assert post_webhook(body, signature=proof(body)).status_code == 200
    assert Payment.objects.count() == 1
    assert listener.names == []


@pytest.mark.parametrize(
    "fields", [{"customer_id": "somebody else"}, {"amount": "0.01"}, {"filled_amount_in_usd": "1"}, {"currency": "ETH"}]
)
def test_who_believes_webhooks_still_checks_them(payram, payment, settings, listener, fields):
    """CONFIRM_WEBHOOKS False: another customer, amount or sum is not believed; a sum without unit is asked about."""
    trust(settings)
    if "currency" in fields:
        fields = {**fields, "filled_amount_in_usd": None}
    post_webhook(body_of(payment, **fields))
    payment.refresh_from_db()
    assert not payment.is_paid
    assert "payment_paid" not in listener.names


def test_who_believes_webhooks_believes_a_perfect_forgery(payment, settings):
    """Why CONFIRM_WEBHOOKS is True, and W006 warns: nothing but PayRam's own answer tells the two apart."""
    trust(settings)
    body = body_of(payment)
    assert post_webhook(body, signature=proof(body)).status_code == 200
    payment.refresh_from_db()
    assert payment.is_paid


def test_an_old_webhook_sent_again_changes_nothing(payram, payment, order, listener, django_assert_num_queries):
    """F53: a webhook has no date and no number that could tell an old one."""
    old = [body_of(payment, state) for state in ("OPEN", "PARTIALLY_FILLED", "CANCELLED", "FILLED")]
    payram.pay(payment)
    assert post_webhook(old[-1], signature=proof(old[-1])).status_code == 200
    sent, before = list(listener.names), Payment.objects.values().get()
    for body in old * 2:
        with django_assert_num_queries(1):
            assert post_webhook(body, signature=proof(body)).status_code == 200
    assert (listener.names, Payment.objects.values().get()) == (sent, before)


def test_a_signature_is_good_for_its_own_body_only(payment, settings):
    """Also where the key beside it is right."""
    body = body_of(payment)
    for forged in (body + b" ", body.replace(b"49.99", b"4.99"), body_of(payment, "CANCELLED"), b"{}", b""):
        assert post_webhook(forged, signature=proof(body)).status_code == 401


# --- guessing --------------------------------------------------------------------------------------


def test_guessing_a_key_costs_nothing_and_shuts_nobody_out(payment, django_assert_num_queries):
    """A limit would let anybody lock PayRam out; a key of 32 characters is not guessed."""
    body = body_of(payment, "OPEN")
    with django_assert_num_queries(0):
        answers = [post_webhook(body, key=f"{number:032}") for number in range(50)]
        answers += [post_webhook(body, key=WRONG_KEY, signature=f"{number:064x}") for number in range(50)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 2
    assert not PaymentEvent.objects.filter(source="webhook").exists()
    assert post_webhook(body).status_code == 200


@pytest.mark.parametrize("given", ["first", "last", "none"])
def test_every_key_is_compared_in_constant_time_whichever_fits(payram, settings, monkeypatch, given):
    """F57: the time taken tells neither how much of a key was right nor which."""
    keys = [f"{number:032}" for number in range(1, 6)]
    options = settings.PAYRAM["default"]
    settings.PAYRAM = {
        "default": {**options, "API_KEY": keys[:2], "WEBHOOK_KEYS": keys[2:4]},
        "other": {**options, "API_KEY": keys[4]},
    }
    compared = []
    really = hmac.compare_digest

    def compare(ours, theirs):
        compared.append((type(ours), type(theirs)))
        return really(ours, theirs)

    monkeypatch.setattr(signatures.hmac, "compare_digest", compare)
    key = {"first": keys[0], "last": keys[4], "none": WRONG_KEY}[given]
    post_webhook(b"{}", key=key)
    assert compared == [(bytes, bytes)] * 5


def test_no_status_page_is_found_by_guessing(client, payment):
    """F55: the token is 122 random bits; a reference short enough to be guessed does not lead to it."""
    guessable = PaymentFactory(reference="px_7f3a9c")
    numbers = [f"/payram/payments/{number}/" for number in ("1", payment.pk, uuid.UUID(int=payment.pk), uuid.uuid4())]
    assert {client.get(path).status_code for path in numbers} == {404}
    assert client.get("/payram/return/", {"reference_id": guessable.reference}).status_code == 200
    assert client.get("/payram/return/", {"reference_id": "x" * 19}).status_code == 200
    assert client.get("/payram/return/", {"reference_id": payment.reference}).status_code == 302
    assert payment.token.version == 4


def test_a_buyer_with_a_short_reference_comes_back_by_the_session(client, payment):
    client.post(f"/orders/{payment.order_id}/pay/")
    Payment.objects.update(reference="px_7f3a9c")
    back = client.get("/payram/return/", {"reference_id": "px_7f3a9c"})
    assert back["Location"] == reverse("payram:status", args=[payment.token])


def test_a_session_that_somebody_planted_leads_to_a_page_and_changes_nothing(client, payment, order):
    """Whoever fixes a visitor's session can show them a payment, no more; theirs stays where it was."""
    session = client.session
    tokens = (str(payment.token), "https://evil.example/", "'; DROP TABLE", 7, {"a": 1}, [["x"]], [None], "")
    for planted in tokens:
        session["payram_payment"] = planted
        session.save()
        back = client.get("/payram/return/")
        assert back.get("Location", "/payram/").startswith("/payram/")
    assert client.session["payram_payment"] == ""
    payment.refresh_from_db()
    assert payment.state == State.OPEN


# --- too much of it --------------------------------------------------------------------------------


def test_many_looks_and_clicks_at_once_are_one_call_each(payram, payment, client):
    """F43: the status page asks every four seconds at most, however many pages are open."""
    path = reverse("payram:status", args=[payment.token])
    for _ in range(20):
        assert client.get(path).status_code == 200
        assert client.get(f"{path}state/").status_code == 200
        assert client.post(f"/orders/{payment.order_id}/pay/").status_code == 303
    assert asked(payram) == 1
    assert len([call for call in payram.sandbox.calls if call.method == "POST"]) == 1


def test_a_cart_that_changes_again_and_again_gets_ten_links(payram, payment, order, client):
    """F43: each link takes a deposit address at PayRam."""
    for cents in range(1, 15):
        type(order).objects.filter(pk=order.pk).update(total=f"10.{cents:02}")
        client.post(f"/orders/{order.pk}/pay/")
    assert len([call for call in payram.sandbox.calls if call.method == "POST"]) == 10


def test_the_json_checkout_has_its_own_throttle(payment, monkeypatch):
    """F43: 30 a minute and client, whatever a shop's other throttles are."""
    cache.clear()
    monkeypatch.setattr(CheckoutThrottle, "timer", staticmethod(lambda: 1000.0))
    answers = [Client().post(f"/api/orders/{payment.order_id}/pay/").status_code for _ in range(31)]
    assert answers == [201] * 30 + [429]


@pytest.mark.parametrize("proxies", [None, 1])
def test_a_guest_behind_a_known_proxy_cannot_change_their_address(payment, settings, proxies):
    """With NUM_PROXIES set, what the client wrote into X-Forwarded-For itself does not count."""
    cache.clear()
    settings.REST_FRAMEWORK = {"NUM_PROXIES": proxies, "DEFAULT_THROTTLE_RATES": {"payram-checkout": "2/hour"}}
    path = f"/api/orders/{payment.order_id}/pay/"
    answers = [
        Client().post(path, headers={"X-Forwarded-For": f"10.0.0.{number}, 192.0.2.7"}).status_code
        for number in range(4)
    ]
    assert answers == ([201] * 4 if proxies is None else [201, 201, 429, 429])


def test_webhooks_that_cannot_be_read_fill_a_hundred_rows_an_hour_at_most(payment):
    for number in range(110):
        assert post_webhook(json.dumps({"timestamp": number}).encode()).status_code == 400
    assert PaymentEvent.objects.filter(outcome="unreadable").count() == 100
    PaymentEvent.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert post_webhook(b'{"timestamp": 200}').status_code == 400
    assert PaymentEvent.objects.filter(outcome="unreadable").count() == 101


# --- expressions that take for ever ----------------------------------------------------------------


NO_PATTERNS = tuple(f"django_payram.{name}" for name in ("migrations", "testing", "tasks", "contrib.oscar"))


def patterns():
    """Return every compiled regular expression of ours; the app for Oscar has none, and Oscar is not installed here."""
    found = {}
    for module in pkgutil.walk_packages(django_payram.__path__, "django_payram."):
        if not module.name.startswith(NO_PATTERNS):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[f"{module.name}.{name}"] = value
    return found


BASES = ["a", "0", "1.", "-", "_", " ", '"', "\\", '\\"', "[", '"[', "https://", "csrf", "log-", "e1", ".:/?=&()+"]


@pytest.mark.parametrize("name", patterns())
def test_an_expression_takes_time_by_the_length_alone(name):
    """Lengths rise, so that an expression of another kind is caught before it takes for ever."""
    pattern = patterns()[name]
    for length in (16, 20, 24, 28, 32, 1000, 64 * 1024):
        for base in BASES:
            text = (base * length)[:length] + "!\n"
            subject = text.encode() if isinstance(pattern.pattern, bytes) else text
            started = time.thread_time()
            for look in (pattern.match, pattern.fullmatch, pattern.search, pattern.findall):
                look(subject)
            assert time.thread_time() - started < 10, (base, length)


def test_the_expressions_are_looked_at():
    assert {"django_payram.gateway.fields.REFERENCE", "django_payram.gateway.client.MISLEADING"} <= set(patterns())
