"""The API view's module; its behaviour over HTTP is shown beside the page's in ``test_checkout``."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from django_payram.views.api import CheckoutAPIView, CheckoutThrottle


def test_the_rate_is_thirty_a_minute_unless_the_settings_say_otherwise(settings):
    assert CheckoutThrottle().rate == "30/minute"
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"payram-checkout": "5/hour"}}
    assert CheckoutThrottle().rate == "5/hour"


@pytest.mark.parametrize(("user", "ident"), [(AnonymousUser(), "10.1.1.1"), (None, "10.1.1.1")])
def test_guests_are_distinguished_by_address(rf, user, ident):
    request = rf.post("/", REMOTE_ADDR="10.1.1.1")
    if user is not None:
        request.user = user
    assert CheckoutThrottle().get_cache_key(request, CheckoutAPIView()) == f"throttle_payram-checkout_{ident}"
