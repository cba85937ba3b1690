"""A second admin site, a PayRam that is down, and users with long names."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone

from django_payram.admin import PaymentAdmin
from django_payram.models import Payment, Review, State, content_type
from django_payram.testing.factories import PaymentFactory
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

backoffice = admin.AdminSite(name="backoffice")
backoffice.register(Payment, PaymentAdmin)
backoffice.register(Order)
urlpatterns = [path("backoffice/", backoffice.urls), path("payram/", include("django_payram.urls"))]


@pytest.fixture
def only_the_second_site():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.mark.usefixtures("only_the_second_site")
@pytest.mark.parametrize("button", ["ask", "announce", "resolve"])
def test_buttons_lead_back_to_the_site_they_were_pressed_on(admin_client, button):
    """F93."""
    payment = PaymentFactory(review=Review.LATE, reviews_raised=["late"])
    page = f"/backoffice/django_payram/payment/{payment.pk}/"
    answer = admin_client.post(f"{page}{button}/", {"reason": "Seen."})
    assert (answer.status_code, answer["Location"]) == (302, f"{page}change/")


@pytest.mark.usefixtures("only_the_second_site")
def test_links_lead_to_pages_of_the_same_site(admin_client, order):
    """F93."""
    place = {"order_type": content_type(order), "order_id": str(order.pk)}
    parent = PaymentFactory(**place)
    child = PaymentFactory(**place, parent=parent)
    shown = admin_client.get(f"/backoffice/django_payram/payment/{child.pk}/change/").content.decode()
    assert f'href="/backoffice/shop/order/{order.pk}/change/"' in shown
    assert f'href="/backoffice/django_payram/payment/{parent.pk}/change/"' in shown
    assert "/backoffice/shop/order/" in admin_client.get("/backoffice/django_payram/payment/").content.decode()


@pytest.mark.usefixtures("only_the_second_site")
def test_a_link_by_hand_stays_on_its_site(admin_client, payram):
    page = "/backoffice/django_payram/payment/"
    assert f'href="{page}request/"' in admin_client.get(page).content.decode()
    shown = admin_client.get(f"{page}request/").content.decode()
    assert f'<a class="payram-button" href="{page}">' in shown
    asked = {"email": "kim@example.org", "amount": "5", "currency": "USD", "project": "default", "key": uuid.uuid4()}
    answer = admin_client.post(f"{page}request/", asked)
    payment = Payment.objects.get()
    assert answer["Location"] == f"{page}{payment.pk}/change/"
    assert f'action="{page}{payment.pk}/mail/"' in admin_client.get(answer["Location"]).content.decode()
    assert admin_client.post(f"{page}{payment.pk}/mail/")["Location"] == answer["Location"]


# PayRam is down


@pytest.fixture
def undelivered(settings):
    """A paid payment whose receivers have yet to be notified, at a PayRam that gives no answer."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "http://127.0.0.1:9"}}
    return PaymentFactory(paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())


def test_asking_payram_notifies_receivers_although_payram_is_down(admin_client, undelivered, listener):
    page = f"/admin/django_payram/payment/{undelivered.pk}/ask/"
    assert "could not be asked" in admin_client.post(page, follow=True).content.decode()
    assert listener.names == ["payment_paid"]


def test_asking_payram_from_the_list_notifies_receivers_although_payram_is_down(admin_client, undelivered, listener):
    data = {"action": "ask_payram_now", "_selected_action": [undelivered.pk]}
    assert (
        "could not be asked" in admin_client.post("/admin/django_payram/payment/", data, follow=True).content.decode()
    )
    assert listener.names == ["payment_paid"]


# Who acted


def test_a_user_name_longer_than_the_column_can_act(payram, monkeypatch):
    user = get_user_model().objects.create_superuser("kim")
    monkeypatch.setattr(get_user_model(), "get_username", lambda self: "k" * 300)
    client = Client()
    client.force_login(user)
    payment = PaymentFactory(state=State.FILLED, filled_usd=1, review=Review.AMOUNT, reviews_raised=["amount"])
    page = f"/admin/django_payram/payment/{payment.pk}/accept/"
    assert client.post(page, {"reason": "Fine, says kim@example.org.", "confirm": "on"}).status_code == 302
    event = payment.events.get(outcome="accepted")
    assert (event.actor, event.note) == ("k" * 150, "Fine, says [e-mail]")
