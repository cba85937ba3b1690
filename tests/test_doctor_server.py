"""From the shop to PayRam: every hop that can break is named."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.test import override_settings

from django_payram import doctor
from django_payram.doctor import Level
from django_payram.doctor.server import servers
from django_payram.sandbox import Sandbox
from tests.doctor_certificate import PEM

KEY = "00112233445566778899aabbccddeeff"


def visit(url, **options):
    """Return what is found on the way to a PayRam at ``url``, by the name of the check."""
    with override_settings(PAYRAM={"default": {"BASE_URL": url, "API_KEY": KEY, "TIMEOUT": (1, 1), **options}}):
        return {finding.check: finding for finding in servers(doctor.scope())}


def levels(found):
    return {check: str(finding.level) for check, finding in found.items()}


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def answering(app, *, tls=None):
    """Serve ``app`` and yield its address."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def always(status, body=b"", content_type="text/html", **headers):
    def app(environ, start_response):
        names = [(name.replace("_", "-"), value) for name, value in headers.items()]
        start_response(status, [("Content-Type", content_type), *names])
        return [body]

    return app


@pytest.fixture
def sandbox():
    with Sandbox(api_key=KEY).serve() as running:
        yield running


# All is well


def test_a_new_server_tells_its_version(sandbox):
    found = visit(sandbox.url)
    assert levels(found) == {"dns": "ok", "server": "ok", "key": "ok"}
    assert found["server"].message == "PayRam 3.8.2 answers at 127.0.0.1."
    assert found["dns"].message == "The name 127.0.0.1 resolves."


@pytest.mark.parametrize("vintage", ["2024", "faq", "2025-11"])
def test_an_older_server_is_known_by_its_greeting(vintage):
    with Sandbox(api_key=KEY, vintage=vintage).serve() as running:
        found = visit(running.url)
    assert levels(found) == {"dns": "ok", "server": "ok", "key": "ok"}
    assert "older PayRam" in found["server"].message


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
    assert seen == [
        ("/api/v1/health", None, None),
        ("/api/v1/version", None, None),
        ("/", None, None),
        ("/api/v1/payment", KEY, None),
    ]


# The key


def test_a_wrong_key_is_a_problem(sandbox):
    found = visit(sandbox.url, API_KEY="not-the-key-of-this-server")
    assert found["key"].level == Level.PROBLEM
    assert "refuses the key with status 401" in found["key"].message


@pytest.mark.parametrize(
    ("status", "body", "level", "words"),
    [
        ("422 No", b"{}", "ok", "accepts the key"),
        ("200 OK", b'{"code": 3, "message": "The request is invalid."}', "ok", "accepts the key"),
        ("200 OK", b'{"error": {"code": 5, "message": "No wallet."}}', "ok", "accepts the key"),
        ("200 OK", b"{}", "warning", "answered 200"),
        ("403 No", b"{}", "problem", "refuses the key with status 403"),
        ("403 No", b"<h1>Bots keep out</h1>", "problem", "bars the call with status 403"),
        ("401 No", b"<h1>Password</h1>", "problem", "bars the call with status 401"),
        ("404 No", b"{}", "problem", "API is not at 127.0.0.1"),
        ("409 No", b"{}", "warning", "answered 409"),
        ("429 No", b"{}", "warning", "answered 429"),
        ("500 No", b"{}", "problem", "answers with status 500"),
        ("200 OK", b"<!doctype html>", "problem", "front end"),
        ("302 No", b"", "problem", "redirects to http://127.0.0.1"),
    ],
)
def test_each_answer_to_the_key_has_its_meaning(status, body, level, words):
    def app(environ, start_response):
        if environ["REQUEST_METHOD"] == "GET":
            return always("200 OK", b'{"version": "3.8.2"}')(environ, start_response)
        return always(status, body)(environ, start_response)

    with answering(app) as url:
        key = visit(url)["key"]
    assert (str(key.level), words in key.message) == (level, True)


# Who answers


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("html", "points at PayRam's front end"),
        ("redirect", "redirects to http://localhost:"),
        ("broken", "answers with status 500"),
        ("gateway", "answers with status 502"),
        ("huge_body", "larger than any"),
        ("cut_body", "broke off"),
    ],
)
def test_an_answer_that_is_not_payrams_is_a_problem_and_the_key_is_kept(sandbox, kind, words):
    sandbox.misbehave(None, kind)
    found = visit(sandbox.url)
    assert levels(found) == {"dns": "ok", "server": "problem"}
    assert words in found["server"].message
    assert {call.method for call in sandbox.calls} == {"GET"}


def test_a_redirect_to_nowhere_is_still_told():
    with answering(always("302 Found", Location="http://[nowhere")) as url:
        assert "redirects to" in visit(url)["server"].message


def test_a_redirect_is_told_without_its_query():
    with answering(always("302 Found", Location="https://sso.example/login?token=secret")) as url:
        message = visit(url)["server"].message
    assert "https://sso.example/login" in message
    assert "secret" not in message


def test_a_server_that_does_not_introduce_itself_is_a_warning():
    with answering(always("404 Not Found", b"nothing")) as url:
        assert visit(url)["server"].level == Level.WARNING


def healthy(**facts):
    return always("200 OK", json.dumps({"version": "3.8.2", **facts}).encode(), "application/json")


@pytest.mark.parametrize(
    ("facts", "parts"),
    [
        ({"status": "degraded", "db": "ok"}, "status"),
        ({"status": "ok", "db": "down", "workers": {"b": "FATAL", "a": "STOPPED", "c": "RUNNING"}}, "a, b, db"),
    ],
)
def test_parts_that_do_not_run_are_named(facts, parts):
    with answering(healthy(**facts)) as url:
        found = visit(url)
    assert found["workers"].level == Level.WARNING
    assert f"do not run: {parts}." in found["workers"].message


def test_facts_of_an_unknown_kind_are_passed_over():
    with answering(healthy(status=1, db={"up": True}, workers={"a": {"state": "RUNNING"}})) as url:
        assert "workers" not in visit(url)
    with answering(healthy(workers=["a"])) as url:
        assert "workers" not in visit(url)


def test_a_version_cannot_send_control_characters_to_the_terminal():
    with answering(always("200 OK", json.dumps({"version": "3\x1b[2J"}).encode())) as url:
        assert visit(url)["server"].message.startswith("PayRam 3 [2J answers")


# The way


def test_a_name_that_does_not_resolve_is_named():
    found = visit("https://pay.no-such-host.invalid")
    assert levels(found) == {"dns": "problem"}
    assert "pay.no-such-host.invalid cannot be resolved" in found["dns"].message


def test_a_name_that_is_none_does_not_resolve():
    assert levels(visit(f"https://{'a' * 70}.example")) == {"dns": "problem"}


def test_nothing_listening_is_named_with_its_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = visit(f"http://127.0.0.1:{port}")
    assert f"127.0.0.1 refuses connections on port {port}." in found["server"].message


def test_a_server_that_says_nothing_is_named():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = visit(f"http://127.0.0.1:{mute.getsockname()[1]}", TIMEOUT=(0.2, 0.2), DEADLINE=1)
    assert "gave no answer in time" in found["server"].message


def test_a_proxy_of_the_environment_resolves_the_name_and_is_named_when_it_is_down(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    found = visit("https://pay.no-such-host.invalid")
    assert "through the proxy" in found["dns"].message
    assert "proxy could not be reached" in found["server"].message


def test_plain_http_is_a_warning():
    found = visit("http://pay.no-such-host.invalid", ALLOW_HTTP=True)
    assert levels(found) == {"http": "warning", "dns": "problem"}


def test_plain_http_to_this_machine_is_none(sandbox):
    assert "http" not in visit(sandbox.url)


# TLS


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "localhost.pem"
    path.write_text(PEM)
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_vouches_for_is_a_problem_with_openssls_reason(tls):
    with answering(healthy(), tls=tls) as url:
        found = visit(url)
    assert levels(found) == {"dns": "ok", "tls": "problem"}
    assert re.search(r"is not trusted \(self.signed certificate\)", found["tls"].message)


def test_a_trusted_certificate_is_told(tls, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with answering(healthy(), tls=tls) as url:
        found = visit(url)
    assert found["tls"].level == found["server"].level == Level.OK


def test_https_to_a_port_that_speaks_http_is_a_tls_problem(sandbox):
    found = visit(sandbox.url.replace("http://", "https://"))
    assert levels(found) == {"dns": "ok", "tls": "problem"}
    assert "handshake" in found["tls"].message
