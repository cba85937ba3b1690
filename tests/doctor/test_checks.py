"""What to look at, and the checks that ask nobody: settings, receivers, addresses."""

from __future__ import annotations

import pytest
from django.test import override_settings
from django.urls import clear_script_prefix, set_script_prefix

from django_payram import doctor
from django_payram.doctor import Level
from django_payram.doctor.checks import check_addresses, check_settings
from django_payram.signals import payment_paid
from tests.doctor.serving import levels, messages

KEY = "00112233445566778899aabbccddeeff"
SITE = "https://shop.example.com"
OFFLINE = {"BASE_URL": "https://pay.no-such-host.invalid", "API_KEY": KEY}


def found(check=check_settings, **options):
    return list(check(doctor.Scope(**options)))


# Scope


def test_an_unknown_project_is_refused_and_those_there_are_named():
    with pytest.raises(ValueError, match=r"no project 'nobody'. It has: default\."):
        doctor.Scope(project="nobody")


def test_a_shop_without_projects_has_none_to_name(settings):
    settings.PAYRAM = None
    with pytest.raises(ValueError, match=r"It has: none\."):
        doctor.Scope(project="default")


@pytest.mark.parametrize(
    "url",
    [
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https:///path",
        "https://:443",
        "https://shop.example.com:port",
        "https://shop.example.com:",
        "https://staff:word@shop.example.com",
        "https://shop.example.com/?a=b",
        "https://shop.example.com/#a",
        "https://shop.example.com/a b",
        "https://shop.example.com/\nHost",
        "https://shop.example.com\n",
        "https://shop\x1b[2J.example.com",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="must be like https://shop"):
        doctor.Scope(public_url=url)


@pytest.mark.parametrize(
    "url", [SITE, f"{SITE}/", f"{SITE}:8443/market/", "http://testserver", "http://[::1]:8000", "https://läden.example"]
)
def test_an_address_of_a_site_is_taken(url):
    assert doctor.Scope(public_url=url).address("webhook") == f"{url.rstrip('/')}/payram/webhook/"


def test_projects_with_broken_settings_are_left_out(settings):
    settings.PAYRAM = {"broken": {}, **settings.PAYRAM, "eu": OFFLINE | {"API_KEY": "the-key-of-the-eu-shop"}}
    assert [project.name for project in doctor.Scope().projects()] == ["default", "eu"]
    assert [project.name for project in doctor.Scope(project="eu").projects()] == ["eu"]
    assert list(doctor.Scope(project="broken").projects()) == []


# Settings


def test_sound_settings_are_fine():
    assert levels(found()) == {"settings": "ok"}


@pytest.mark.parametrize("value", [None, {}, "https://pay.example.com", {"default": None}, {7: {}}])
def test_a_setting_of_any_other_kind_is_a_problem(settings, value):
    settings.PAYRAM = value
    assert [(finding.check, finding.level) for finding in found()] == [("settings", Level.PROBLEM)]


def test_each_problem_of_the_setting_is_a_finding(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {"BASE_URL": "", "API_KEY": ""}}
    assert [(finding.check, finding.level) for finding in found()] == [("settings", Level.PROBLEM)] * 2


def test_a_project_that_is_switched_off_is_a_warning(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**OFFLINE, "API_KEY": "the-key-of-the-eu-shop", "ENABLED": False}}
    disabled = [finding for finding in found() if finding.check == "enabled"]
    assert [(finding.level, finding.project) for finding in disabled] == [(Level.WARNING, "eu")]


def test_a_short_key_is_a_warning_that_does_not_show_it(settings):
    settings.PAYRAM = {"default": {**OFFLINE, "API_KEY": "hunter2hunter"}}
    assert levels(found()) == {"settings": "ok", "short-key": "warning"}
    assert "hunter2" not in messages(found())["short-key"]


def test_a_redirect_to_https_that_may_meet_the_webhook_is_a_warning():
    with override_settings(SECURE_SSL_REDIRECT=True, SECURE_PROXY_SSL_HEADER=None, SECURE_REDIRECT_EXEMPT=[]):
        assert levels(found()) == {"settings": "ok", "ssl-redirect": "warning"}


def test_plain_http_is_a_warning(settings):
    settings.PAYRAM = {"default": {**OFFLINE, "BASE_URL": "http://pay.no-such-host.invalid", "ALLOW_HTTP": True}}
    assert levels(found()) == {"settings": "ok", "http": "warning"}


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1"])
def test_plain_http_to_this_machine_is_fine(settings, host):
    settings.PAYRAM = {"default": {**OFFLINE, "BASE_URL": f"http://{host}"}}
    assert levels(found()) == {"settings": "ok"}


# Receivers


@pytest.fixture
def _no_receivers(monkeypatch):
    monkeypatch.setattr(payment_paid, "receivers", [])
    payment_paid.sender_receivers_cache.clear()


@pytest.mark.usefixtures("_no_receivers")
def test_nobody_listening_to_payment_paid_is_a_problem():
    """D9."""
    assert levels(found()) == {"settings": "ok", "receivers": "problem"}
    assert "payram_receivers.py" in messages(found())["receivers"]


# Addresses


def test_addresses_are_whole_with_a_public_url():
    assert messages(found(check_addresses, public_url=f"{SITE}/")) == {
        "webhook-url": "Webhook URL to paste into PayRam: https://shop.example.com/payram/webhook/",
        "success-url": "Success URL to paste into PayRam: https://shop.example.com/payram/return/",
        "cancel-url": "Cancel URL to paste into PayRam: https://shop.example.com/payram/return/",
    }


def test_addresses_are_paths_without_a_public_url_and_say_how_to_get_more():
    addresses = found(check_addresses)
    assert messages(addresses)["webhook-url"] == "Webhook URL to paste into PayRam: /payram/webhook/"
    assert levels(addresses) == {"webhook-url": "ok", "success-url": "ok", "cancel-url": "ok", "public-url": "ok"}
    assert "--public-url" in messages(addresses)["public-url"]


@pytest.mark.parametrize("url", ["http://shop.example.com", "https://localhost:8000", "http://127.0.0.1"])
def test_an_address_that_payram_does_not_send_to_is_a_warning(url):
    addresses = found(check_addresses, public_url=url)
    assert levels(addresses)["public-url"] == "warning"
    assert url in messages(addresses)["public-url"]


@pytest.mark.parametrize("url", [SITE, f"{SITE}/market", f"{SITE}/market/"])
def test_the_prefix_of_a_mounted_shop_stands_once(url):
    set_script_prefix("/market/")
    try:
        address = doctor.Scope(public_url=url).address("webhook")
    finally:
        clear_script_prefix()
    assert address == "https://shop.example.com/market/payram/webhook/"


def test_a_host_named_like_the_prefix_stays():
    set_script_prefix("/market/")
    try:
        address = doctor.Scope(public_url="https://market").address("webhook")
    finally:
        clear_script_prefix()
    assert address == "https://market/market/payram/webhook/"


@pytest.mark.urls("tests.doctor.without_urls")
def test_a_shop_without_our_urls_is_a_problem():
    (urls,) = found(check_addresses, public_url=SITE)
    assert (urls.check, urls.level) == ("urls", Level.PROBLEM)
    assert 'path("payram/", include("django_payram.urls"))' in urls.message
