"""Whether a Content-Security-Policy and the URLs let customers and webhooks through."""

from __future__ import annotations

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from django_payram.conf import checks, policies, project

PAYRAM = {"BASE_URL": "https://pay.example.com", "API_KEY": "0123456789abcdef0123456789abcdef"}

urls = [path("payram/", include("django_payram.urls"))]


class Outside:
    urlpatterns = urls


class InLanguage:
    urlpatterns = i18n_patterns(*urls)


class Nested:
    urlpatterns = [path("shop/", include((urls, "shop"), namespace="shop"))]


class Both:
    urlpatterns = [*i18n_patterns(*urls), *urls]


class Nowhere:
    urlpatterns = [path("", lambda request: HttpResponse())]


def ids(messages):
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("urlconf", "said"),
    [
        (Outside, ""),
        (Nested, ""),
        (Both, ""),
        (InLanguage, "is below i18n_patterns"),
        (Nowhere, "is not in the URLs"),
    ],
)
def test_the_webhook_must_have_an_address_in_no_language(settings, urlconf, said):
    """F95."""
    settings.ROOT_URLCONF = urlconf
    found = checks.check_webhook_address()
    assert ids(found) == (["django_payram.W008"] if said else [])
    assert all(said in message.msg for message in found)


@pytest.mark.parametrize(
    "setting",
    [
        {"SECURE_CSP": {"default-src": ["'self'"], "form-action": ["'self'"]}},
        {"SECURE_CSP": {"form-action": "'self'"}},
        {"SECURE_CSP": {"form-action": ("'self'", "https://other.example.com")}},
        {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {"form-action": ["'self'"]}}},
        {"CSP_FORM_ACTION": ["'self'"]},
        {"CSP_FORM_ACTION": "'none'"},
    ],
)
def test_a_policy_that_keeps_forms_from_payram_is_found(settings, setting):
    """F94."""
    settings.PAYRAM = {"default": PAYRAM}
    with override_settings(**setting):
        (found,) = checks.check_policy()
    assert (found.id, next(iter(setting)) in found.msg) == ("django_payram.W007", True)
    assert "https://pay.example.com" in found.hint


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"SECURE_CSP": {"default-src": ["'self'"]}},
        {"SECURE_CSP": {"form-action": ["'self'", "https://pay.example.com"]}},
        {"SECURE_CSP": None, "CONTENT_SECURITY_POLICY": None, "CSP_FORM_ACTION": None},
        {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {"form-action": ["'self'", "https:"]}}},
    ],
)
def test_other_policies_pass(settings, setting):
    settings.PAYRAM = {"default": PAYRAM}
    with override_settings(**setting):
        assert checks.check_policy() == []


@pytest.mark.parametrize(
    ("source", "is_allowed"),
    [
        ("*", True),
        ("https:", True),
        ("http:", True),
        ("https://pay.example.com", True),
        ("http://pay.example.com", True),
        ("HTTPS://PAY.EXAMPLE.COM", True),
        ("pay.example.com", True),
        ("https://pay.example.com:443", True),
        ("https://pay.example.com:*", True),
        ("*.example.com", True),
        ("https://*.example.com", True),
        ("https://pay.example.com/payments/", True),
        ("'self'", False),
        ("'none'", False),
        ("data:", False),
        ("https://example.com", False),
        ("https://evilpay.example.com", False),
        ("*.pay.example.com", False),
        ("https://pay.example.com:8443", False),
        ("https://pay.example.com:x", False),
        ("wss://pay.example.com", False),
        ("https://[", False),
        ("[", False),
    ],
)
def test_sources_are_read_as_browsers_read_them(settings, source, is_allowed):
    settings.PAYRAM = {"default": PAYRAM}
    assert (policies.missing_host(project(), [source]) == "") == is_allowed


def test_every_host_of_payrams_pages_is_needed(settings):
    settings.PAYRAM = {"default": {**PAYRAM, "CHECKOUT_HOSTS": ["checkout.example.com"]}}
    assert policies.missing_host(project(), ["https://pay.example.com"]) == "https://checkout.example.com"
    assert policies.missing_host(project(), ["https://pay.example.com", "https://checkout.example.com"]) == ""


@pytest.mark.parametrize(
    ("header", "sources"),
    [
        ("", None),
        ("default-src 'self'", None),
        ("default-src 'self'; form-action 'self' https://a.example", ["'self'", "https://a.example"]),
        ("FORM-ACTION 'none'", ["'none'"]),
        # A proxy has added a policy of its own.
        ("default-src 'self', form-action 'self' https://a.example, img-src 'self'", ["'self'", "https://a.example"]),
        ("form-action", []),
        (";;; form-action\t'self' ;", ["'self'"]),
    ],
)
def test_a_header_is_read(header, sources):
    assert policies.sources_of(header) == sources
