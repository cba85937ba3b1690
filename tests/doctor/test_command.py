"""The command payram_doctor, and what holds for a diagnosis as a whole."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError
from django.test import override_settings

from django_payram import doctor
from django_payram.doctor import Finding, Level
from tests.commands import run_command
from tests.conftest import statements

KEY = "00112233445566778899aabbccddeeff"
OFFLINE = {"BASE_URL": "https://pay.no-such-host.invalid", "API_KEY": KEY}


def run(*args):
    """Return the exit code and the text of the command."""
    return run_command("payram_doctor", *args)


@pytest.mark.django_db
def test_a_sound_shop_leaves_with_0(payram):
    code, text = run()
    assert code == 0
    assert text.endswith("All is well.\n")
    assert "ok       [default] PayRam accepts the key.\n" in text
    assert "ok       The setting PAYRAM is sound.\n" in text


@pytest.mark.django_db
def test_a_problem_leaves_with_1(payram):
    payram.sandbox.inject_fault(None, "unauthorized")
    code, text = run()
    assert code == 1
    assert text.endswith("Problems: 1, warnings: 0.\n")
    assert "problem  [default] PayRam refuses the key with status 401." in text


@pytest.mark.django_db
def test_warnings_alone_leave_with_0(payram):
    with override_settings(SECURE_SSL_REDIRECT=True, SECURE_PROXY_SSL_HEADER=None, SECURE_REDIRECT_EXEMPT=[]):
        code, text = run()
    assert code == 0
    assert text.endswith("Problems: 0, warnings: 1.\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--project", "nobody"], r"no project 'nobody'. It has: default\."),
        (["--public-url", "shop.example.com"], "must be like https://shop"),
        (["--public-url", "https://staff:word@shop.example.com"], "must be like https://shop"),
    ],
)
def test_bad_arguments_leave_with_2(args, words):
    with pytest.raises(CommandError, match=words) as caught:
        run(*args)
    assert caught.value.returncode == 2


@pytest.mark.django_db
def test_json_is_one_object(payram):
    code, text = run("--json")
    report = json.loads(text)
    assert code == 0
    assert report["ok"] is True
    assert set(report["findings"][0]) == {"check", "level", "message", "project", "count", "seconds"}
    assert {finding["level"] for finding in report["findings"]} == {"ok"}


@pytest.mark.django_db
def test_json_shows_a_problem_and_leaves_with_1(payram):
    payram.sandbox.inject_fault(None, "unauthorized")
    code, text = run("--json")
    report = json.loads(text)
    problems = [finding["check"] for finding in report["findings"] if finding["level"] == "problem"]
    assert (code, report["ok"], problems) == (1, False, ["key"])


@pytest.mark.django_db
def test_the_levels_are_coloured_on_demand(payram):
    _code, text = run("--force-color")
    assert "\x1b[32;1mok      \x1b[0m" in text


@pytest.mark.django_db
def test_one_project_can_be_looked_at_alone(payram, settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**OFFLINE, "API_KEY": "another-key-of-the-eu-shop"}}
    assert run()[0] == 1
    code, text = run("--project", "default")
    assert code == 0
    assert "[default]" in text
    assert "[eu]" not in text


@pytest.mark.django_db
def test_broken_settings_are_diagnosed_rather_than_stopped_by_system_checks(settings):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": " "}}
    code, text = run()
    assert code == 1
    assert "problem  PAYRAM['default']['API_KEY'] holds a blank key" in text


@pytest.mark.django_db
def test_a_broken_project_does_not_hide_the_others(payram, settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {"BASE_URL": "", "API_KEY": ""}}
    code, text = run()
    assert code == 1
    assert "ok       [default] PayRam accepts the key." in text


@pytest.mark.not_in("https", "tls", reason="the site that is started here speaks no TLS")
@pytest.mark.django_db(transaction=True)
def test_a_public_url_makes_the_shop_send_webhooks_to_itself(payram, live_server):
    _code, text = run("--public-url", live_server.url)
    assert f"ok       A test webhook to {live_server.url}/payram/webhook/ arrives." in text
    assert "ok       [default] A signed webhook of this project is accepted." in text


# Nothing leaks, nothing changes


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "kind", [None, "html", "redirect", "unauthorized", "broken", "gateway", "not_json", "cut_body"]
)
def test_no_output_holds_a_key_or_a_signature(payram, live_server, settings, kind, caplog):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "WEBHOOK_KEYS": ["a-second-key-for-webhooks"]}}
    if kind:
        payram.sandbox.inject_fault(None, kind)
    texts = [run("--public-url", live_server.url)[1], run("--public-url", live_server.url, "--json")[1], caplog.text]
    for text in texts:
        assert KEY not in text
        assert "a-second-key" not in text
        assert "sha256=" not in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"The server says {KEY}.", "The server says [key]."),
        ("PayRam 3\x1b[2J answers.", "PayRam 3 [2J answers."),
        ("9" * 10_000, "9" * 500),
    ],
)
def test_words_of_other_servers_are_made_harmless(settings, monkeypatch, said, shown):
    settings.PAYRAM = {"default": OFFLINE}
    monkeypatch.setattr(doctor, "CHECKS", [lambda _scope: [Finding("key", Level.PROBLEM, said)]])
    (finding,) = doctor.examine(doctor.Scope())
    assert finding.message == shown


@pytest.mark.django_db(transaction=True)
def test_nothing_is_created_and_nothing_written(payram, live_server):
    with statements() as executed:
        run("--public-url", live_server.url)
    assert payram.sandbox.payments() == []
    assert executed
    assert [statement for statement in executed if statement.startswith(("INSERT", "UPDATE", "DELETE"))] == []
