"""What a shop writes to have payments in its history and in its audit log."""

from __future__ import annotations

from auditlog.registry import auditlog
from simple_history import register

from django_payram.models import Payment, PaymentEvent

for model in (Payment, PaymentEvent):
    register(model, app=__package__)
    auditlog.register(model)
