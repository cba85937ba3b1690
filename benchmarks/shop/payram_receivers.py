"""What the shop does when PayRam has news."""

from __future__ import annotations

from django.dispatch import receiver

from benchmarks.shop.models import Order, Told
from django_payram.signals import payment_canceled, payment_paid


@receiver(payment_paid)
def mark_paid(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Make the order paid, and write down that it happened."""
    Order.objects.filter(pk=payment.order_id).update(status="paid")
    Told.objects.create(signal="payment_paid", order_id=payment.order_id, payment=payment.token)


@receiver(payment_canceled)
def cancel(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Give the order up, unless it is paid, and write down that it happened."""
    Order.objects.filter(pk=payment.order_id, status="new").update(status="canceled")
    Told.objects.create(signal="payment_canceled", order_id=payment.order_id, payment=payment.token)
