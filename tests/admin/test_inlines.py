"""The payments of an order on the order's own page."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone

from django_payram.admin import PaymentAdmin, PaymentInline
from django_payram.admin.inlines import MOST
from django_payram.models import Payment, Review, State
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import text
from tests.conftest import statements
from tests.shop.models import GiftOrder, NumberedOrder, Order, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db

desk = admin.AdminSite(name="desk")
desk.register(Payment, PaymentAdmin)


class OrderAdmin(admin.ModelAdmin):
    inlines = (PaymentInline,)
    save_as = True


for model in (Order, UuidOrder, SlugOrder, GiftOrder, NumberedOrder):
    desk.register(model, OrderAdmin)
urlpatterns = [path("desk/", desk.urls), path("payram/", include("django_payram.urls"))]


@pytest.fixture(autouse=True)
def _desk():
    with override_settings(ROOT_URLCONF=__name__):
        yield


def page(order):
    return f"/desk/{order._meta.app_label}/{order._meta.model_name}/{admin.utils.quote(order.pk)}/change/"


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


@pytest.mark.parametrize("button", ["_save", "_saveasnew"])
@pytest.mark.parametrize("forms", [None, "0", "5", "3000", "many"])
def test_whatever_is_sent_with_the_order_no_payment_is_touched(admin_client, forms, button):
    """Payments come and go while the page is open, and programs that post the order's form know of none."""
    order = UuidOrder.objects.create()
    PaymentFactory.create_batch(2, order=order)
    before = list(Payment.objects.order_by("pk").values())
    management = {f"payram-payments-{name}_FORMS": forms for name in ("TOTAL", "INITIAL") if forms is not None}
    answer = admin_client.post(
        page(order), {"id": uuid.uuid4() if "new" in button else order.pk, button: "1", **management}
    )
    assert answer.status_code == 302
    assert list(Payment.objects.order_by("pk").values()) == before


def test_an_order_whose_key_no_payment_can_remember_has_its_page(admin_client, monkeypatch):
    order = SlugOrder.objects.create(id="SO-1")
    monkeypatch.setattr("django_payram.models.orders.LONGEST_KEY", 3)
    shown = text(admin_client.get(page(order)))
    assert "payment/request/" not in shown


def test_the_newest_payments_are_shown_and_the_list_has_all(admin_client, order):
    PaymentFactory(order=order, purpose="the oldest", created_at=timezone.now() - timedelta(days=1))
    PaymentFactory.create_batch(MOST - 1, order=order)
    assert "the oldest" in text(admin_client.get(page(order)))
    PaymentFactory(order=order)
    shown = text(admin_client.get(page(order)))
    assert "the oldest" not in shown
    (address,) = re.findall(r'href="(/desk/django_payram/payment/\?order_type[^"]+)"', shown)
    assert f"{MOST + 1} payments" in text(admin_client.get(address.replace("&amp;", "&")))


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
    assert f"{address}&email=kim%40example.org&project=default&amount=29.99&purpose=rest" in shown
    assert "Request the rest, 29.99 USD" in shown


def test_a_link_that_nobody_paid_can_be_requested_again(admin_client, order):
    ended = {"order": order, "state": State.CANCELED, "closed_at": timezone.now(), "purpose": "deposit"}
    PaymentFactory(**ended, price_amount=Decimal(40), price_currency="EUR")
    shown = text(admin_client.get(page(order))).replace("&amp;", "&")
    assert "Request it again" in shown
    assert "&amount=40.00&currency=EUR&purpose=deposit" in shown


@pytest.mark.parametrize(
    "fields",
    [
        {"paid": True},
        {"state": State.OPEN},
        {"withdrawn_at": timezone.now()},
        {"state": State.FILLED, "filled_usd": Decimal(10), "review": Review.AMOUNT},
        {
            "state": State.PARTIALLY_FILLED,
            "filled_usd": Decimal(20),
            "refunded_usd": Decimal(20),
            "closed_at": timezone.now(),
        },
    ],
    ids=["paid", "open", "withdrawn", "held", "refunded"],
)
def test_nothing_is_known_to_be_missing_otherwise(admin_client, order, fields):
    PaymentFactory(order=order, **fields)
    shown = text(admin_client.get(page(order)))
    assert "Request a payment" in shown
    assert "amount=" not in shown


def test_a_bill_that_another_payment_has_paid_misses_nothing(admin_client, order):
    PaymentFactory(order=order, paid=True)
    PaymentFactory(order=order, state=State.CANCELED, closed_at=timezone.now())
    assert "amount=" not in text(admin_client.get(page(order)))


def test_the_link_leads_to_a_form_that_is_filled_in(admin_client, payram):
    """Also for a kind of order that has no payments yet, and that declares none."""
    order = SlugOrder.objects.create(id="SO 1&2")
    PaymentFactory(order=Order.objects.create())
    shown = text(admin_client.get(page(order)))
    (address,) = re.findall(r'href="(/desk/django_payram/payment/request/[^"]+)"', shown)
    form = text(admin_client.get(address.replace("&amp;", "&")))
    assert '<option value="shop.slugorder" selected>' in form
    assert 'value="SO 1&amp;2"' in form


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


def test_a_site_that_has_no_payments_shows_them_without_links(admin_client, order):
    plain = admin.AdminSite(name="plain")
    plain.register(Order, OrderAdmin)
    urls = type("urls", (), {"urlpatterns": [path("plain/", plain.urls)]})
    PaymentFactory(order=order)
    with override_settings(ROOT_URLCONF=urls):
        shown = text(admin_client.get(f"/plain/shop/order/{order.pk}/change/"))
    assert "data-status" in shown
    assert "/payment/" not in shown
