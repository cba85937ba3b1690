"""From outside to the shop: what keeps a webhook from arriving is shown, and the key is never sent."""

from __future__ import annotations

import io
import json
import socket

import pytest
from django.core.handlers.wsgi import WSGIHandler

from django_payram import doctor
from django_payram.doctor.connection import STAND_IN, check_webhook
from django_payram.gateway.signatures import signature
from tests.doctor.serving import always, answering, levels, messages
from tests.servers import closed_port

KEY = "00112233445566778899aabbccddeeff"
OK = {"ping": "ok", "key-header": "ok", "signed": "ok"}


def sent_to(url):
    return list(check_webhook(doctor.Scope(public_url=url, round_trip=True)))


def through(app):
    """Return what is found when ``app`` stands at the shop's public address."""
    with answering(app) as url:
        return sent_to(url)


class Shop:
    """The shop itself behind a proxy that ends TLS, and loses headers or changes bodies."""

    def __init__(self, *lost, change=None):
        self.shop = WSGIHandler()
        self.lost = lost
        self.change = change
        self.seen = []

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.seen.append((dict(environ), body))
        body = self.change(body) if self.change else body
        environ = {name: value for name, value in environ.items() if name not in self.lost}
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ["HTTP_X_FORWARDED_PROTO"] = "https"
        return self.shop(environ, start_response)


# All is well


def test_a_shop_that_can_be_reached_is_fine():
    with answering(Shop()) as url:
        found = sent_to(url)
    assert levels(found) == OK
    assert messages(found)["ping"] == f"A test webhook to {url}/payram/webhook/ arrives."


def test_every_project_sends_its_own_signature(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    found = [finding for finding in through(Shop()) if finding.check == "signed"]
    assert [(finding.project, str(finding.level)) for finding in found] == [("default", "ok"), ("eu", "ok")]


def test_a_shop_that_requires_signatures_is_fine(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "REQUIRE_SIGNATURE": True}}
    assert levels(through(Shop())) == OK


def test_nothing_is_sent_unless_asked_for():
    shop = Shop()
    with answering(shop) as url:
        assert list(check_webhook(doctor.Scope(public_url=url))) == []
        assert list(check_webhook(doctor.Scope(round_trip=True))) == []
    assert shop.seen == []


def test_the_key_never_leaves_while_signatures_do():
    shop = Shop()
    through(shop)
    headers = [{name: value for name, value in seen.items() if name.startswith("HTTP_")} for seen, _body in shop.seen]
    assert KEY not in repr(headers) + repr([body for _environ, body in shop.seen])
    assert not any("HTTP_AUTHORIZATION" in given for given in headers)
    assert [given.get("HTTP_API_KEY") for given in headers] == [None, STAND_IN, STAND_IN]
    _environ, body = shop.seen[2]
    assert [given.get("HTTP_X_PAYRAM_SIGNATURE") for given in headers] == [
        None,
        None,
        f"sha256={signature(KEY, body)}",
    ]


def test_the_webhooks_are_harmless_and_the_first_is_payrams_test():
    shop = Shop()
    through(shop)
    assert [json.loads(body)["event_type"] for _environ, body in shop.seen] == ["payout.ping"] * 3
    assert [environ.get("HTTP_X_WEBHOOK_TEST") for environ, _body in shop.seen] == ["true", None, None]


# A proxy that loses something


@pytest.mark.parametrize("required", [False, True])
def test_a_lost_key_header_is_a_problem(settings, required):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "REQUIRE_SIGNATURE": required}}
    found = through(Shop("HTTP_API_KEY"))
    assert levels(found) == {**OK, "key-header": "problem"}
    assert "The header API-Key does not arrive" in messages(found)["key-header"]


@pytest.mark.parametrize("required", [False, True])
def test_a_lost_signature_header_is_a_problem(settings, required):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "REQUIRE_SIGNATURE": required}}
    found = through(Shop("HTTP_X_PAYRAM_SIGNATURE"))
    assert levels(found) == {**OK, "signed": "problem"}
    assert "The header X-Payram-Signature does not arrive" in messages(found)["signed"]


def test_both_headers_lost_are_two_problems():
    found = through(Shop("HTTP_API_KEY", "HTTP_X_PAYRAM_SIGNATURE"))
    assert levels(found) == {**OK, "key-header": "problem", "signed": "problem"}
    assert "The header API-Key does not arrive" in messages(found)["key-header"]
    assert "The header X-Payram-Signature does not arrive" in messages(found)["signed"]


def test_a_lost_test_header_is_a_problem():
    found = through(Shop("HTTP_X_WEBHOOK_TEST"))
    assert levels(found) == {"ping": "problem"}
    assert "answers with status 401 (Neither the header API-Key" in messages(found)["ping"]


def test_a_changed_body_is_a_problem():
    found = through(Shop(change=lambda body: body.replace(b": ", b":")))
    assert levels(found) == {**OK, "signed": "problem"}
    assert "changes the body" in messages(found)["signed"]


@pytest.mark.parametrize("key", [KEY, STAND_IN])
def test_a_site_that_runs_with_another_key_is_a_problem(settings, key):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "API_KEY": key}}
    shop = Shop()

    def elsewhere(environ, start_response):
        ours = settings.PAYRAM
        settings.PAYRAM = {"default": {**ours["default"], "API_KEY": "the-key-of-yesterday"}}
        try:
            return shop(environ, start_response)
        finally:
            settings.PAYRAM = ours

    found = through(elsewhere)
    assert levels(found) == {**OK, "signed": "problem"}
    assert "Give it this PAYRAM" in messages(found)["signed"]


# Something else answers


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        ("301 Moved", b"", {"Location": "/payram/webhook"}, "redirects to /payram/webhook, which"),
        (
            "301 Moved",
            b"",
            {"Location": "//www.shop.example/payram/webhook/"},
            "//www.shop.example/payram/webhook/, wh",
        ),
        (
            "302 Found",
            b"",
            {"Location": "/accounts/login/?next=/payram/webhook/"},
            "redirects to /accounts/login/, which",
        ),
        ("302 Found", b"", {"Location": "http://[nowhere"}, "redirects to http://[nowhere, which"),
        ("307 Other", b"{}", {}, "redirects to"),
        ("400 Bad", b"<h1>Bad Request (400)</h1>", {}, "(400). Check ALLOWED_HOSTS"),
        ("401 No", b"<h1>Password</h1>", {}, "(401). Check"),
        ("403 No", b"<h1>CSRF verification failed.</h1>", {}, "(403). Check"),
        ("403 No", b"denied", {}, "(403). Check"),
        ("404 No", b"404 page not found", {}, "(404). Check"),
        ("405 No", b"", {}, "(405). Check"),
        ("500 Error", b"<h1>Server Error (500)</h1>", {}, "(500). Check"),
        ("502 Bad", b"<h1>Bad Gateway</h1>", {}, "(502). Check"),
        ("200 OK", b"<!doctype html><title>Shop</title>", {}, "Something else answers at http://127.0.0.1"),
        ("200 OK", b"OK", {}, "Something else answers at http://127.0.0.1"),
        ("200 OK", b"{}", {}, "Something else answers at http://127.0.0.1"),
        ("403 No", b'{"message": "Forbidden"}', {}, "answers with status 403 (Forbidden)"),
    ],
)
def test_what_answers_in_the_webhooks_place_is_one_problem(status, body, headers, words):
    found = through(always(status, body, **headers))
    assert levels(found) == {"ping": "problem"}
    assert words in messages(found)["ping"]


def test_django_s_own_redirect_to_https_is_a_problem(settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None
    settings.SECURE_REDIRECT_EXEMPT = []
    assert "redirects to https://127.0.0.1" in messages(through(Shop()))["ping"]


def test_django_s_own_refusal_of_the_host_is_a_problem(settings):
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    assert "(400). Check ALLOWED_HOSTS" in messages(through(Shop()))["ping"]


def test_a_secret_in_a_redirect_is_not_repeated():
    found = through(always("302 Found", Location="/login/?token=hunter2"))
    assert "hunter2" not in messages(found)["ping"]


FINE = always("200 OK", b'{"message": "The test webhook arrived."}', "application/json")


def first_fine(then):
    """Answer the test webhook as the shop does, and all that follows in another way."""
    answers = iter([FINE])

    def app(environ, start_response):
        return next(answers, then)(environ, start_response)

    return app


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (FINE, {"key-header": ("problem", "status 200"), "signed": ("ok", "accepted")}),
        (
            always("500 Oops", b'{"message": "Oops"}'),
            {"key-header": ("problem", "status 500 (Oops)"), "signed": ("problem", "status 500 (Oops)")},
        ),
        (
            always("403 No", b"<h1>No</h1>"),
            {"key-header": ("problem", "Something else"), "signed": ("problem", "Something else")},
        ),
        (
            always("302 Found", Location="/login/"),
            {"key-header": ("problem", "redirects"), "signed": ("problem", "redirects")},
        ),
    ],
)
def test_each_webhook_is_judged_on_its_own(then, expected):
    ping, *found = through(first_fine(then))
    assert ping.level == doctor.Level.OK
    assert levels(found) == {check: level for check, (level, _words) in expected.items()}
    for finding in found:
        assert expected[finding.check][1] in finding.message


# No answer at all


def test_a_name_that_does_not_resolve_is_a_problem():
    (ping,) = sent_to("https://shop.no-such-host.invalid")
    assert "https://shop.no-such-host.invalid/payram/webhook/ gives no answer." in ping.message


def test_nothing_listening_is_a_problem():
    (ping,) = sent_to(closed_port())
    assert "gives no answer. The connection failed" in ping.message


def test_a_port_that_does_not_exist_is_a_problem():
    (ping,) = sent_to("https://shop.example.com:99999")
    assert "gives no answer" in ping.message


def test_a_port_without_tls_is_a_problem():
    with answering(FINE) as url:
        (ping,) = sent_to(url.replace("http://", "https://"))
    assert "The TLS certificate or handshake failed." in ping.message


def test_a_site_too_busy_to_answer_is_a_problem(monkeypatch):
    monkeypatch.setattr("django_payram.doctor.connection.READ", 0.2)
    monkeypatch.setattr("django_payram.doctor.connection.DEADLINE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        (ping,) = sent_to(f"http://127.0.0.1:{mute.getsockname()[1]}")
    assert "The answer timed out." in ping.message


def test_a_shop_without_a_usable_project_still_tests_the_way(settings):
    settings.PAYRAM = {"default": {}}
    found = through(Shop())
    assert levels(found) == {"ping": "ok", "key-header": "problem"}
    assert "(500)" in messages(found)["key-header"]


@pytest.mark.urls("tests.doctor.without_urls")
def test_a_shop_without_our_urls_sends_nothing():
    assert sent_to("https://shop.example.com") == []
