"""Orders, and what the shop was sent about them."""

from __future__ import annotations

from decimal import Decimal

from django.db import models


class Order(models.Model):
    """What one customer wants."""

    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("49.99"))
    email = models.EmailField(default="buyer@example.org")
    status = models.CharField(max_length=20, default="new")
    person = models.CharField(max_length=40, blank=True)
    """PayRam's customer id for all orders of one person; blank: one id per order, as is the default."""


class ReceivedSignal(models.Model):
    """One line for each time a receiver's work was committed: what must be there exactly once."""

    signal = models.CharField(max_length=30)
    order_id = models.BigIntegerField(db_index=True)
    payment = models.UUIDField()
    told_at = models.DateTimeField(auto_now_add=True)
