"""What the checkout answers when the shop asks for a payment that cannot be (F92)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from django_payram.models import Payment
from django_payram.views import CheckoutView
from tests.payments.helpers import creates
from tests.shop.models import Order
from tests.shop.views import PayOrder

pytestmark = pytest.mark.django_db

PATHS = ["/orders/{}/pay/", "/async/orders/{}/pay/", "/api/orders/{}/pay/"]


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


def said(response):
    return response.json()["detail"] if response["Content-Type"] == "application/json" else response.content.decode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"total": Decimal(0)}, "This order cannot be paid as it is. Please contact the shop."),
        ({"total": Decimal(-1)}, "This order cannot be paid as it is. Please contact the shop."),
        ({"email": ""}, "The e-mail address of this order cannot be used for the payment. Please correct it."),
        ({"email": "nobody"}, "The e-mail address of this order cannot be used for the payment. Please correct it."),
        ({"email": "jürgen@example.org"}, "The e-mail address of this order cannot be used for the payment."),
    ],
)
def test_an_order_that_cannot_be_paid_is_answered_400_with_a_sentence(payram, client, caplog, path, facts, sentence):
    """F92."""
    order = Order.objects.create(**facts)
    response = client.post(path.format(order.pk))
    assert response.status_code == 400
    assert sentence in said(response)
    assert not Payment.objects.exists()
    (record,) = [record for record in caplog.records if record.name == "django_payram"]
    assert record.levelname == "ERROR"
    assert path.format(order.pk) in record.getMessage()
    assert record.getMessage().partition(". ")[2].startswith(("amount must", "email must"))


@pytest.mark.parametrize("path", PATHS)
def test_the_sentence_is_said_in_the_customers_language_and_kept_nowhere(payram, client, path):
    response = client.post(path.format(Order.objects.create(total=0).pk))
    assert "no-store" in response["Cache-Control"]
    assert response["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("email", ["  buyer@example.org\n", "kim@bücher.example", "o'hara+x@example.org"])
def test_a_usable_address_passes_without_the_white_space_around_it(payram, client, path, email):
    """F92."""
    order = Order.objects.create(email=email)
    assert client.post(path.format(order.pk)).status_code in (201, 303)
    payment = Payment.objects.get()
    assert payment.customer_email == email.strip()
    assert payram.sandbox.payment(payment.reference).customer_email == email.strip()


def test_an_error_in_the_shops_own_code_is_not_taken_for_wrong_input(payram, order, rf):
    class Broken(PayOrder):
        def get_amount(self, order):
            return int("many")

    with pytest.raises(ValueError, match="invalid literal"):
        Broken.as_view()(rf.post("/"), pk=order.pk)


def test_the_shop_says_currency_purpose_project_and_time(payram, rf, order, settings):
    """F82, F86, F87."""
    setting = settings.PAYRAM["default"]
    settings.PAYRAM = {"default": {**setting, "RATES": f"{__name__}.one_dollar"}}

    class Full(PayOrder):
        def get_currency(self, order):
            return "EUR"

        def get_purpose(self, order):
            return "deposit"

        def get_customer_id(self, order):
            return "kim"

        def get_expires_in(self, order):
            return timedelta(minutes=15)

    request = rf.post("/")
    request.session = {}
    assert Full.as_view()(request, pk=order.pk).status_code == 303
    payment = Payment.objects.get()
    assert (payment.price_currency, payment.purpose, payment.customer_id) == ("EUR", "deposit", "kim")
    assert payment.expires_at - payment.created_at == timedelta(minutes=15)
    assert request.session == {"payram_payment": [str(payment.token)]}


def one_dollar(currency):
    return Decimal(1)


def test_without_its_own_words_a_shop_asks_for_dollars_and_the_only_bill():
    view = CheckoutView()
    assert (view.get_currency(None), view.get_purpose(None), view.get_expires_in(None)) == ("USD", "", None)


def test_the_json_checkout_remembers_the_payment_too(payram, client, order):
    client.post(f"/api/orders/{order.pk}/pay/")
    assert client.session["payram_payment"] == [str(Payment.objects.get().token)]
    assert len(creates(payram)) == 1
