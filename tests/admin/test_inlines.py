"""The payments of an order on the order's own page."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone

from django_payram.admin import PaymentAdmin, PaymentInline
from django_payram.models import Payment, State
from django_payram.testing.factories import PaymentFactory
from tests.conftest import statements
from tests.shop.models import GiftOrder, NumberedOrder, Order, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db

desk = admin.AdminSite(name="desk")
desk.register(Payment, PaymentAdmin)


class OrderAdmin(admin.ModelAdmin):
    inlines = (PaymentInline,)


for model in (Order, UuidOrder, SlugOrder, GiftOrder, NumberedOrder):
    desk.register(model, OrderAdmin)
urlpatterns = [path("desk/", desk.urls), path("payram/", include("django_payram.urls"))]


@pytest.fixture(autouse=True)
def _desk():
    with override_settings(ROOT_URLCONF=__name__):
        yield


def page(order):
    return f"/desk/{order._meta.app_label}/{order._meta.model_name}/{admin.utils.quote(order.pk)}/change/"


def text(response):
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    "make",
    [
        Order.objects.create,
        UuidOrder.objects.create,
        lambda: SlugOrder.objects.create(id="SO_1/7"),
        GiftOrder.objects.create,
        lambda: [NumberedOrder.objects.create() for _ in range(2)][-1],
    ],
)
def test_an_order_shows_its_payments_whatever_its_key(admin_client, make):
    order = make()
    payment, other = PaymentFactory(order=order, paid=True), PaymentFactory()
    shown = text(admin_client.get(page(order)))
    assert f'href="/desk/django_payram/payment/{payment.pk}/change/"' in shown
    assert f"/payment/{other.pk}/" not in shown
    assert 'data-status="paid"' in shown


def test_saving_the_order_changes_no_payment(admin_client, order):
    payment = PaymentFactory(order=order)
    before = Payment.objects.values().get()
    prefix = "payram-payments"
    answer = admin_client.post(
        page(order),
        {
            "id": order.pk,
            "total": "7",
            "email": "new@example.org",
            "status": "new",
            "times_paid": "0",
            f"{prefix}-TOTAL_FORMS": "1",
            f"{prefix}-INITIAL_FORMS": "1",
            f"{prefix}-0-id": payment.pk,
            f"{prefix}-0-amount_usd": "1",
            f"{prefix}-0-DELETE": "on",
        },
    )
    assert answer.status_code == 302
    order.refresh_from_db()
    assert order.total == 7
    assert Payment.objects.values().get() == before


def test_the_page_of_a_new_order_has_no_payments(admin_client):
    PaymentFactory()
    shown = text(admin_client.get("/desk/shop/order/add/"))
    assert "data-status" not in shown
    assert "payment/request/" not in shown


def test_the_rest_can_be_requested_under_another_purpose(admin_client, order):
    PaymentFactory(
        order=order,
        state=State.PARTIALLY_FILLED,
        filled_usd=Decimal(20),
        closed_at=timezone.now(),
        customer_email="kim@example.org",
    )
    shown = text(admin_client.get(page(order))).replace("&amp;", "&")
    address = f"/desk/django_payram/payment/request/?order_model=shop.order&order_key={order.pk}"
    assert f"{address}&email=kim%40example.org&amount=29.99&purpose=rest" in shown


def test_a_clerk_sees_what_the_permissions_allow(django_user_model, order):
    payment = PaymentFactory(order=order)
    user = django_user_model.objects.create_user("clerk", is_staff=True)
    client = Client()
    client.force_login(user)
    user.user_permissions.set(Permission.objects.filter(codename="view_order"))
    shown = text(client.get(page(order)))
    assert f"/payment/{payment.pk}/" not in shown
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_order", "view_payment")))
    shown = text(client.get(page(order)))
    assert f"/payment/{payment.pk}/" in shown
    assert "payment/request/" not in shown


def test_links_to_orders_that_may_not_be_seen_are_text(django_user_model, order):
    payment = PaymentFactory(order=order, order_number="CK-9")
    user = django_user_model.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_payment"))
    client = Client()
    client.force_login(user)
    for address in ("", f"{payment.pk}/change/"):
        shown = text(client.get(f"/desk/django_payram/payment/{address}"))
        assert "CK-9" in shown
        assert "/desk/shop/order/" not in shown


def test_the_page_costs_the_same_whatever_the_number_of_payments(admin_client, order):
    text(admin_client.get(page(order)))
    counts = []
    for _ in range(2):
        PaymentFactory.create_batch(5, order=order)
        with statements() as captured:
            text(admin_client.get(page(order)))
        counts.append(len([one for one in captured if one.startswith("SELECT")]))
    assert counts[0] == counts[1]
