"""Our URLs in a namespace of the shop's."""

from __future__ import annotations

import pytest
from django.test import override_settings
from django.urls import include, path

from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db

nested = [path("money/", include("django_payram.urls"))]
urlpatterns = [path("shop/", include((nested, "shop"), namespace="shop"))]


def test_the_return_page_leads_on_in_its_own_namespace(client):
    """F93."""
    payment = PaymentFactory()
    with override_settings(ROOT_URLCONF=__name__):
        answer = client.get(f"/shop/money/return/?invoice_id={payment.token}")
    assert (answer.status_code, answer["Location"]) == (302, f"/shop/money/payments/{payment.token}/")
