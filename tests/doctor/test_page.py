"""The diagnosis as a page of the admin."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import include, path

from django_payram.doctor.page import doctor_view
from tests import urls
from tests.clients import PLAIN

urlpatterns = [
    path("admin/doctor/", admin.site.admin_view(lambda request: doctor_view(request, admin.site))),
    path("", include(urls)),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.doctor.test_page")]

PAGE = "/admin/doctor/"
KEY = "00112233445566778899aabbccddeeff"


def staff_client(django_user_model, *permissions):
    user = django_user_model.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def shown(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_page_shows_the_diagnosis_and_the_addresses(payram, admin_client, settings):
    settings.SECURE_SSL_REDIRECT = False
    page = shown(admin_client.get(PAGE, headers=PLAIN))
    assert "PayRam accepts the key." in page
    assert "Webhook URL to paste into PayRam: http://testserver/payram/webhook/" in page
    assert "Problems: 0, warnings: 1." in page


def test_looking_sends_no_webhook(payram, admin_client):
    page = shown(admin_client.get(PAGE))
    assert "A test webhook to" not in page
    assert "No webhook has been sent yet." in page


@pytest.mark.not_in("https", "tls", reason="the site that is started here speaks no TLS")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("payram")
def test_the_button_sends_a_webhook_to_the_site_itself(live_server, admin_client):
    host = live_server.url.removeprefix("http://")
    page = shown(admin_client.post(PAGE, HTTP_HOST=host))
    assert f"A test webhook to {live_server.url}/payram/webhook/ arrives." in page
    assert "A signed webhook of this project is accepted." in page
    assert "Test webhooks were sent to this site." in page
    assert KEY not in page


def test_a_problem_is_shown_in_words_and_not_by_colour_alone(payram, admin_client):
    payram.sandbox.inject_fault(None, "unauthorized")
    page = shown(admin_client.get(PAGE))
    # How many warnings there are depends on the surroundings.
    assert "Problems: 1, warnings: " in page
    assert '<span class="payram-doctor-mark">problem</span> <p><strong class="payram-doctor-project">default' in page
    assert KEY not in page


def test_words_of_others_are_escaped(admin_client, settings):
    settings.PAYRAM = {"<b>shop": {"BASE_URL": "https://pay.no-such-host.invalid", "API_KEY": KEY}}
    page = shown(admin_client.get(PAGE))
    assert "&lt;b&gt;shop" in page
    assert "<b>shop" not in page


def test_the_page_has_no_style_and_no_script_of_its_own(payram, admin_client):
    page = shown(admin_client.get(PAGE))
    main = page[page.index("<main") : page.index("</main>")]
    assert "<script" not in main
    assert "<style" not in page
    assert " style=" not in main
    assert not re.search(r" on[a-z]+=", main)


def test_seeing_payments_is_the_permission(payram, django_user_model):
    assert staff_client(django_user_model, "view_payment").get(PAGE).status_code == 200


def test_staff_without_the_permission_are_refused(django_user_model):
    client = staff_client(django_user_model, "ask_payram")
    assert client.get(PAGE).status_code == client.post(PAGE).status_code == 403


def test_anonymous_visitors_are_led_to_the_login(client):
    assert client.get(PAGE).status_code == 302


def test_the_button_is_guarded_against_other_sites(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(PAGE).status_code == 403


def test_other_methods_are_refused(admin_client):
    assert admin_client.put(PAGE).status_code == 405
