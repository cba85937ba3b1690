"""Payments and their events in the admin, and the payments of an order on its own page."""

from __future__ import annotations

from django_payram.admin.events import PaymentEventAdmin
from django_payram.admin.inlines import PaymentInline
from django_payram.admin.payments import PaymentAdmin

__all__ = ["PaymentAdmin", "PaymentEventAdmin", "PaymentInline"]
