"""The pages: where PayRam knocks, where a customer starts to pay, where they see what became of it."""

from __future__ import annotations

from django_payram.views.checkout import CheckoutView
from django_payram.views.status import ReturnView, StatusAPIView, StatusView
from django_payram.views.webhook import WebhookView

__all__ = ["CheckoutView", "ReturnView", "StatusAPIView", "StatusView", "WebhookView"]
