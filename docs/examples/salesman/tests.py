from decimal import Decimal

import pytest
from salesman.core.utils import get_salesman_model

from django_payram.models import Payment
from django_payram.payments import withdraw
from shop.models import Product

Order = get_salesman_model("Order")


@pytest.fixture
def buy(client, payram, db):
    """Return a function that fills a basket and checks out as a front end does, and returns the last answer."""

    def checkout():
        product = Product.objects.create(name="A thing", code="thing", price="12.50")
        client.post("/api/basket/", {"product_type": "shop.Product", "product_id": product.pk, "quantity": 2})
        customer = {"email": "buyer@example.org", "shipping_address": "Here", "billing_address": "Here"}
        return client.post("/api/checkout/", {**customer, "payment_method": "payram"})

    return checkout


@pytest.fixture
def payment(buy):
    buy()
    return Payment.objects.get()


@pytest.fixture
def order(payment):
    return Order.objects.get()


def pay_again(client, order):
    return client.post(f"/api/orders/{order.ref}/pay/?token={order.token}", {"payment_method": "payram"})


def test_the_checkout_leads_to_payram(buy):
    answer, payment = buy(), Payment.objects.get()
    assert answer.json() == {"url": payment.url}
    assert (payment.amount_usd, payment.customer_email) == (Decimal(25), "buyer@example.org")
    assert payment.order_number == Order.objects.get().ref


def test_a_paid_order_is_processed_and_has_one_payment(client, payram, payment, order):
    payram.pay(payment)
    payram.repeat(payment)
    payram.pay_twice(payment)
    order.refresh_from_db()
    assert order.status == "PROCESSING"
    (paid,) = order.payments.all()
    assert (paid.amount, paid.transaction_id, paid.payment_method) == (25, payment.reference, "payram")
    assert payment.review == "duplicate"
    assert pay_again(client, order).status_code == 400


def test_a_part_is_not_enough(payram, payment, order):
    payram.pay(payment, "5.00")
    order.refresh_from_db()
    assert (order.status, order.is_paid) == ("CREATED", False)


def test_an_expired_link_is_followed_by_another_and_late_money_pays_the_order(client, payram, payment, order):
    payram.expire(payment)
    assert pay_again(client, order).json()["url"] not in ("", payment.url)
    payram.pay(payment)
    order.refresh_from_db()
    assert order.status == "PROCESSING"


def test_a_canceled_order_that_is_paid_late_stays_canceled(payram, payment, order):
    Order.objects.update(status="CANCELLED")
    withdraw(payment)
    payram.pay(payment)
    order.refresh_from_db()
    assert (order.status, order.is_paid, payment.review) == ("CANCELLED", True, "late")


def test_an_order_is_placed_while_payram_is_down_and_paid_later(client, payram, buy):
    with payram.down():
        url = buy().json()["url"]
    order = Order.objects.get()
    assert client.get(url).json()["ref"] == order.ref
    assert pay_again(client, order).json()["url"] == Payment.objects.for_order(order).last().url


def test_an_order_is_refunded_once_all_is_sent_back(client, admin_client, payram, payment, order):
    payram.expire(payment)
    pay_again(client, order)
    second = Payment.objects.latest("pk")
    for link in (payment, second):
        payram.pay(link)
    assert second.review == "duplicate"
    # Salesman sends nothing back by itself.
    assert len(admin_client.post(f"/api/orders/{order.ref}/refund/").json()["failed"]) == 1
    for link, status in ((second, "PROCESSING"), (payment, "REFUNDED")):
        payram.refund(link)
        order.refresh_from_db()
        assert order.status == status
