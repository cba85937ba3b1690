"""Where an order of Oscar is paid, and where a customer gets back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views import View

from django_payram.contrib.oscar.orders import due, is_own, may_be_paid, order_model
from django_payram.exceptions import InvalidPaymentRequest
from django_payram.models import Payment
from django_payram.views import CheckoutView

if TYPE_CHECKING:
    from decimal import Decimal

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class OfOneOrder:
    """A view of the visitor's own order. Others are asked who they are, whether or not there is such an order."""

    request: HttpRequest
    kwargs: dict[str, Any]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Lead visitors who may not see the order to the login, or raise Http404 once they are logged in."""
        order = order_model().objects.filter(number=kwargs["order_number"]).first()
        if order is None or not self.may_see(order):
            if request.user.is_authenticated:
                raise Http404
            return redirect_to_login(request.get_full_path())
        self.order = order
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return] # of the view beside it

    def may_see(self, order: Any) -> bool:
        """Return whether it is the visitor's order."""
        return is_own(self.request, order, self.kwargs.get("proof", ""))

    def page(self) -> HttpResponseRedirect:
        """Lead to the page on which Oscar shows the order to this visitor."""
        order = self.order
        if order.user_id is not None and order.user_id == self.request.user.pk:
            return redirect("customer:order", order_number=order.number)
        if proof := self.kwargs.get("proof"):
            return redirect("customer:anon-order", order_number=order.number, hash=proof)
        return redirect("checkout:thank-you")


class PayOrderView(OfOneOrder, CheckoutView):
    """POST leads to PayRam, also when the order was placed days ago; GET leads back to the order.

    Nothing comes from the browser but the order's number, and a guest's proof of it.
    """

    def get_order(self) -> Any:
        """Return the visitor's order."""
        return self.order

    def way_back(self, order: Any) -> HttpResponseRedirect:  # noqa: ARG002 - the same one
        """Lead back to the order's page."""
        return self.page()

    def get_amount(self, order: Any) -> Decimal:
        """Return what other sources leave to be paid. An order that is not to be paid is refused, unless it is paid."""
        if not may_be_paid(order) and not Payment.objects.for_order(order).paid().exists():
            raise InvalidPaymentRequest("order", f"{order.number} is not to be paid through PayRam as it is.")
        return due(order)

    def get_email(self, order: Any) -> str:
        """Return the address of the customer, or of the guest."""
        return str(order.email or "")

    def get_currency(self, order: Any) -> str:
        """Return the order's own."""
        return str(order.currency)


class OrderView(OfOneOrder, View):
    """Leads from the page of a payment to the order: to Oscar's page for the customer, to the dashboard for staff."""

    def may_see(self, order: Any) -> bool:
        """Return whether it is the visitor's order, or the visitor works in the dashboard."""
        return super().may_see(order) or self.request.user.is_staff

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseRedirect:  # noqa: ARG002 - of the address
        """Lead on."""
        if super().may_see(self.order):
            return self.page()
        return HttpResponseRedirect(reverse("dashboard:order-detail", args=[self.order.number]))
