"""Whose order it is."""

from __future__ import annotations

import pytest
from django.test import Client

from django_payram.contrib.oscar import orders
from django_payram.models import Payment


@pytest.fixture
def guests_order(payram, guest):
    order, _response = guest.buy()
    return order


@pytest.fixture
def stranger(other_user):
    client = Client()
    client.force_login(other_user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def nobody():
    return Client()


@pytest.mark.parametrize("whose", ["order", "guests_order"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_strangers_order_is_not_there(request, stranger, whose, method):
    order = request.getfixturevalue(whose)
    payments = Payment.objects.count()
    for url in (orders.pay_url(order), f"{orders.order_url(order)}wrong:hash/pay/", "/payram/orders/7/pay/"):
        assert getattr(stranger, method)(url).status_code == 404
    assert stranger.get(orders.order_url(order)).status_code == 404
    assert Payment.objects.count() == payments


@pytest.mark.parametrize("whose", ["order", "guests_order"])
def test_a_visitor_without_a_session_is_asked_to_log_in_whether_or_not_there_is_such_an_order(request, nobody, whose):
    for url in (orders.pay_url(request.getfixturevalue(whose)), "/payram/orders/7/pay/"):
        response = nobody.post(url)
        assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={url}")


def test_a_guest_pays_in_the_session_of_the_order(guest, guests_order):
    payment = Payment.objects.get()
    assert guest.client.post(orders.pay_url(guests_order))["Location"] == payment.url
    assert guest.client.get(orders.pay_url(guests_order))["Location"] == "/checkout/thank-you/"
    shown = guest.client.get("/checkout/thank-you/").content.decode()
    assert f'action="{orders.pay_url(guests_order)}"' in shown


def test_a_guest_comes_back_days_later_by_the_mail(guests_order, nobody):
    """The hash of the mail's link alone opens nothing: Oscar asks for the e-mail address."""
    page = f"/accounts/order-status/{guests_order.number}/{guests_order.verification_hash()}/"
    pay = orders.pay_url(guests_order, with_proof=True)
    assert nobody.post(pay)["Location"].startswith("/accounts/login/")
    form = nobody.get(page)["Location"]
    nobody.post(form, {"email": "guest@example.org"})
    shown = nobody.get(page).content.decode()
    assert f'action="{pay}"' in shown
    assert nobody.post(pay)["Location"] == Payment.objects.get().url
    assert nobody.get(pay)["Location"] == page
    # The e-mail address without the hash proves nothing.
    assert nobody.post(orders.pay_url(guests_order))["Location"].startswith("/accounts/login/")


def test_one_guest_is_not_another(guests_order, payram, product):
    from tests.oscar.conftest import Buyer

    other = Buyer(Client(), product, email="other@example.org")
    other.buy()
    assert other.client.post(orders.pay_url(guests_order)).status_code == 302
    assert other.client.post(orders.pay_url(guests_order, with_proof=True)).status_code == 302


def test_the_hash_of_one_order_does_not_open_another(guests_order, guest, nobody):
    first = guests_order
    second, _response = guest.buy()
    nobody.post(
        f"/accounts/order-status-form/{first.number}/{first.verification_hash()}/", {"email": "guest@example.org"}
    )
    url = f"/payram/orders/{second.number}/{first.verification_hash()}/pay/"
    assert nobody.post(url).status_code == 302


def test_staff_is_led_to_the_dashboard_and_pays_nobodys_order(order, admin_client):
    assert admin_client.get(orders.order_url(order))["Location"] == f"/dashboard/orders/{order.number}/"
    assert admin_client.post(orders.pay_url(order)).status_code == 404


def test_the_csrf_token_is_asked_for(order, user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(orders.pay_url(order)).status_code == 403
