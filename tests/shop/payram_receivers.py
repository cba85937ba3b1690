"""What the test shop does when a payment is paid."""

from __future__ import annotations

from django.db.models import F
from django.dispatch import receiver

from django_payram.models import content_type
from django_payram.signals import payment_paid
from tests.shop.models import Order

imported = True


@receiver(payment_paid)
def mark_paid(sender, payment, **kwargs):
    if payment.order_type_id == content_type(Order).pk:
        Order.objects.filter(pk=payment.order_id).update(status="paid", times_paid=F("times_paid") + 1)
