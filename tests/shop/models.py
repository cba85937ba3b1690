"""A shop with the three kinds of keys that orders have."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models

from django_payram.models import DETACH, PaymentsRelation


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

    payments = PaymentsRelation()

    def get_absolute_url(self):
        return f"/orders/{self.pk}/"

    def get_payment_url(self):
        return f"/orders/{self.pk}/pay/"


class UuidOrder(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    payments = PaymentsRelation()


class SlugOrder(models.Model):
    """An order that does not declare its payments."""

    id = models.CharField(primary_key=True, max_length=40)


class GiftOrder(Order):
    """An order by multi-table inheritance: its rows are orders, too."""

    message = models.CharField(max_length=100, default="")


class NumberedOrder(Order):
    """The same with a primary key of its own."""

    order = models.OneToOneField(Order, models.CASCADE, parent_link=True)
    number = models.BigAutoField(primary_key=True)


class OrderProxy(Order):
    class Meta:
        proxy = True


class ShelfOrder(models.Model):
    """An order with a key of two columns."""

    pk = models.CompositePrimaryKey("shelf", "number")
    shelf = models.IntegerField()
    number = models.IntegerField()


class LooseOrder(models.Model):
    """An order that may be deleted whatever its payments are."""

    id = models.CharField(primary_key=True, max_length=40)
    payments = PaymentsRelation(on_delete=DETACH)
