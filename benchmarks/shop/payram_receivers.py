"""What the shop does when PayRam has news."""

from __future__ import annotations

from os import environ

from benchmarks.shop.models import Order, ReceivedSignal
from django_payram.signals import payment_canceled, payment_paid, payment_refunded


def mark_paid(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Make the order paid, and write down that it happened."""
    if not payment.purpose:
        Order.objects.filter(pk=payment.order_id).update(status="paid")
    ReceivedSignal.objects.create(signal="payment_paid", order_id=payment.order_id, payment=payment.token)


def cancel(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Give the order up, unless it is paid, and write down that it happened."""
    if not payment.purpose:
        Order.objects.filter(pk=payment.order_id, status="new").update(status="canceled")
    ReceivedSignal.objects.create(signal="payment_canceled", order_id=payment.order_id, payment=payment.token)


def note_refund(sender, payment, refund, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Write down that money was sent back."""
    ReceivedSignal.objects.create(signal="payment_refunded", order_id=payment.order_id or 0, payment=payment.token)


# A process that knows nothing of them, as a shop's scheduled command may be.
if "WITHOUT_RECEIVERS" not in environ:
    payment_paid.connect(mark_paid)
    payment_canceled.connect(cancel)
    payment_refunded.connect(note_refund)
