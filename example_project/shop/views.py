"""The pages of the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils.cache import patch_cache_control
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import DetailView, FormView, ListView
from rest_framework.exceptions import ValidationError

from django_payram.views import CheckoutView
from django_payram.views.api import CheckoutAPIView
from shop import orders
from shop.forms import OrderForm
from shop.models import Order, Product
from shop.visitors import orders_of, remember

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


class ProductList(ListView):
    """Everything on the shelves."""

    model = Product
    template_name = "shop/products.html"
    context_object_name = "products"


class ProductPage(FormView):
    """One product, and the form to order it."""

    template_name = "shop/product.html"
    form_class = OrderForm

    @cached_property
    def product(self) -> Product:
        """Return the product of this page."""
        return get_object_or_404(Product, slug=self.kwargs["slug"])

    def get_initial(self) -> dict[str, Any]:
        """Return what is known of a user who has logged in."""
        user = self.request.user
        if not user.is_authenticated:
            return {}
        return {"name": user.get_full_name(), "email": user.email}

    def form_valid(self, form: OrderForm) -> HttpResponse:
        """Place the order, or say what is missing."""
        user = self.request.user if self.request.user.is_authenticated else None
        try:
            order = orders.place(self.product, user=user, **form.cleaned_data)
        except orders.OutOfStockError as problem:
            form.add_error("quantity", str(problem))
            return self.form_invalid(form)
        remember(self.request, order)
        return redirect(order)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the product beside the form."""
        return super().get_context_data(product=self.product, **kwargs)


class OwnOrders:
    """Only the visitor's own orders; everybody else's do not exist. Shared caches keep no copy."""

    request: HttpRequest

    def get_queryset(self) -> QuerySet[Order]:
        """Return the visitor's orders with all that the pages show."""
        return orders_of(self.request).prefetch_related("lines__product")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer, and forbid shared caches to keep the answer."""
        response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        patch_cache_control(response, private=True, no_store=True)
        return response


class OrderList(OwnOrders, ListView):
    """The visitor's orders."""

    template_name = "shop/orders.html"
    context_object_name = "orders"


class OrderPage(OwnOrders, DetailView):
    """One order: what, how much, paid or not."""

    template_name = "shop/order.html"
    context_object_name = "order"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the order's payments, newest first, beside the order."""
        payments = self.object.payments.order_by("-created_at")
        # The script of the page puts the token of the payment it makes into the addresses.
        facts = {"payments": payments, "can_be_paid": orders.can_be_paid(self.object), "no_token": UUID(int=0)}
        return super().get_context_data(**facts, **kwargs)


class PayableOrder:
    """What our checkouts say of an order."""

    request: HttpRequest
    kwargs: dict[str, Any]

    def get_order(self) -> Order:
        """Return the visitor's own order."""
        return get_object_or_404(orders_of(self.request), pk=self.kwargs["pk"])

    def get_amount(self, order: Order) -> Decimal:
        """Return the total that was fixed when the order was placed."""
        return order.total

    def get_currency(self, order: Order) -> str:
        """Return what the total is in."""
        return order.currency

    def get_email(self, order: Order) -> str:
        """Return the customer's address."""
        return order.email


class PayOrder(PayableOrder, CheckoutView):
    """The button "Pay with crypto": leads to PayRam."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Hold the pieces of a canceled order again before the customer pays for them."""
        order = self.get_order()
        if not orders.can_be_paid(order):
            return redirect(order)
        try:
            orders.reopen(order)
        except orders.OutOfStockError as problem:
            messages.error(request, str(problem))
            return redirect(order)
        return super().post(request, *args, **kwargs)


class PayOrderHere(PayableOrder, CheckoutAPIView):
    """The same for the script of the order's page, which shows the address itself."""

    def get_order(self) -> Order:
        """Return the visitor's own order, with its pieces taken off the shelf again."""
        order = super().get_order()
        if not orders.can_be_paid(order):
            raise ValidationError({"detail": _("This order cannot be paid.")})
        try:
            orders.reopen(order)
        except orders.OutOfStockError as problem:
            raise ValidationError({"detail": str(problem)}) from problem
        return order


class PayExpressDelivery(PayOrder):
    """The button for the second bill of an order that has grown."""

    def get_amount(self, order: Order) -> Decimal:
        """Return what express delivery costs."""
        return order.express_fee

    def get_purpose(self, order: Order) -> str:
        """Return which of the order's bills it is."""
        return orders.EXPRESS

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to PayRam while express delivery is wanted and not paid."""
        order = self.get_order()
        if not order.owes_express_fee:
            return redirect(order)
        return CheckoutView.post(self, request, *args, **kwargs)
