"""From the shop to PayRam: whether the server answers and accepts the key."""

from __future__ import annotations

import json
import socket

import pytest
from django.test import override_settings

from django_payram import doctor
from django_payram.doctor.connection import check_connection
from django_payram.sandbox import Sandbox
from tests.doctor.serving import always, answering, levels, messages
from tests.servers import CERTIFICATE, closed_port, raw_server
from tests.servers import http as answer

KEY = "00112233445566778899aabbccddeeff"
OK = {"server": "ok", "key": "ok"}


def visit(url, **options):
    """Return what is found about a PayRam server at ``url``."""
    with override_settings(PAYRAM={"default": {"BASE_URL": url, "API_KEY": KEY, "TIMEOUT": (30, 30), **options}}):
        return list(check_connection(doctor.Scope()))


@pytest.fixture
def sandbox():
    with Sandbox(api_key=KEY).serve() as running:
        yield running


# All is well


def test_a_new_server_gives_its_version(sandbox):
    found = visit(sandbox.url)
    assert levels(found) == OK
    assert messages(found) == {"server": "PayRam 3.8.2 answers.", "key": "PayRam accepts the key."}


@pytest.mark.parametrize("version", ["2024", "faq", "2025-11"])
def test_an_older_server_gives_no_version(version):
    with Sandbox(api_key=KEY, api_version=version).serve() as running:
        found = visit(running.url)
    assert levels(found) == OK
    assert "without telling a version" in messages(found)["server"]


def test_the_key_is_checked_without_creating_a_payment(sandbox):
    visit(sandbox.url)
    assert [(call.method, call.path, call.status) for call in sandbox.calls] == [
        ("GET", "/api/v1/health", 200),
        ("POST", "/api/v1/payment", 400),
    ]
    assert sandbox.payments() == []


def test_only_the_call_that_checks_the_key_carries_it_and_none_carries_authorization():
    seen = []

    def app(environ, start_response):
        seen.append((environ["PATH_INFO"], environ.get("HTTP_API_KEY"), environ.get("HTTP_AUTHORIZATION")))
        return always("404 Not Found", b"{}", "application/json")(environ, start_response)

    with answering(app) as url:
        visit(url)
    assert seen == [("/api/v1/health", None, None), ("/api/v1/payment", KEY, None)]


def test_each_project_is_examined(sandbox, settings):
    default = {"BASE_URL": sandbox.url, "API_KEY": KEY}
    settings.PAYRAM = {"default": default, "eu": {**default, "API_KEY": "the-key-of-the-eu-shop"}}
    found = [(finding.project, finding.check, str(finding.level)) for finding in check_connection(doctor.Scope())]
    assert found == [
        ("default", "server", "ok"),
        ("default", "key", "ok"),
        ("eu", "server", "ok"),
        ("eu", "key", "problem"),
    ]


# The key


def test_a_wrong_key_is_a_problem(sandbox):
    found = visit(sandbox.url, API_KEY="not-the-key-of-this-server")
    assert levels(found) == {**OK, "key": "problem"}
    assert "refuses the key with status 401" in messages(found)["key"]


@pytest.mark.parametrize(
    ("status", "body", "level", "words"),
    [
        ("422 No", b"{}", "ok", "accepts the key"),
        ("200 OK", b"{}", "warning", "answered 200"),
        ("403 No", b"{}", "problem", "refuses the key with status 403"),
        ("403 No", b"<h1>Bots keep out</h1>", "problem", "answers 403 with a web page"),
        ("401 No", b"<h1>Password</h1>", "problem", "answers 401 with a web page"),
        ("404 No", b"{}", "problem", "API is not at http://127.0.0.1"),
        ("409 No", b"{}", "warning", "answered 409"),
        ("429 No", b"{}", "warning", "answered 429"),
        ("500 No", b"{}", "problem", "answers with status 500"),
        ("200 OK", b"<!doctype html>", "problem", "answers 200 with a web page"),
        ("302 No", b"", "problem", "redirects"),
    ],
)
def test_each_answer_to_the_key_has_its_meaning(status, body, level, words):
    def app(environ, start_response):
        if environ["REQUEST_METHOD"] == "GET":
            return always("200 OK", b'{"version": "3.8.2"}')(environ, start_response)
        return always(status, body)(environ, start_response)

    with answering(app) as url:
        found = visit(url)
    assert levels(found) == {**OK, "key": level}
    assert words in messages(found)["key"]


# Who answers


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("html", "answers 200 with a web page"),
        ("redirect", "redirects to http://localhost:"),
        ("broken", "answers with status 500"),
        ("gateway", "answers with status 502"),
        ("huge_body", "larger than"),
        ("cut_body", "broke off"),
    ],
)
def test_an_answer_that_is_not_payrams_is_a_problem_and_the_key_is_kept(sandbox, kind, words):
    sandbox.inject_fault(None, kind)
    found = visit(sandbox.url)
    assert levels(found) == {"server": "problem"}
    assert words in messages(found)["server"]
    assert {call.method for call in sandbox.calls} == {"GET"}


def test_a_page_for_an_unknown_path_may_come_from_the_proxy_of_an_old_server():
    def app(environ, start_response):
        status = "404 No" if environ["REQUEST_METHOD"] == "GET" else "400 No"
        return always(status, b"<h1>Not found</h1>")(environ, start_response)

    with answering(app) as url:
        assert levels(visit(url)) == OK


@pytest.mark.parametrize("location", ["http://[nowhere", ""])
def test_a_redirect_to_nowhere_is_still_a_redirect(location):
    with answering(always("302 Found", Location=location)) as url:
        assert "redirects to" in messages(visit(url))["server"]


@pytest.mark.parametrize("secret", ["?token=hunter2", "#hunter2"])
def test_a_redirect_is_shown_without_its_query(secret):
    with answering(always("302 Found", Location=f"https://sso.example/login{secret}")) as url:
        message = messages(visit(url))["server"]
    assert "https://sso.example/login," in message
    assert "hunter2" not in message


def healthy(**facts):
    return always("200 OK", json.dumps({"version": "3.8.2", **facts}).encode(), "application/json")


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "degraded", "db": "ok"},
        {"status": "ok", "db": "down"},
        {"workers": {"b": "FATAL", "a": "RUNNING"}},
    ],
)
def test_parts_that_do_not_run_are_a_warning_and_the_key_is_checked_all_the_same(facts):
    with answering(healthy(**facts)) as url:
        found = visit(url)
    assert levels(found) == {"server": "warning", "key": "warning"}
    assert "PayRam 3.8.2 answers and says that parts of it do not run" in messages(found)["server"]


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "ok", "db": "UP", "workers": {"a": "RUNNING"}},
        {"status": 1, "db": {"up": True}, "workers": {"a": {"state": "STOPPED"}}},
        {"workers": ["a"]},
    ],
)
def test_facts_of_an_unknown_kind_are_passed_over(facts):
    with answering(healthy(**facts)) as url:
        assert levels(visit(url))["server"] == "ok"


@pytest.mark.parametrize("body", [b'"3.8.2"', b'{"version": 3}', b"[" * 100_000, b"\xff", b""])
def test_an_answer_without_a_version_names_none(body):
    with answering(always("200 OK", body)) as url:
        assert "without telling a version" in messages(visit(url))["server"]


# No answer at all


def test_a_name_that_does_not_resolve_is_a_problem():
    found = visit("https://pay.no-such-host.invalid")
    assert levels(found) == {"server": "problem"}
    assert "https://pay.no-such-host.invalid/api/v1/health gives no answer." in messages(found)["server"]


def test_a_name_that_is_too_long_is_a_problem():
    assert levels(visit(f"https://{'a' * 70}.example")) == {"server": "problem"}


def test_nothing_listening_is_shown_with_its_port():
    url = closed_port()
    found = visit(url)
    assert levels(found) == {"server": "problem"}
    assert f"{url}/api/v1/health gives no answer. The connection failed" in messages(found)["server"]


def test_a_server_that_says_nothing_is_a_problem():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = visit(f"http://127.0.0.1:{mute.getsockname()[1]}", TIMEOUT=(0.2, 0.2), DEADLINE=1)
    assert "The answer timed out." in messages(found)["server"]


def test_a_key_check_without_an_answer_is_a_problem_of_the_key():
    def talk(connection):
        if connection.request.startswith(b"GET"):
            connection.send(answer(200, {"version": "3.8.2"}, Connection="close"))

    with raw_server(talk) as server:
        found = visit(server.url)
    assert levels(found) == {**OK, "key": "problem"}
    assert "gives no answer" in messages(found)["key"]


def test_a_proxy_of_the_environment_that_is_down_is_named(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", closed_port())
    assert "The proxy could not be reached" in messages(visit("https://pay.no-such-host.invalid"))["server"]


# TLS


def version(connection):
    connection.send(answer(200, {"version": "3.8.2"}, Connection="close"))


def test_a_certificate_that_nobody_vouches_for_is_a_problem():
    with raw_server(version, tls=True) as server:
        found = visit(server.url)
    assert levels(found) == {"server": "problem"}
    assert "The TLS certificate or handshake failed." in messages(found)["server"]


def test_a_trusted_certificate_is_fine(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with raw_server(version, tls=True) as server:
        assert levels(visit(server.url.replace("127.0.0.1", "localhost")))["server"] == "ok"


def test_https_to_a_port_that_speaks_http_is_a_problem(sandbox):
    found = visit(sandbox.url.replace("http://", "https://"))
    assert levels(found) == {"server": "problem"}
    assert "The TLS certificate or handshake failed." in messages(found)["server"]
