"""A shop with the three kinds of keys that orders have."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models


def invoice_number():
    return f"SO-{uuid.uuid4().hex[:8]}"


KEYS = {
    "int": models.BigAutoField(primary_key=True),
    "uuid": models.UUIDField(primary_key=True, default=uuid.uuid4),
    "text": models.CharField(primary_key=True, max_length=40, default=invoice_number),
}


class Order(models.Model):
    id = KEYS[settings.ORDER_KEY]
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("49.99"))
    email = models.EmailField(default="buyer@example.org")
    status = models.CharField(max_length=20, default="new")
    times_paid = models.PositiveIntegerField(default=0)

    def get_absolute_url(self):
        return f"/orders/{self.pk}/"


class UuidOrder(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class SlugOrder(models.Model):
    id = models.CharField(primary_key=True, max_length=40)
