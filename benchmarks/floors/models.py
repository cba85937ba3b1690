"""Orders, and the lean tables that a shop would make for itself."""

from __future__ import annotations

from decimal import Decimal

from django.db import models


class Order(models.Model):
    """What one customer wants."""

    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("49.99"))
    email = models.EmailField(default="buyer@example.org")
    status = models.CharField(max_length=20, default="new")


class LeanPayment(models.Model):
    """A payment as a shop without this package keeps it: what the webhook needs."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT)
    reference = models.CharField(max_length=128, unique=True)
    amount_usd = models.DecimalField(max_digits=20, decimal_places=2)
    filled_usd = models.DecimalField(max_digits=28, decimal_places=8, null=True)
    state = models.CharField(max_length=20, default="OPEN")
    url = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class LeanEvent(models.Model):
    """One webhook, kept."""

    payment = models.ForeignKey(LeanPayment, on_delete=models.CASCADE)
    payload = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
