"""Every system check is registered, silent on a good shop, and speaks the words of conf."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from django_payram import conf
from django_payram.conf import checks
from django_payram.signals import payment_paid

KEY = "00112233445566778899aabbccddeeff"
URL = "https://pay.example.com"
GOOD = {"BASE_URL": URL, "API_KEY": KEY}

CHECKS = {
    checks.check_setting: False,
    checks.check_receivers: False,
    checks.check_relations: False,
    checks.check_ssl_redirect: False,
    checks.check_policy: False,
    checks.check_webhook_address: False,
    checks.check_deployment: True,
}
"""Each check, and whether it waits for ``check --deploy``."""

ERRORS = [
    ("E001", {"default": 5}),
    ("E001", {}),
    ("E002", {"default": {**GOOD, "API_KEYS": [KEY]}}),
    ("E003", {"default": {"API_KEY": KEY}}),
    ("E003", {"default": {**GOOD, "BASE_URL": "http://pay.example.com"}}),
    ("E004", {"default": {"BASE_URL": URL}}),
    ("E004", {"default": {**GOOD, "WEBHOOK_KEYS": [" "]}}),
    ("E005", {"default": {**GOOD, "DEADLINE": "soon"}}),
    ("E006", {"eu": GOOD, "us": GOOD}),
]


def warned_of(id_):
    """Return the warnings of one id that a deployment gets."""
    return [warning for warning in checks.check_deployment() if warning.id == f"django_payram.{id_}"]


@pytest.fixture
def _without_receivers(monkeypatch):
    """Nobody listens to payment_paid."""
    monkeypatch.setattr(payment_paid, "receivers", [])
    payment_paid.sender_receivers_cache.clear()


@pytest.fixture
def _with_a_receiver():
    """Somebody listens to payment_paid."""

    def receiver(**_kwargs):
        pass

    payment_paid.connect(receiver)
    yield
    payment_paid.disconnect(receiver)


def listed(**options):
    """Return what Django's own run of our checks says."""
    return django_checks.run_checks(tags=["django_payram"], **options)


# --- registration ----------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_check_is_registered(check):
    assert check.tags == ("django_payram",)
    assert (check in registry.deployment_checks) is CHECKS[check]
    assert (check in registry.registered_checks) is not CHECKS[check]


def test_no_other_check_is_registered():
    ours = [
        check
        for check in registry.get_checks(include_deployment_checks=True)
        if check.__module__.startswith("django_payram")
    ]
    assert sorted(ours, key=str) == sorted(CHECKS, key=str)


# --- a good shop -----------------------------------------------------------------------------


@pytest.mark.usefixtures("_with_a_receiver")
def test_a_good_setting_is_passed_in_silence(settings):
    settings.PAYRAM = {"default": GOOD}
    assert listed(include_deployment_checks=True) == []


@pytest.mark.usefixtures("_with_a_receiver")
def test_the_suites_own_setting_passes_manage_py_check(capsys):
    call_command("check", "--tag", "django_payram", "--fail-level", "WARNING")
    assert "no issues" in capsys.readouterr().out


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_with_a_receiver")
@pytest.mark.parametrize(("id_", "setting"), ERRORS)
def test_what_is_wrong_is_an_error_with_the_words_of_conf(settings, id_, setting):
    """F40."""
    settings.PAYRAM = setting
    (problem,) = conf.problems()
    said = django_checks.Error(problem.message, hint=problem.hint, id=f"django_payram.{id_}")
    assert checks.check_setting() == [said]
    assert listed() == [said]


@pytest.mark.parametrize("setting", [setting for id_, setting in ERRORS if setting and id_ != "E006"])
def test_using_the_project_says_the_same_as_checking_it(settings, setting):
    settings.PAYRAM = setting
    (error,) = checks.check_setting()
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.project()
    assert str(caught.value) == f"{error.msg} {error.hint}"


def test_a_missing_setting_is_an_error(settings):
    del settings.PAYRAM
    (error,) = checks.check_setting()
    assert error.msg == "The setting PAYRAM is missing."
    assert error.hint == "Add PAYRAM to your settings, as the README shows."
    with pytest.raises(ImproperlyConfigured, match=error.msg):
        conf.project()


@pytest.mark.django_db  # since Django 6.1 the command looks at the database as well
@pytest.mark.usefixtures("_with_a_receiver")
def test_a_broken_setting_stops_manage_py(settings):
    settings.PAYRAM = {"default": {"BASE_URL": URL}}
    with pytest.raises(SystemCheckError, match=r"django_payram\.E004"):
        call_command("check")


def test_one_check_lists_all_its_problems(settings):
    settings.PAYRAM = {name: {"BASE_URL": URL} for name in ("eu", "us")}
    assert [error.msg[:12] for error in checks.check_setting()] == ["PAYRAM['eu']", "PAYRAM['us']"]


# --- warnings --------------------------------------------------------------------------------


@pytest.mark.usefixtures("_without_receivers")
def test_nobody_listening_to_payment_paid_is_a_warning():
    """D9."""
    said = django_checks.Warning(
        "No receiver is connected to payment_paid.",
        hint="Connect one in a module payram_receivers.py of an installed app, as the README shows.",
        id="django_payram.W001",
    )
    assert checks.check_receivers() == [said]
    assert said in listed()


@pytest.mark.usefixtures("_with_a_receiver")
def test_a_receiver_silences_the_warning():
    assert checks.check_receivers() == []


@pytest.mark.usefixtures("_without_receivers")
def test_a_receiver_of_other_senders_does_not():
    def receiver(**_kwargs):
        pass

    payment_paid.connect(receiver, sender=Path)
    assert [warning.id for warning in checks.check_receivers()] == ["django_payram.W001"]


@pytest.mark.parametrize(
    ("redirect", "header", "exempt", "warned"),
    [
        (True, None, [], True),
        (True, ("HTTP_X_FORWARDED_PROTO", "https"), [], False),
        (True, None, [r"^payram/webhook/?$"], False),
        (True, None, ["^health", "payram/"], False),
        (True, None, [r"^payram/webhook/$"], True),
        (True, None, [r"^/payram/webhook"], True),
        (False, None, [], False),
        (False, ("HTTP_X_FORWARDED_PROTO", "https"), [], False),
    ],
)
def test_a_redirect_to_https_that_may_meet_the_webhook_is_a_warning(settings, redirect, header, exempt, warned):
    """F14: the webhook would be answered with a redirect."""
    settings.SECURE_SSL_REDIRECT = redirect
    settings.SECURE_PROXY_SSL_HEADER = header
    settings.SECURE_REDIRECT_EXEMPT = exempt
    said = django_checks.Warning(
        "SECURE_SSL_REDIRECT is on and SECURE_PROXY_SSL_HEADER is not set.",
        hint=(
            "Behind a proxy that ends TLS, PayRam's webhook would get a redirect and be lost: set the header, or list "
            "the webhook in SECURE_REDIRECT_EXEMPT."
        ),
        id="django_payram.W002",
    )
    assert checks.check_ssl_redirect() == ([said] if warned else [])


def test_a_redirect_is_a_warning_also_for_a_shop_that_has_no_urls_of_ours_yet(settings):
    settings.ROOT_URLCONF = "tests.test_layers"
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None
    settings.SECURE_REDIRECT_EXEMPT = ["payram"]
    assert [warning.id for warning in checks.check_ssl_redirect()] == ["django_payram.W002"]


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"BASE_URL": "http://pay.example.com", "ALLOW_HTTP": True}, True),
        ({"BASE_URL": "http://127.0.0.1:8080"}, True),
        ({"BASE_URL": "https://pay.example.com"}, False),
    ],
)
def test_plain_http_is_a_warning_before_deploying(settings, options, warned):
    settings.PAYRAM = {"eu": {**GOOD, **options}}
    said = django_checks.Warning(
        "PAYRAM['eu']['BASE_URL'] uses http: everyone on the way can read the key.",
        hint="Use https. The same key can create payouts.",
        id="django_payram.W003",
    )
    assert warned_of("W003") == ([said] if warned else [])
    assert said not in listed()
    assert (said in listed(include_deployment_checks=True)) is warned


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"API_KEY": "k" * 15}, True),
        ({"API_KEY": "k" * 16}, False),
        ({"API_KEY": [KEY, "k" * 15]}, True),
        ({"API_KEY": KEY, "WEBHOOK_KEYS": ["k"]}, True),
        ({"API_KEY": KEY, "WEBHOOK_KEYS": ["k" * 16]}, False),
    ],
)
def test_a_short_key_is_a_warning_before_deploying(settings, options, warned):
    settings.PAYRAM = {"eu": {**GOOD, **options}}
    said = django_checks.Warning(
        "PAYRAM['eu'] has a key of fewer than 16 characters.",
        hint="Make a new key in PayRam's dashboard.",
        id="django_payram.W004",
    )
    assert warned_of("W004") == ([said] if warned else [])
    assert said not in listed()
    assert (said in listed(include_deployment_checks=True)) is warned


@pytest.mark.parametrize(
    ("base_url", "warned"),
    [
        ("http://127.0.0.1:8001", True),
        ("https://localhost/payram", True),
        ("http://[::1]:8001", True),
        ("https://pay.example.com", False),
        ("https://localhost.example.com", False),
    ],
)
@pytest.mark.parametrize("debug", [True, False])
def test_a_payram_on_this_machine_is_a_warning_before_deploying(settings, base_url, warned, debug):
    settings.DEBUG = debug
    settings.PAYRAM = {"eu": {**GOOD, "BASE_URL": base_url}}
    said = django_checks.Warning(
        "PAYRAM['eu']['BASE_URL'] points at this machine, where payram_sandbox listens.",
        hint="Its money is pretended. Use the address of your PayRam server, or silence this if it runs here.",
        id="django_payram.W005",
    )
    assert warned_of("W005") == ([said] if warned else [])
    assert said not in listed()
    assert (said in listed(include_deployment_checks=True)) is warned


@pytest.mark.parametrize(("options", "warned"), [({"CONFIRM_WEBHOOKS": False}, True), ({}, False)])
def test_believing_webhooks_is_a_warning_before_deploying(settings, options, warned):
    settings.PAYRAM = {"eu": {**GOOD, **options}}
    said = django_checks.Warning(
        "PAYRAM['eu']['CONFIRM_WEBHOOKS'] is False: who has read one webhook can forge the next.",
        hint="Each webhook carries the key. Leave the option True, so that PayRam is asked before money counts.",
        id="django_payram.W006",
    )
    assert warned_of("W006") == ([said] if warned else [])
    assert said not in listed()
    assert (said in listed(include_deployment_checks=True)) is warned


def test_one_key_for_two_projects_is_an_error_before_deploying_as_well(settings):
    settings.PAYRAM = {"eu": GOOD, "us": GOOD}
    assert "django_payram.E006" in [message.id for message in listed(include_deployment_checks=True)]


def test_a_warning_can_be_silenced(settings):
    settings.PAYRAM = {"eu": {**GOOD, "BASE_URL": "https://localhost"}}
    settings.SILENCED_SYSTEM_CHECKS = ["django_payram.W005"]
    (said,) = warned_of("W005")
    assert said.is_silenced()


@pytest.mark.django_db  # since Django 6.1 the command looks at the database as well
@pytest.mark.usefixtures("_with_a_receiver")
def test_manage_py_check_deploy_shows_every_warning(settings, capsys):
    settings.PAYRAM = {
        "eu": {"BASE_URL": "http://127.0.0.1:8001", "API_KEY": "k", "CONFIRM_WEBHOOKS": False},
    }
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", "--deploy", "--tag", "django_payram", "--fail-level", "WARNING")
    assert re.findall(r"django_payram\.(\w+)\)", str(caught.value)) == ["W003", "W004", "W005", "W006"]


def test_a_broken_setting_does_not_break_the_warnings(settings):
    settings.PAYRAM = {"default": {"BASE_URL": URL, "API_KEY": ""}}
    assert checks.check_deployment() == []
    del settings.PAYRAM
    assert checks.check_deployment() == []


@pytest.mark.usefixtures("_without_receivers")
def test_no_message_shows_a_key(settings):
    """F42."""
    key = "short-and-shared"
    settings.PAYRAM = {
        "eu": {"BASE_URL": "http://pay.example.com", "API_KEY": [key, f"{key} "]},
        "us": {"BASE_URL": URL, "API_KEY": key, "WEBHOOK_KEYS": ["k"]},
    }
    said = "".join(str(message) for message in listed(include_deployment_checks=True))
    assert "django_payram.E006" in said
    assert key not in said
