"""Our URLs in a namespace of the shop's."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.core import mail
from django.test import override_settings
from django.urls import NoReverseMatch, include, path

from django_payram import doctor
from django_payram.admin.actions import status_address
from django_payram.conf import checks
from django_payram.conf.addresses import path_of
from django_payram.doctor.checks import check_addresses
from django_payram.models import Payment
from django_payram.payments import mail_status_link
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import serving
from django_payram.views.decorators import url_of

pytestmark = pytest.mark.django_db

nested = [path("money/", include("django_payram.urls"))]
urlpatterns = [path("shop/", include((nested, "shop"), namespace="shop"))]


class Deep:
    """A namespace in a namespace, as plugins of pretix have it, beside others."""

    urlpatterns = [
        path("other/", include(([path("", lambda request: None, name="webhook")], "other"))),
        path("", include(([path("shop/", include((nested, "shop")))], "plugins"))),
    ]


class Renamed:
    urlpatterns = [path("shop/money/", include("django_payram.urls", namespace="money"))]


@pytest.fixture(params=[__name__, Deep, Renamed], ids=["nested", "deep", "renamed"])
def _below_a_namespace(request, settings):
    settings.ROOT_URLCONF = request.param


def test_the_return_page_leads_on_in_its_own_namespace(client):
    """F93."""
    payment = PaymentFactory()
    with override_settings(ROOT_URLCONF=__name__):
        answer = client.get(f"/shop/money/return/?invoice_id={payment.token}")
    assert (answer.status_code, answer["Location"]) == (302, f"/shop/money/payments/{payment.token}/")


@pytest.mark.usefixtures("_below_a_namespace")
class TestWithoutARequestOfOurs:
    def test_a_view_of_the_shops_leads_to_our_pages(self, rf):
        """F93."""
        payment = PaymentFactory()
        request = rf.get("/")
        request.resolver_match = None
        assert url_of(request, "status", payment.token) == f"/shop/money/payments/{payment.token}/"

    def test_a_mail_has_the_address_of_the_status_page(self, settings):
        """F93."""
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHOP_URL": "https://shop.example.com"}}
        payment = PaymentFactory()
        mail_status_link(payment)
        assert f"https://shop.example.com/shop/money/payments/{payment.token}/" in mail.outbox[0].body

    def test_the_admin_leads_to_the_status_page(self, rf):
        payment = PaymentFactory()
        page = f"/shop/money/payments/{payment.token}/"
        assert f'href="{page}"' in admin.site.get_model_admin(Payment).status_link(payment)
        assert status_address(rf.get("/"), payment) == f"http://testserver{page}"

    def test_the_doctor_names_the_addresses_for_payram(self):
        """F93."""
        found = " ".join(
            str(one.message) for one in check_addresses(doctor.Scope(public_url="https://shop.example.com"))
        )
        assert "https://shop.example.com/shop/money/webhook/" in found
        assert "https://shop.example.com/shop/money/return/" in found

    def test_the_webhook_is_found_among_what_is_exempt_from_redirects(self, settings):
        settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None
        assert checks.check_ssl_redirect()
        settings.SECURE_REDIRECT_EXEMPT = ["^shop/money/webhook"]
        assert checks.check_ssl_redirect() == []

    def test_the_test_kit_sends_webhooks_there(self):
        with serving() as payram:
            assert payram.sandbox.project.webhook_url == "https://testserver/shop/money/webhook/"


def test_a_shop_without_our_urls_has_no_addresses():
    with override_settings(ROOT_URLCONF="tests.doctor.without_urls"), pytest.raises(NoReverseMatch):
        path_of("webhook")
