"""The views: PayRam's webhook, the checkout, and the pages that show a customer what became of a payment."""

from __future__ import annotations

from django_payram.views.checkout import AsyncCheckoutView, CheckoutView
from django_payram.views.health import HealthView
from django_payram.views.pay import PayView
from django_payram.views.status import ReturnView, StatusView, remember
from django_payram.views.webhook import WebhookView

__all__ = [
    "AsyncCheckoutView",
    "CheckoutView",
    "HealthView",
    "PayView",
    "ReturnView",
    "StatusView",
    "WebhookView",
    "remember",
]
