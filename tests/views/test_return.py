"""PayRam's return link without a word of the payment: which one the visitor comes from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import override_settings
from django.test.utils import override_script_prefix
from django.urls import include, path, reverse
from django.utils import timezone

from django_payram.models import Payment, State, database
from django_payram.testing.factories import PaymentFactory
from django_payram.views import remember

pytestmark = pytest.mark.django_db

RETURN = "/payram/return/"

nested = [path("money/", include("django_payram.urls"))]
urlpatterns = [path("shop/", include((nested, "shop"), namespace="shop"))]


def address(payment):
    return reverse("payram:status", args=[payment.token])


def bring_back(client, *payments):
    """Let the visitor's session know payments, as their checkouts do."""
    session = client.session
    for payment in payments:
        remember(type("Request", (), {"session": session}), payment)
    session.save()


def test_the_only_payment_of_a_session_is_found(client):
    payment = PaymentFactory()
    bring_back(client, payment)
    assert client.get(RETURN)["Location"] == address(payment)


def test_two_tabs_are_asked_which_payment_it_is(client):
    """F96."""
    first, second = PaymentFactory(order_number="A-1", paid=True), PaymentFactory(order_number="A-2")
    bring_back(client, first, second)
    text = client.get(RETURN).content.decode()
    for payment, title in ((first, "Paid"), (second, "Waiting for your payment")):
        assert f'<a href="{address(payment)}"><bdi>{payment.order_number}</bdi></a> <span>{title}</span>' in text


def test_a_payment_of_last_week_is_not_asked_about(client):
    old, new = PaymentFactory(created_at=timezone.now() - timedelta(days=7)), PaymentFactory()
    bring_back(client, old, new)
    assert client.get(RETURN)["Location"] == address(new)


def test_a_session_remembers_the_last_ten(client):
    payments = PaymentFactory.create_batch(12)
    bring_back(client, *payments, payments[5])
    known = client.session["payram_payment"]
    assert known == [str(payment.token) for payment in (*payments[2:5], *payments[6:], payments[5])]


def test_a_session_of_an_older_release_is_understood(client):
    payment = PaymentFactory()
    session = client.session
    session["payram_payment"] = str(payment.token)
    session.save()
    assert client.get(RETURN)["Location"] == address(payment)


def test_the_list_leads_on_in_its_own_namespace_below_a_path(client):
    """F93."""
    payments = PaymentFactory.create_batch(2)
    bring_back(client, *payments)
    with override_settings(ROOT_URLCONF=__name__), override_script_prefix("/site/"):
        text = client.get("/shop/money/return/").content.decode()
    for payment in payments:
        assert f'href="/site/shop/money/payments/{payment.token}/"' in text


@override_settings(SESSION_COOKIE_SAMESITE="Strict")
def test_a_page_that_is_not_shown_the_cookie_calls_itself_once(client):
    """F96: a browser keeps a strict cookie from a visitor whom another site has sent."""
    again = '<meta http-equiv="refresh" content="0; url=?again=1">'
    assert again in client.get(RETURN).content.decode()
    assert again not in client.get(RETURN, {"again": "1"}).content.decode()
    bring_back(client, PaymentFactory())
    assert client.get(RETURN, {"again": "1"}).status_code == 302


@pytest.mark.parametrize("same_site", ["Lax", "None", False])
def test_other_cookies_need_no_second_call(client, settings, same_site):
    settings.SESSION_COOKIE_SAMESITE = same_site
    assert "refresh" not in client.get(RETURN).content.decode()


def test_it_says_how_to_reach_the_shop(client, settings):
    options = {"SHOP_NAME": "Copper & Kettle", "SHOP_URL": "https://shop.example.com", "CONTACT": "help@example.com"}
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], **options}}
    text = client.get(RETURN).content.decode()
    assert '<a class="payram-button" href="https://shop.example.com">Return to Copper &amp; Kettle</a>' in text
    assert '<a href="mailto:help@example.com">help@example.com</a>' in text


def test_looking_for_the_payment_changes_nothing(client):
    payment = PaymentFactory(state=State.OPEN)
    bring_back(client, payment)
    before = Payment.objects.using(database()).values().get(pk=payment.pk)
    client.get(RETURN)
    assert Payment.objects.using(database()).values().get(pk=payment.pk) == before
