"""The testing aids that shops use."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from django_payram import conf
from django_payram.models import Payment, number_of
from django_payram.models.states import State
from django_payram.payments import open_payment
from django_payram.testing import running_payram
from django_payram.testing.factories import PaymentFactory
from tests.shop.models import NumberedOrder, Order, SlugOrder, UuidOrder

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django_db


def test_each_verb_does_what_it_says(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    assert payram.see(payment).is_confirming
    assert payram.confirm(payment, 3).is_paid
    other = open_payment(amount=20, email="a@example.org")
    assert payram.pay(other, 5).state == State.PARTIALLY_FILLED
    third = open_payment(amount=20, email="a@example.org")
    assert payram.expire(third).state == State.CANCELED


def test_coins_are_sent_in_part_and_as_the_rest(payram):
    payment = open_payment(amount=20, email="a@example.org")
    coin = {"currency": "ETH", "network": "BASE"}
    assert payram.send_coins(payment, "0.002", **coin).is_confirming
    assert payram.confirm(payment, 3).filled_usd == Decimal("7.40")
    payram.send_coins(payment, **coin)
    assert payram.confirm(payment, 3).is_paid
    assert (payment.currency, payment.filled_usd) == ("ETH", 20)


def test_other_options_and_projects_of_the_setting_stay(settings):
    settings.PAYRAM = {"default": {"BASE_URL": "x", "SHORTFALL_PERCENT": 1}, "second": {"BASE_URL": "y"}}
    with running_payram() as payram:
        assert conf.project().base_url == payram.sandbox.url
        assert conf.project().shortfall_percent == 1
        assert "second" in settings.PAYRAM
    assert settings.PAYRAM["default"]["BASE_URL"] == "x"


def test_a_payment_that_never_reached_payram_cannot_be_paid(payram):
    with pytest.raises(ValueError, match="never reached"):
        payram.pay(PaymentFactory(reference=None))


def test_a_row_of_the_factory_is_unknown_to_payram(payram):
    with pytest.raises(LookupError, match="No call to this server has made"):
        payram.pay(PaymentFactory())


@pytest.mark.parametrize("model", [Order, UuidOrder, SlugOrder, NumberedOrder])
def test_factories_take_an_order_with_any_key(model):
    order = model.objects.create(**({"pk": "winter-sale"} if model is SlugOrder else {}))
    payment = PaymentFactory(order=order, paid=True)
    assert list(Payment.objects.for_order(order).paid()) == [payment]
    assert payment.order_number == number_of(order)
    assert PaymentFactory(order=order, order_number="CK-1").order_number == "CK-1"


def test_factories_make_rows():
    assert PaymentFactory().is_open
    assert PaymentFactory(paid=True).is_paid
    assert PaymentFactory(partly_paid=True).missing_usd > 0
    assert Payment.objects.count() == 3


def test_webhooks_wait_until_they_are_delivered(payram):
    payment = open_payment(amount=20, email="a@example.org")
    payram.sandbox.pay(payment.reference)
    payment.refresh_from_db()
    assert not payment.is_paid
    assert [delivery.status for delivery in payram.deliver()] == [200]
    payment.refresh_from_db()
    assert payment.is_paid


@pytest.mark.parametrize("header", [None, ("HTTP_X_FORWARDED_PROTO", "https")])
def test_webhooks_arrive_in_a_shop_that_redirects_to_https(payram, settings, header):
    """PayRam sends them to https addresses only."""
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, header
    payment = open_payment(amount=20, email="a@example.org")
    assert payram.pay(payment).is_paid
    assert [delivery.status for delivery in payram.sandbox.deliveries] == [200]


@pytest.mark.once
def test_the_setting_is_restored_whatever_a_test_sets(pytester, monkeypatch):
    """A test that sets PAYRAM itself, beside the fixture, must not leave the pretend PayRam behind."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        """
        import pytest
        from django.conf import settings as live

        first = repr(live.PAYRAM)

        @pytest.mark.parametrize("order", ["settings first", "payram first"])
        def test_sets_it(request, order):
            names = ["settings", "payram"] if order == "settings first" else ["payram", "settings"]
            given = {name: request.getfixturevalue(name) for name in names}
            given["settings"].PAYRAM = {"default": {**live.PAYRAM["default"], "ENABLED": False}}

        def test_it_is_restored():
            assert repr(live.PAYRAM) == first
        """
    )
    result = pytester.runpytest_subprocess("--ds=tests.settings", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)
