"""What a shop writes to take payments."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from benchmarks.shop.models import Order
from django_payram.models import Payment
from django_payram.payments import assign, record_refund, withdraw
from django_payram.views import CheckoutView


class PayOrder(CheckoutView):
    """Opens the payment of an order."""

    def get_order(self):
        """Return the order. Everybody may pay for any: nobody logs in here."""
        return get_object_or_404(Order, pk=self.kwargs["pk"])

    def get_amount(self, order):
        """Return the order's total."""
        return order.total

    def get_email(self, order):
        """Return the customer's address."""
        return order.email

    def get_customer_id(self, order):
        """Return the person's id where there is one."""
        return order.person or None


class PayParcel(PayOrder):
    """Opens the payment of an extra parcel of an order."""

    def get_amount(self, order):  # noqa: ARG002 - a parcel costs the same for every order
        """Return what a parcel costs."""
        return 7

    def get_purpose(self, order):  # noqa: ARG002 - there is one parcel
        """Return what else is billed."""
        return "parcel"


@csrf_exempt
def withdraw_links(request, pk):  # noqa: ARG001 - Django's signature
    """Want no more money on the links of an order."""
    for payment in Payment.objects.for_order(Order(pk=pk)).open():
        withdraw(payment, reason="Paid by card.")
    return HttpResponse("withdrawn")


@csrf_exempt
def send_back(request, pk):  # noqa: ARG001 - Django's signature
    """Send back a half of what each payment of an order has left."""
    for payment in Payment.objects.for_order(Order(pk=pk)).filter(parent=None):
        half = (payment.net_usd / 2).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
        if half > 0:
            record_refund(payment, amount_usd=half)
    return HttpResponse("sent back")


@csrf_exempt
def merge(request, pk):  # noqa: ARG001 - Django's signature
    """Put a new order in the place of one that is not paid yet."""
    order = get_object_or_404(Order, pk=pk)
    for payment in Payment.objects.for_order(order).open():
        assign(payment, Order.objects.create(total=order.total, email=order.email))
    return HttpResponse("merged")


def ready(request):  # noqa: ARG001 - Django's signature
    """Answer without touching the database: the floor under every other answer."""
    return HttpResponse("ready")
