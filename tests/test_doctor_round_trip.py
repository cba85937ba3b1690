"""From outside to the shop: each broken hop is named, and the key is never sent."""

from __future__ import annotations

import io
import json
import socket

import pytest
from django.core.handlers.wsgi import WSGIHandler

from django_payram import doctor
from django_payram.authentication import signature
from django_payram.doctor import Level
from django_payram.doctor.round_trip import STAND_IN, knock
from tests.test_doctor_server import always, answering

KEY = "00112233445566778899aabbccddeeff"
OK = {"ping": "ok", "unsigned": "ok", "key-header": "ok", "signed": "ok"}


def sent_to(url):
    return list(knock(doctor.scope(public_url=url, round_trip=True)))


def through(app):
    """Return what is found when ``app`` stands at the shop's public address, by the name of the check."""
    with answering(app) as url:
        return {finding.check: finding for finding in sent_to(url)}


def levels(found):
    return {check: str(finding.level) for check, finding in found.items()}


class Shop:
    """The shop itself behind a proxy that ends TLS, and loses headers or changes bodies."""

    def __init__(self, *lost, spoil=None):
        self.shop = WSGIHandler()
        self.lost = lost
        self.spoil = spoil
        self.seen = []

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.seen.append((dict(environ), body))
        body = self.spoil(body) if self.spoil else body
        environ = {name: value for name, value in environ.items() if name not in self.lost}
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ["HTTP_X_FORWARDED_PROTO"] = "https"
        return self.shop(environ, start_response)


# All is well


def test_a_shop_that_can_be_reached_is_told_so():
    with answering(Shop()) as url:
        found = sent_to(url)
    assert {finding.check: str(finding.level) for finding in found} == OK
    assert f"A test webhook to {url}/payram/webhook/ arrives." in found[0].message


def test_every_project_sends_its_own_signature(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    with answering(Shop()) as url:
        found = [finding for finding in sent_to(url) if finding.check == "signed"]
    assert [(finding.project, str(finding.level)) for finding in found] == [("default", "ok"), ("eu", "ok")]


def test_a_shop_that_requires_signatures_is_sound_as_well(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "REQUIRE_SIGNATURE": True}}
    assert levels(through(Shop())) == OK


def test_nothing_is_sent_unless_asked_for(settings):
    shop = Shop()
    with answering(shop) as url:
        assert list(knock(doctor.scope(public_url=url))) == []
        assert list(knock(doctor.scope(round_trip=True))) == []
    assert shop.seen == []


def test_the_key_never_leaves_while_signatures_do():
    shop = Shop()
    through(shop)
    headers = [{name: value for name, value in seen.items() if name.startswith("HTTP_")} for seen, _body in shop.seen]
    assert len(headers) == 4
    assert KEY not in repr(headers) + repr([body for _environ, body in shop.seen])
    assert not any("HTTP_AUTHORIZATION" in given for given in headers)
    signed = [(environ.get("HTTP_X_PAYRAM_SIGNATURE"), f"sha256={signature(KEY, body)}") for environ, body in shop.seen]
    assert [given for given, _right in signed] == [signed[0][1], None, None, signed[3][1]]


def test_the_webhooks_are_payrams_ping_and_a_harmless_event():
    shop = Shop()
    through(shop)
    assert [json.loads(body)["event_type"] for _environ, body in shop.seen] == [
        "payout.ping",
        "payout.doctor",
        "payout.doctor",
        "payout.doctor",
    ]
    assert [environ.get("HTTP_X_WEBHOOK_TEST") for environ, _body in shop.seen] == ["true", None, None, None]


# A proxy that loses something


def test_a_lost_key_header_is_named():
    found = through(Shop("HTTP_API_KEY"))
    assert levels(found) == {**OK, "key-header": "problem"}
    assert "The header API-Key does not arrive" in found["key-header"].message


def test_a_lost_signature_header_is_named():
    found = through(Shop("HTTP_X_PAYRAM_SIGNATURE"))
    assert levels(found) == {**OK, "signed": "problem"}
    assert "The header X-Payram-Signature does not arrive" in found["signed"].message


def test_both_headers_lost_are_both_named():
    found = through(Shop("HTTP_API_KEY", "HTTP_X_PAYRAM_SIGNATURE"))
    assert levels(found) == {**OK, "key-header": "problem", "signed": "problem"}
    assert "The header X-Payram-Signature does not arrive" in found["signed"].message


def test_a_changed_body_is_named():
    found = through(Shop(spoil=lambda body: body.replace(b": ", b":")))
    assert levels(found) == {**OK, "signed": "problem"}
    assert "changes the body" in found["signed"].message


@pytest.mark.parametrize("key", [KEY, STAND_IN])
def test_a_site_that_runs_with_another_key_is_named(settings, key):
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
    assert "the same setting PAYRAM" in found["signed"].message


# Something else answers


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        ("301 Moved", b"", {"Location": "/payram/webhook"}, "by APPEND_SLASH or the proxy"),
        ("301 Moved", b"", {"Location": "//www.shop.example/payram/webhook/"}, "www.shop.example/payram/webhook/ and"),
        ("302 Found", b"", {"Location": "/accounts/login/?next=/payram/webhook/"}, "/accounts/login/. Exempt /payram"),
        ("302 Found", b"", {"Location": "https://sso.example/?next=1"}, "login page https://sso.example/."),
        ("302 Found", b"", {"Location": "/sign-in"}, "login page"),
        ("307 Other", b"", {"Location": "/maintenance/"}, "/maintenance/ and lost. Take /payram/webhook/ out"),
        ("302 Found", b"", {"Location": "http://[nowhere"}, "a redirect to nowhere"),
        ("400 Bad", b"<h1>Bad Request (400)</h1>", {}, "127.0.0.1. Add it to ALLOWED_HOSTS"),
        ("401 No", b"<h1>Password</h1>", {}, "asks for a password"),
        ("403 No", b"<h1>CSRF verification failed.</h1>", {}, "CSRF protection refuses"),
        ("403 No", b"<h1>Attention!</h1>", {}, "firewall or bot protection"),
        ("403 No", b"denied", {}, "firewall or bot protection"),
        ("404 No", b"<h1>Not Found</h1>", {}, "There is nothing at /payram/webhook/"),
        ("404 No", b"404 page not found", {}, "There is nothing at /payram/webhook/"),
        ("405 No", b"", {}, "takes no POST"),
        ("413 Large", b"<h1>Too large</h1>", {}, "refuses the size"),
        ("429 Slow", b"<h1>Slow down</h1>", {}, "firewall or bot protection"),
        ("500 Error", b"<h1>Server Error (500)</h1>", {}, "fails with status 500"),
        ("502 Bad", b"<h1>Bad Gateway</h1>", {}, "does not reach the shop"),
        ("503 Down", b"<h1>Down</h1>", {}, "does not reach the shop"),
        ("504 Late", b"<h1>Late</h1>", {}, "does not reach the shop"),
        ("200 OK", b"<!doctype html><title>Shop</title>", {}, "Something else than the webhook answers"),
        ("200 OK", b"OK", {}, "Something else than the webhook answers"),
        ("200 OK", b"{}", {}, "Something else than the webhook answers"),
        ("418 Tea", b"", {}, "with status 418"),
        ("403 No", b'{"message": "Forbidden"}', {}, "answers with status 403 (Forbidden)"),
    ],
)
def test_what_answers_in_the_webhooks_place_is_named_once(status, body, headers, words):
    found = through(always(status, body, **headers))
    assert levels(found) == {"ping": "problem"}
    assert words in found["ping"].message


def test_a_redirect_to_https_is_named():
    def app(environ, start_response):
        target = f"https://{environ['HTTP_HOST']}{environ['PATH_INFO']}"
        return always("301 Moved", Location=target)(environ, start_response)

    assert "SECURE_SSL_REDIRECT" in through(app)["ping"].message


def test_django_s_own_redirect_to_https_is_named(settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None
    settings.SECURE_REDIRECT_EXEMPT = []
    assert "SECURE_SSL_REDIRECT" in through(Shop())["ping"].message


def test_django_s_own_refusal_of_the_host_is_named(settings):
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    assert "ALLOWED_HOSTS" in through(Shop())["ping"].message


def test_a_secret_in_a_redirect_is_not_repeated():
    found = through(always("302 Found", Location="/login/?token=hunter2"))
    assert "hunter2" not in found["ping"].message


def later(first, then):
    """Answer the ping in one way, and all that follows in another."""
    answers = iter([first])

    def app(environ, start_response):
        return next(answers, then)(environ, start_response)

    return app


FINE = always("200 OK", b'{"message": "The test webhook arrived."}', "application/json")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (FINE, {"unsigned": "was accepted", "key-header": "status 200", "signed": None}),
        (
            always("500 Oops", b'{"message": "Oops"}'),
            {"unsigned": "status 500 (Oops)", "key-header": "status 500 (Oops)", "signed": "status 500 (Oops)"},
        ),
        (
            always("403 No", b"<h1>No</h1>"),
            {"unsigned": "firewall", "key-header": "firewall", "signed": "firewall"},
        ),
    ],
)
def test_each_webhook_is_judged_on_its_own(then, words):
    found = through(later(FINE, then))
    assert found.pop("ping").level == Level.OK
    assert set(found) == set(words)
    for check, finding in found.items():
        assert (words[check] is None) == (finding.level == Level.OK)
        assert (words[check] or "") in finding.message


# No answer at all


def test_a_name_that_does_not_resolve_is_named():
    (ping,) = sent_to("https://shop.no-such-host.invalid")
    assert "shop.no-such-host.invalid cannot be resolved" in ping.message


def test_nothing_listening_is_named():
    with answering(FINE) as url:
        pass
    (ping,) = sent_to(url)
    assert "refuses connections" in ping.message


def test_a_port_without_tls_is_named():
    with answering(FINE) as url:
        (ping,) = sent_to(url.replace("http://", "https://"))
    assert "TLS handshake" in ping.message


def test_a_site_too_busy_to_answer_itself_is_named(monkeypatch):
    monkeypatch.setattr("django_payram.doctor.round_trip.TIMEOUT", (1, 0.2))
    monkeypatch.setattr("django_payram.doctor.round_trip.DEADLINE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        (ping,) = sent_to(f"http://127.0.0.1:{mute.getsockname()[1]}")
    assert "single worker" in ping.message


def test_a_shop_without_a_usable_project_still_tests_the_way(settings):
    settings.PAYRAM = {"default": {}}
    found = through(Shop())
    assert found["ping"].level == Level.OK
    assert "fails with status 500" in found["unsigned"].message
