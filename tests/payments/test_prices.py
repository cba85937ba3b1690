"""Prices in other currencies than US dollars, and the time that a link lives."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_payram.exceptions import InvalidPaymentRequest, PayramUnavailable
from django_payram.models import Payment, Review, State
from django_payram.payments import open_payment, request
from tests.payments.helpers import creates, pay_for, receive

pytestmark = pytest.mark.django_db

RATES = {"EUR": Decimal("1.0850"), "JPY": Decimal("0.0067")}


def rates(currency):
    return RATES[currency]


@pytest.fixture
def euro(payram, settings, monkeypatch):
    """A shop with exchange rates; a test may change them."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "RATES": f"{__name__}.rates"}}
    monkeypatch.setitem(RATES, "EUR", Decimal("1.0850"))
    return payram


def test_a_price_is_turned_into_dollars_once_and_both_are_kept(euro, order):
    """F86."""
    payment = pay_for(order, "49.99", currency="EUR")
    payment.refresh_from_db()
    assert (payment.price_amount, payment.price_currency) == (Decimal("49.99"), "EUR")
    assert payment.amount_usd == Decimal("54.24")
    assert payment.price == (Decimal("49.99"), "EUR")
    assert euro.sandbox.payment(payment.reference).amount_usd == Decimal("54.24")


def test_the_same_price_uses_the_link_again_while_its_rate_is_young(euro, order, monkeypatch):
    """F86: each click was another amount, ten links, then none."""
    payment = pay_for(order, "49.99", currency="EUR")
    monkeypatch.setitem(RATES, "EUR", Decimal("1.20"))
    assert pay_for(order, "49.99", currency="EUR") == payment
    assert len(creates(euro)) == 1
    Payment.objects.update(created_at=timezone.now() - request.RATE_LIFE - timedelta(seconds=1))
    second = pay_for(order, "49.99", currency="EUR")
    assert (second.amount_usd, second != payment) == (Decimal("59.99"), True)


def test_a_price_in_dollars_uses_the_link_again_however_old_it_is(euro, order):
    payment = pay_for(order)
    Payment.objects.update(created_at=timezone.now() - timedelta(hours=20))
    assert pay_for(order) == payment


def test_the_price_agreed_is_not_late_though_the_rate_has_changed(euro, order):
    """F86: the agreed price was late."""
    first = pay_for(order, "49.99", currency="EUR")
    Payment.objects.update(created_at=timezone.now() - timedelta(hours=2))
    RATES["EUR"] = Decimal("1.20")
    second = pay_for(order, "49.99", currency="EUR")
    assert second != first
    receive(first, State.FILLED, "54.24")
    assert (first.is_paid, first.review) == (True, "")


def test_another_price_replaces_the_link(euro, order):
    first = pay_for(order, "49.99", currency="EUR")
    assert pay_for(order, "54.24", currency="USD") != first


def test_without_rates_another_currency_is_an_error_and_never_dollars(payram, order):
    """F86: prices in pounds were taken as dollars."""
    with pytest.raises(InvalidPaymentRequest) as caught:
        pay_for(order, "49.99", currency="GBP")
    assert str(caught.value) == (
        "currency is GBP, and prices in other currencies than USD need the option RATES of PAYRAM['default']."
    )
    assert not Payment.objects.exists()


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "US", None, 7, "€", "EU\n"])
def test_a_currency_is_a_code_of_three_capital_letters(euro, order, currency):
    with pytest.raises(ValueError, match=r"^currency must be a code of three capital letters"):
        pay_for(order, currency=currency)
    assert not Payment.objects.exists()


def test_a_rate_that_cannot_be_had_is_a_passing_failure_and_writes_nothing(euro, order):
    with pytest.raises(
        PayramUnavailable, match=r"RATES of PAYRAM\['default'\] gave no exchange rate for CHF"
    ) as caught:
        pay_for(order, currency="CHF")
    assert caught.value.definite
    assert not Payment.objects.exists()


@pytest.mark.parametrize("rate", [1.085, 0, Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), "1.1", None])
def test_a_rate_that_is_no_decimal_above_zero_is_a_wrong_setting(euro, order, rate):
    RATES["EUR"] = rate
    with pytest.raises(ImproperlyConfigured, match=r"RATES of PAYRAM\['default'\] must return a Decimal above zero"):
        pay_for(order, currency="EUR")
    assert not Payment.objects.exists()


@pytest.mark.parametrize("rate", [Decimal("1e999999"), Decimal("1e30")])
def test_a_rate_that_makes_too_much_of_a_price_is_named(euro, order, rate):
    RATES["EUR"] = rate
    with pytest.raises((ImproperlyConfigured, ValueError), match=r"RATES of PAYRAM|^amount must have at most"):
        pay_for(order, currency="EUR")
    assert not Payment.objects.exists()


def test_a_price_of_less_than_a_cent_is_refused(euro, order):
    with pytest.raises(ValueError, match=r"^amount must be worth at least one cent"):
        pay_for(order, "0.01", currency="JPY")
    assert not Payment.objects.exists()


def test_a_price_beyond_what_json_carries_is_refused(euro, order):
    with pytest.raises(ValueError, match=r"^amount must have at most 13 digits"):
        pay_for(order, "9999999999999", currency="EUR")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7, "must be the dotted path of a function, such as django_payram.rates.djmoney"),
        ("shop.no_such.rates", "cannot be imported"),
        (f"{__name__}.RATES", "must name a function"),
    ],
)
def test_a_wrong_setting_is_named(settings, order, value, said):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "RATES": value}}
    with pytest.raises(ImproperlyConfigured, match=rf"PAYRAM\['default'\]\['RATES'\] {said}"):
        pay_for(order)


@pytest.mark.parametrize("value", [-1, "10", 1.5, True, Decimal("NaN"), None])
def test_a_wrong_tolerance_is_named(settings, order, value):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHORTFALL_USD": value}}
    with pytest.raises(ImproperlyConfigured, match=r"\['SHORTFALL_USD'\] must be a number of US dollars from 0"):
        pay_for(order)


def test_a_large_order_is_held_though_it_lacks_less_than_three_percent(payram, order):
    """F88: 9,701 of 10,000 was paid."""
    payment = pay_for(order, "10000")
    receive(payment, State.FILLED, "9989.99")
    assert (payment.is_held, payment.review, payment.missing_usd) == (True, Review.AMOUNT, Decimal("10.01"))
    receive(payment, State.FILLED, "9990.00")
    assert (payment.is_paid, payment.missing_usd, payment.forgiven_usd) == (True, 0, 10)


# How long a link lives


def test_a_link_lives_as_long_as_the_shop_says(payram, order):
    """F87."""
    before = timezone.now()
    payment = pay_for(order, expires_in=timedelta(minutes=15))
    payment.refresh_from_db()
    assert before <= payment.expires_at - timedelta(minutes=15) <= timezone.now()
    known = payram.sandbox.payment(payment.reference).expires_at
    assert timedelta(0) <= payment.expires_at.astimezone() - known < timedelta(seconds=1)


def test_a_link_whose_time_is_over_is_not_given_out_again(payram, order):
    first = pay_for(order, expires_in=timedelta(minutes=15))
    assert pay_for(order) == first
    Payment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert pay_for(order) != first


@pytest.mark.parametrize(
    "wrong", [timedelta(0), timedelta(seconds=-1), timedelta(seconds=59), timedelta.max, 900, "15 minutes"]
)
def test_a_wrong_time_to_live_raises_before_anything_is_written(payram, order, wrong):
    with pytest.raises(
        ValueError, match=r"^expires_in must be a timedelta of a minute at least, and of 365 days at most\.$"
    ):
        open_payment(order, amount=1, email="buyer@example.org", expires_in=wrong)
    assert not Payment.objects.exists()
