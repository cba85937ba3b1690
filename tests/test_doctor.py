"""The diagnosis as a whole: settings, addresses, receivers, and the command."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import clear_script_prefix, set_script_prefix

from django_payram import doctor
from django_payram.doctor import Level
from django_payram.signals import payment_paid
from tests.conftest import statements

KEY = "00112233445566778899aabbccddeeff"
SITE = "https://shop.example.com"
OFFLINE = {"BASE_URL": "https://pay.no-such-host.invalid", "API_KEY": KEY}


def found(check, **options):
    """Return what is found under the name of a check."""
    parts = doctor.examine(doctor.scope(**options))
    return [finding for part in parts for finding in part.findings if finding.check == check]


def run(*args):
    """Return the exit code and the text of the command."""
    out = StringIO()
    try:
        call_command("payram_doctor", *args, stdout=out, stderr=out)
    except SystemExit as exc:
        return exc.code, out.getvalue()
    return 0, out.getvalue()


# The command


@pytest.mark.django_db
def test_a_sound_shop_is_told_so_and_leaves_with_0(payram):
    code, text = run()
    assert code == 0
    assert text.endswith("All is well.\n")
    assert "ok       [default] PayRam accepts the key." in text


@pytest.mark.django_db
def test_a_problem_leaves_with_1(payram):
    payram.sandbox.misbehave(None, "unauthorized")
    code, text = run()
    assert code == 1
    assert text.endswith("There is 1 problem to solve.\n")
    assert "problem  [default] PayRam refuses the key with status 401." in text


@pytest.mark.django_db
def test_warnings_alone_leave_with_0(payram):
    with override_settings(SECURE_SSL_REDIRECT=True, SECURE_PROXY_SSL_HEADER=None, SECURE_REDIRECT_EXEMPT=[]):
        code, text = run()
    assert code == 0
    assert text.endswith("Nothing is broken, and 1 warning deserves a look.\n")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "args",
    [
        ["--project", "nobody"],
        ["--public-url", "shop.example.com"],
        ["--public-url", "ftp://shop.example.com"],
        ["--public-url", "https://shop.example.com:port"],
        ["--public-url", "https://staff:word@shop.example.com"],
        ["--public-url", "https://shop.example.com/?a=b"],
        ["--public-url", "https://shop.example.com/\nHost"],
    ],
)
def test_bad_arguments_are_refused(args):
    with pytest.raises(CommandError):
        run(*args)


def test_an_unknown_project_leaves_with_2_and_names_those_there_are():
    with pytest.raises(CommandError, match=r"no project 'nobody'. It has: default\.") as caught:
        run("--project", "nobody")
    assert caught.value.returncode == 2


@pytest.mark.django_db
def test_json_is_one_object(payram):
    code, text = run("--json")
    told = json.loads(text)
    assert code == 0
    assert told["ok"] is True
    assert set(told["findings"][0]) == {"check", "level", "message", "project"}
    assert {finding["level"] for finding in told["findings"]} == {"ok"}


@pytest.mark.django_db
def test_json_tells_a_problem_and_leaves_with_1(payram):
    payram.sandbox.misbehave(None, "unauthorized")
    code, text = run("--json")
    told = json.loads(text)
    problems = [finding["check"] for finding in told["findings"] if finding["level"] == "problem"]
    assert (code, told["ok"], problems) == (1, False, ["key"])


@pytest.mark.django_db
def test_the_marks_are_coloured_on_demand(payram):
    _code, text = run("--force-color")
    assert "\x1b[32;1mok     \x1b[0m" in text


@pytest.mark.django_db
def test_one_project_can_be_looked_at_alone(payram, settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**OFFLINE, "API_KEY": "another-key-of-the-eu-shop"}}
    assert [finding.project for finding in found("dns")] == ["default", "eu"]
    assert [finding.project for finding in found("dns", only="default")] == ["default"]


@pytest.mark.django_db
def test_broken_settings_are_diagnosed_rather_than_stopped_by_system_checks(settings):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": " "}}
    code, text = run()
    assert code == 1
    assert "problem  PAYRAM['default']['API_KEY'] holds a blank key" in text


# Settings


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, {}, "https://pay.example.com", {"default": None}, {7: {}}])
def test_a_setting_of_any_other_kind_is_a_problem(settings, value):
    settings.PAYRAM = value
    assert [finding.level for finding in found("settings")] == [Level.PROBLEM]
    assert found("key") == []


@pytest.mark.django_db
def test_a_broken_project_does_not_hide_the_others(payram, settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {"BASE_URL": "", "API_KEY": ""}}
    assert [finding.level for finding in found("settings")] == [Level.PROBLEM, Level.PROBLEM]
    assert [finding.project for finding in found("key")] == ["default"]


@pytest.mark.django_db
def test_a_project_that_is_switched_off_is_a_warning(payram, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "ENABLED": False}}
    assert [finding.level for finding in found("enabled")] == [Level.WARNING]


@pytest.mark.django_db
def test_a_short_key_is_a_warning_that_does_not_show_it(settings):
    settings.PAYRAM = {"default": {**OFFLINE, "API_KEY": "hunter2hunter"}}
    (finding,) = found("short-key")
    assert finding.level == Level.WARNING
    assert "hunter2" not in finding.message


# Addresses


@pytest.mark.django_db
def test_addresses_are_whole_with_a_public_url(settings):
    settings.PAYRAM = {"default": OFFLINE}
    (webhook,), (success,), (cancel,) = (
        found(check, public_url=f"{SITE}/") for check in ("webhook-url", "success-url", "cancel-url")
    )
    assert webhook.message == "Webhook URL to paste into PayRam: https://shop.example.com/payram/webhook/"
    assert success.message == "Success URL to paste into PayRam: https://shop.example.com/payram/return/"
    assert cancel.message == "Cancel URL to paste into PayRam: https://shop.example.com/payram/return/"
    assert found("public-url", public_url=SITE) == []


@pytest.mark.django_db
def test_addresses_are_paths_without_a_public_url_and_say_how_to_get_more(settings):
    settings.PAYRAM = {"default": OFFLINE}
    assert found("webhook-url")[0].message == "Webhook URL to paste into PayRam: /payram/webhook/"
    assert "--public-url" in found("public-url")[0].message


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["http://shop.example.com", "https://localhost:8000", "http://127.0.0.1"])
def test_an_address_that_payram_does_not_send_to_is_a_warning(settings, url):
    settings.PAYRAM = {"default": OFFLINE}
    (finding,) = found("public-url", public_url=url)
    assert (finding.level, url in finding.message) == (Level.WARNING, True)


@pytest.mark.django_db
@pytest.mark.parametrize("url", [SITE, f"{SITE}/market"])
def test_the_prefix_of_a_mounted_shop_stands_once(settings, url):
    settings.PAYRAM = {"default": OFFLINE}
    set_script_prefix("/market/")
    try:
        (finding,) = found("webhook-url", public_url=url)
    finally:
        clear_script_prefix()
    assert finding.message.endswith(" https://shop.example.com/market/payram/webhook/")


urlpatterns = []


@pytest.mark.django_db
@pytest.mark.urls("tests.test_doctor")
def test_a_shop_without_our_urls_is_a_problem(settings):
    settings.PAYRAM = {"default": OFFLINE}
    (finding,) = found("urls", public_url=SITE, round_trip=True)
    assert finding.level == Level.PROBLEM
    assert 'path("payram/", include("django_payram.urls"))' in finding.message
    assert found("ping", public_url=SITE, round_trip=True) == []


# Receivers


@pytest.fixture
def deaf(monkeypatch):
    monkeypatch.setattr(payment_paid, "receivers", [])
    payment_paid.sender_receivers_cache.clear()


@pytest.mark.django_db
def test_receivers_are_named(settings):
    settings.PAYRAM = {"default": OFFLINE}
    messages = [finding.message for finding in found("receivers")]
    assert "payment_paid is heard by tests.shop.payram_receivers.mark_paid." in messages
    assert "Nobody listens to payment_canceled." in messages


class Mailer:
    def __call__(self, **kwargs):
        """Hear of a payment."""

    def send(self, **kwargs):
        """Hear of a payment."""


@pytest.mark.django_db
def test_receivers_that_are_no_functions_are_named_as_well(settings, deaf):
    settings.PAYRAM = {"default": OFFLINE}
    mailer = Mailer()
    payment_paid.connect(mailer)
    payment_paid.connect(mailer.send)
    assert found("receivers")[0].message == (
        "payment_paid is heard by tests.test_doctor.Mailer, tests.test_doctor.Mailer.send."
    )


@pytest.mark.django_db
def test_nobody_listening_to_payment_paid_is_a_problem(settings, deaf):
    """D9."""
    settings.PAYRAM = {"default": OFFLINE}
    assert [finding.level for finding in found("receivers")] == [Level.PROBLEM, Level.OK, Level.OK, Level.OK]


# Nothing leaks, nothing changes


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "kind", [None, "html", "redirect", "unauthorized", "broken", "gateway", "not_json", "cut_body"]
)
def test_no_output_holds_a_key_or_a_signature(payram, live_server, settings, kind, caplog):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "WEBHOOK_KEYS": ["a-second-key-for-webhooks"]}}
    if kind:
        payram.sandbox.misbehave(None, kind)
    texts = [run("--public-url", live_server.url)[1], run("--public-url", live_server.url, "--json")[1], caplog.text]
    for text in texts:
        assert KEY not in text
        assert "a-second-key" not in text
        assert "sha256=" not in text


def test_a_key_that_a_stranger_says_is_blackened(settings, monkeypatch):
    settings.PAYRAM = {"default": OFFLINE}
    said = doctor.Finding("key", Level.PROBLEM, f"The server says {KEY}.")
    monkeypatch.setattr(doctor, "PARTS", [("server", "PayRam", (lambda _scope: [said],))])
    (part,) = doctor.examine(doctor.scope())
    assert part.findings[0].message == "The server says [key]."


@pytest.mark.django_db(transaction=True)
def test_nothing_is_created_and_nothing_written(payram, live_server):
    with statements() as heard:
        run("--public-url", live_server.url)
    assert payram.sandbox.payments() == []
    assert heard
    assert [statement for statement in heard if statement.startswith(("INSERT", "UPDATE", "DELETE"))] == []
