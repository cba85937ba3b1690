"""Payments and their events in the admin."""

from __future__ import annotations

from django_payram.admin.events import PaymentEventAdmin
from django_payram.admin.payments import PaymentAdmin

__all__ = ["PaymentAdmin", "PaymentEventAdmin"]
