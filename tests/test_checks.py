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

from django_payram import checks, conf
from django_payram.signals import payment_paid

KEY = "00112233445566778899aabbccddeeff"
URL = "https://pay.example.com"
GOOD = {"BASE_URL": URL, "API_KEY": KEY}

# check -> (its id, whether it waits for `check --deploy`)
IDS = {
    checks.check_project_names: ("django_payram.E001", False),
    checks.check_option_names: ("django_payram.E002", False),
    checks.check_base_url: ("django_payram.E003", False),
    checks.check_keys: ("django_payram.E004", False),
    checks.check_option_values: ("django_payram.E005", False),
    checks.check_shared_keys: ("django_payram.E006", False),
    checks.check_receivers: ("django_payram.W001", False),
    checks.check_ssl_redirect: ("django_payram.W002", False),
    checks.check_plain_http: ("django_payram.W003", True),
    checks.check_short_keys: ("django_payram.W004", True),
    checks.check_sandbox: ("django_payram.W005", True),
    checks.check_unconfirmed_webhooks: ("django_payram.W006", True),
}

ERRORS = [
    (checks.check_project_names, {"default": 5}),
    (checks.check_project_names, {}),
    (checks.check_option_names, {"default": {**GOOD, "API_KEYS": [KEY]}}),
    (checks.check_base_url, {"default": {"API_KEY": KEY}}),
    (checks.check_base_url, {"default": {**GOOD, "BASE_URL": "http://pay.example.com"}}),
    (checks.check_keys, {"default": {"BASE_URL": URL}}),
    (checks.check_keys, {"default": {**GOOD, "WEBHOOK_KEYS": [" "]}}),
    (checks.check_option_values, {"default": {**GOOD, "DEADLINE": "soon"}}),
    (checks.check_shared_keys, {"eu": GOOD, "us": GOOD}),
]


@pytest.fixture
def _deaf(monkeypatch):
    """Nobody listens to payment_paid."""
    monkeypatch.setattr(payment_paid, "receivers", [])
    payment_paid.sender_receivers_cache.clear()


@pytest.fixture
def _heard():
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


@pytest.mark.parametrize("check", IDS, ids=lambda check: check.__name__)
def test_the_check_is_registered(check):
    _id, on_deploy = IDS[check]
    assert check.tags == ("django_payram",)
    assert (check in registry.deployment_checks) is on_deploy
    assert (check in registry.registered_checks) is not on_deploy


def test_no_other_check_is_registered():
    ours = [
        check
        for check in registry.get_checks(include_deployment_checks=True)
        if check.__module__.startswith("django_payram")
    ]
    assert sorted(ours, key=str) == sorted(IDS, key=str)
    assert {*checks.ALWAYS, *checks.ON_DEPLOY} == set(IDS)


def test_every_id_stands_literally_in_the_module_once_and_in_a_docstring():
    source = Path(checks.__file__).read_text()
    assert sorted(re.findall(r'id="(django_payram\.\w\d{3})"', source)) == sorted(id_ for id_, _deploy in IDS.values())
    for check, (id_, on_deploy) in IDS.items():
        assert check.__doc__.startswith(id_.removeprefix("django_payram.") + (" (deploy): " if on_deploy else ": "))


# --- a good shop -----------------------------------------------------------------------------


@pytest.mark.usefixtures("_heard")
def test_a_good_setting_is_passed_in_silence(settings):
    settings.PAYRAM = {"default": GOOD}
    assert listed(include_deployment_checks=True) == []


@pytest.mark.usefixtures("_heard")
def test_the_suites_own_setting_passes_manage_py_check(capsys):
    call_command("check", "--tag", "django_payram", "--fail-level", "WARNING")
    assert "no issues" in capsys.readouterr().out


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize(("check", "setting"), ERRORS)
def test_what_is_wrong_is_an_error_with_the_words_of_conf(settings, check, setting):
    """F40."""
    settings.PAYRAM = setting
    (problem,) = conf.problems()
    said = django_checks.Error(problem.message, hint=problem.hint, id=IDS[check][0])
    assert check() == [said]
    assert listed() == [said]
    assert all(other() == [] for other in checks.ALWAYS if other is not check)


@pytest.mark.parametrize(
    ("check", "setting"), [case for case in ERRORS if case[1] and case[0] is not checks.check_shared_keys]
)
def test_using_the_project_says_the_same_as_checking_it(settings, check, setting):
    settings.PAYRAM = setting
    (error,) = check()
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.project()
    assert str(caught.value) == f"{error.msg} {error.hint}"


def test_a_missing_setting_is_an_error(settings):
    del settings.PAYRAM
    (error,) = checks.check_project_names()
    assert error.msg == "The setting PAYRAM is missing."
    assert error.hint == "Add PAYRAM to your settings, as the README shows."
    with pytest.raises(ImproperlyConfigured, match=error.msg):
        conf.project()


@pytest.mark.django_db  # since Django 6.1 the command looks at the database as well
@pytest.mark.usefixtures("_heard")
def test_a_broken_setting_stops_manage_py(settings):
    settings.PAYRAM = {"default": {"BASE_URL": URL}}
    with pytest.raises(SystemCheckError, match=r"django_payram\.E004"):
        call_command("check")


def test_one_check_lists_all_its_problems(settings):
    settings.PAYRAM = {name: {"BASE_URL": URL} for name in ("eu", "us")}
    assert [error.msg[:12] for error in checks.check_keys()] == ["PAYRAM['eu']", "PAYRAM['us']"]


# --- warnings --------------------------------------------------------------------------------


@pytest.mark.usefixtures("_deaf")
def test_nobody_listening_to_payment_paid_is_a_warning():
    """D9."""
    said = django_checks.Warning(
        "No receiver is connected to payment_paid.",
        hint="Connect one in a module payram_receivers.py of an installed app, as the README shows.",
        id="django_payram.W001",
    )
    assert checks.check_receivers() == [said]
    assert said in listed()


@pytest.mark.usefixtures("_heard")
def test_a_receiver_silences_the_warning():
    assert checks.check_receivers() == []


@pytest.mark.usefixtures("_deaf")
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
    assert checks.check_plain_http() == ([said] if warned else [])
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
    assert checks.check_short_keys() == ([said] if warned else [])
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
    assert checks.check_sandbox() == ([said] if warned else [])
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
    assert checks.check_unconfirmed_webhooks() == ([said] if warned else [])
    assert said not in listed()
    assert (said in listed(include_deployment_checks=True)) is warned


def test_one_key_for_two_projects_is_an_error_before_deploying_as_well(settings):
    settings.PAYRAM = {"eu": GOOD, "us": GOOD}
    assert "django_payram.E006" in [message.id for message in listed(include_deployment_checks=True)]


def test_a_warning_can_be_silenced(settings):
    settings.PAYRAM = {"eu": {**GOOD, "BASE_URL": "https://localhost"}}
    settings.SILENCED_SYSTEM_CHECKS = ["django_payram.W005"]
    (said,) = checks.check_sandbox()
    assert said.is_silenced()


@pytest.mark.django_db  # since Django 6.1 the command looks at the database as well
@pytest.mark.usefixtures("_heard")
def test_manage_py_check_deploy_shows_every_warning(settings, capsys):
    settings.PAYRAM = {
        "eu": {"BASE_URL": "http://127.0.0.1:8001", "API_KEY": "k", "CONFIRM_WEBHOOKS": False},
    }
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", "--deploy", "--tag", "django_payram", "--fail-level", "WARNING")
    assert re.findall(r"django_payram\.(\w+)\)", str(caught.value)) == ["W003", "W004", "W005", "W006"]


def test_a_broken_setting_does_not_break_the_warnings(settings):
    settings.PAYRAM = {"default": {"BASE_URL": URL, "API_KEY": ""}}
    assert [check() for check in checks.ON_DEPLOY] == [[]] * len(checks.ON_DEPLOY)
    del settings.PAYRAM
    assert [check() for check in checks.ON_DEPLOY] == [[]] * len(checks.ON_DEPLOY)


@pytest.mark.usefixtures("_deaf")
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
