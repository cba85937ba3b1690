"""docs/oscar.rst: these tests' settings and URLs are its blocks, and manage.py check has nothing to add."""

from __future__ import annotations

import re

import pytest
from django.core import checks
from oscar.core.loading import get_class, get_model

from django_payram.contrib.oscar import checks as ours
from django_payram.contrib.oscar.checkout.mixins import PayramCheckout
from tests.oscar.page import PAGE, block
from tests.oscar.test_checkout import with_rates

pytestmark = pytest.mark.django_db


def test_a_shop_adds_ten_lines_at_most():
    assert len([line for name in ("settings.py", "urls.py") for line in block(name).splitlines() if line]) <= 10


def test_the_checks_have_nothing_to_say():
    assert [message for message in checks.run_checks() if "payram" in message.id] == []


def test_the_checkout_is_ours_and_the_rest_of_it_oscars():
    assert get_class("checkout.views", "PaymentDetailsView").__module__ == "django_payram.contrib.oscar.checkout.views"
    assert get_class("checkout.views", "ThankYouView").__module__ == "oscar.apps.checkout.views"


def test_a_checkout_of_ones_own_is_as_on_the_page():
    namespace = {"__name__": "checkout.views"}
    exec(block("checkout/views.py"), namespace)
    view = namespace["PaymentDetailsView"]
    assert issubclass(view, PayramCheckout)
    assert view.mro().index(PayramCheckout) < view.mro().index(namespace["OscarPaymentDetailsView"])


def test_every_check_is_on_the_page():
    named = set(re.findall(r"``(payram_oscar\.W\d+)``", PAGE.read_text()))
    assert named == {f"payram_oscar.W00{number}" for number in range(1, 5)}


def ids(messages):
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({}, ["payram_oscar.W001"]),
        ({"Pending": ("Cancelled",), "On hold": ("Being processed",)}, ["payram_oscar.W001"]),
        ({"Pending": ("Being processed",)}, []),
    ],
)
def test_w001(monkeypatch, pipeline, expected):
    monkeypatch.setattr(get_model("order", "Order"), "pipeline", pipeline)
    assert ids(ours.check_status()) == expected


def test_w002(monkeypatch):
    apps = list(reversed(list(ours.apps.get_app_configs())))
    monkeypatch.setattr(ours.apps, "get_app_configs", lambda: apps)
    assert ids(ours.check_apps()) == ["payram_oscar.W002"]


def test_w003(monkeypatch):
    from oscar.apps.checkout import views

    monkeypatch.setattr(ours, "get_class", lambda *_names: views.PaymentDetailsView)
    assert ids(ours.check_checkout()) == ["payram_oscar.W003"]


def test_w004(settings):
    settings.OSCAR_DEFAULT_CURRENCY = "EUR"
    assert ids(ours.check_currency()) == ["payram_oscar.W004"]
    settings.PAYRAM = with_rates(settings)
    assert ids(ours.check_currency()) == []
