"""What the shop does when it is paid: the one statement that the hand-written view has as well."""

from __future__ import annotations

from django.dispatch import receiver

from benchmarks.floors.models import Order
from django_payram.signals import payment_paid


@receiver(payment_paid)
def mark_paid(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Make the order paid."""
    Order.objects.filter(pk=payment.order_id).update(status="paid")
