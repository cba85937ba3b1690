"""From the basket to PayRam, and from PayRam back to the order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection
from oscar.core.loading import get_model

from django_payram.contrib.oscar import orders
from django_payram.models import Payment
from django_payram.payments import checkout

Order = get_model("order", "Order")


def payment_of(order):
    return Payment.objects.for_order(order).get()


def test_the_checkout_says_how_the_order_is_paid(customer):
    customer.fill_basket()
    preview = customer.go_to_preview().content.decode()
    page = customer.payment_page.content.decode()
    assert "Pay with cryptocurrency" in page
    assert "needs implementing" not in page
    assert "Pay with cryptocurrency" in preview
    assert "Payment details to go here" not in preview


@pytest.mark.parametrize("who", ["customer", "guest"])
def test_placing_an_order_leads_to_payram(request, payram, who):
    buyer = request.getfixturevalue(who)
    order, response = buyer.buy(quantity=2)
    payment = payment_of(order)
    assert (response.status_code, response["Location"]) == (303, payment.url)
    assert (payment.amount_usd, payment.order_number) == (order.total_incl_tax, order.number)
    assert order.total_incl_tax == Decimal("99.98")
    assert payment.customer_email == ("ada@example.org" if who == "customer" else "guest@example.org")
    assert [message.subject for message in mail.outbox] == [f"Confirmation of order {order.number}"]
    source = order.sources.get()
    assert (source.source_type.code, source.amount_allocated, source.currency) == ("payram", Decimal("99.98"), "USD")
    assert (source.amount_debited, order.status) == (0, "Pending")


@pytest.mark.django_db(transaction=True)
def test_payram_is_called_outside_of_transactions_and_after_the_order_is_committed(payram, customer, monkeypatch):
    """ATOMIC_REQUESTS is on: placing the order is one request, and the call is another."""
    assert connection.settings_dict["ATOMIC_REQUESTS"]
    seen = []
    client_for = checkout.client_for

    def watched(project):
        seen.append((connection.in_atomic_block, Order.objects.count()))
        return client_for(project)

    monkeypatch.setattr(checkout, "client_for", watched)
    customer.fill_basket()
    customer.go_to_preview()
    response = customer.place_order()
    assert (seen, Order.objects.count()) == ([], 1)
    customer.follow(response)
    assert seen == [(False, 1)]


def test_an_order_is_safe_when_payram_is_down_and_paid_later(payram, customer):
    payram.sandbox.inject_fault(None, "broken")
    order, response = customer.buy()
    assert response.status_code == 503
    assert f'action="{orders.pay_url(order)}"' in response.content.decode()
    page = customer.client.get(f"/accounts/orders/{order.number}/").content.decode()
    assert f'action="{orders.pay_url(order)}"' in page
    payram.sandbox.clear_faults()
    response = customer.client.post(orders.pay_url(order))
    payment = Payment.objects.for_order(order).latest("pk")
    assert response["Location"] == payment.url != ""
    assert payram.pay(payment).is_paid


def test_an_order_in_another_currency_needs_rates(payram, customer, product, settings):
    product.stockrecords.update(price_currency="EUR")
    order, response = customer.buy()
    assert (order.currency, response.status_code) == ("EUR", 400)
    settings.PAYRAM = with_rates(settings)
    customer.client.post(orders.pay_url(order))
    payment = payment_of(order)
    assert (payment.price, payment.amount_usd) == ((Decimal("49.99"), "EUR"), Decimal("54.99"))


def with_rates(settings):
    return {"default": {**settings.PAYRAM["default"], "RATES": "tests.oscar.test_checkout.rate"}}


def rate(currency):
    assert currency == "EUR"
    return Decimal("1.10")


def test_an_order_of_nothing_is_not_led_to_payram(payram, customer, product):
    product.stockrecords.update(price=0)
    customer.fill_basket()
    customer.go_to_preview()
    response = customer.place_order()
    assert (response.status_code, response["Location"]) == (302, "/checkout/thank-you/")
    assert not Payment.objects.exists()


# A shop with other ways to pay


def choose(client, method):
    session = client.session
    session["checkout_data"] = {**session["checkout_data"], "payment": {"method": method}}
    session.save()


def test_an_order_that_is_paid_otherwise_is_not_led_to_payram(payram, customer):
    customer.fill_basket()
    customer.go_to_preview()
    choose(customer.client, "card")
    response = customer.place_order()
    assert (response.status_code, response["Location"]) == (302, "/checkout/thank-you/")
    order = Order.objects.get()
    assert not order.sources.exists()
    assert "Pay now" not in customer.client.get("/checkout/thank-you/").content.decode()
    # Nor by an address that somebody has typed.
    assert customer.client.post(orders.pay_url(order)).status_code == 400


def test_what_another_source_pays_is_not_asked_for(payram, customer, monkeypatch):
    """A gift card, as a shop's own ``handle_payment`` adds it below the mixin."""
    from oscar.apps.checkout.views import PaymentDetailsView

    source_type = get_model("payment", "SourceType").objects.create(name="Gift card")

    def handle_payment(self, order_number, total, **kwargs):
        self.add_payment_source(
            get_model("payment", "Source")(source_type=source_type, currency="USD", amount_allocated=Decimal(20))
        )

    monkeypatch.setattr(PaymentDetailsView, "handle_payment", handle_payment)
    order, _response = customer.buy()
    payment = payment_of(order)
    assert payment.amount_usd == Decimal("29.99")
    payram.pay(payment)
    order.refresh_from_db()
    assert order.status == "Being processed"
    assert orders.source_of(order).amount_debited == Decimal("29.99")


def test_the_method_may_be_chosen_by_name(payram, customer):
    customer.fill_basket()
    customer.go_to_preview()
    choose(customer.client, "payram")
    assert customer.place_order().status_code == 307


# Again


def test_a_second_try_leads_to_the_same_link(customer, order, payment):
    for _click in range(2):
        response = customer.client.post(orders.pay_url(order))
        assert (response.status_code, response["Location"]) == (303, payment.url)
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("address", ["/checkout/thank-you/", "/accounts/orders/{}/"])
def test_the_pages_of_the_order_lead_to_the_payment(payram, customer, order, payment, address):
    address = address.format(order.number)
    shown = customer.client.get(address).content.decode()
    assert f'action="{orders.pay_url(order)}"' in shown
    assert "Go to the payment page" in shown
    # It does on the status page only.
    assert "This page turns by itself" not in shown
    payram.expire(payment)
    assert "Pay with a new link" in customer.client.get(address).content.decode()
    customer.client.post(orders.pay_url(order))
    payram.pay(Payment.objects.for_order(order).open().get())
    shown = customer.client.get(address).content.decode()
    assert 'data-status="paid"' in shown
    assert orders.pay_url(order) not in shown


def test_a_paid_order_leads_to_the_status_page(payram, customer, order, payment):
    payram.pay(payment)
    response = customer.client.post(orders.pay_url(order))
    assert response["Location"] == f"/payram/payments/{payment.token}/"


def test_a_canceled_order_takes_no_money(customer, order, payment):
    order.set_status("Cancelled")
    assert orders.pay_url(order) not in customer.client.get(f"/accounts/orders/{order.number}/").content.decode()
    assert customer.client.post(orders.pay_url(order)).status_code == 400


def test_no_amount_comes_from_the_browser(payram, customer, order, payment):
    payram.expire(payment)
    customer.client.post(orders.pay_url(order), {"amount": "1", "currency": "JPY", "total_incl_tax": "1"})
    assert Payment.objects.latest("pk").amount_usd == order.total_incl_tax


def test_the_status_page_leads_back_to_the_order(payram, customer, order, payment):
    status = f"/payram/payments/{payment.token}/"
    assert f'href="{order.get_absolute_url()}"' in customer.client.get(status).content.decode()
    response = customer.client.get(order.get_absolute_url())
    assert response["Location"] == f"/accounts/orders/{order.number}/"
    payram.expire(payment)
    assert f'action="{orders.pay_url(order)}"' in customer.client.get(status).content.decode()


def test_a_get_leads_back_to_the_order(customer, order):
    assert customer.client.get(orders.pay_url(order))["Location"] == f"/accounts/orders/{order.number}/"
