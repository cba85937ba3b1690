"""What a shop writes to take payments."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator

from django_payram.views import AsyncCheckoutView, CheckoutView
from django_payram.views.api import CheckoutAPIView
from tests.shop.models import Order


class OrderCheckout:
    def get_order(self):
        return get_object_or_404(Order, pk=self.kwargs["pk"])

    def get_amount(self, order):
        return order.total

    def get_email(self, order):
        return order.email


# Guests may buy.
@method_decorator(login_not_required, name="dispatch")
class PayOrder(OrderCheckout, CheckoutView):
    pass


class PayOrderAPI(OrderCheckout, CheckoutAPIView):
    pass


@method_decorator(login_not_required, name="dispatch")
class PayOrderAsync(OrderCheckout, AsyncCheckoutView):
    pass
