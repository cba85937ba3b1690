"""The views: PayRam's webhook, the checkout, and the pages that show a customer what became of a payment."""

from __future__ import annotations

from django_payram.views.checkout import CheckoutView
from django_payram.views.status import ReturnView, StatusAPIView, StatusView
from django_payram.views.webhook import WebhookView

__all__ = ["CheckoutView", "ReturnView", "StatusAPIView", "StatusView", "WebhookView"]
