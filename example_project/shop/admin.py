"""The shop's side of the counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib import admin, messages
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_payram.admin import PaymentInline
from shop import orders
from shop.models import Order, OrderLine, Product

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

admin.site.site_header = _("Copper Kettle")
admin.site.site_title = _("Copper Kettle")
admin.site.index_title = _("Behind the counter")


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products with their pictures; the stock can be counted in the list."""

    list_display = ("thumbnail", "name", "kind", "size", "price", "stock")
    list_display_links = ("thumbnail", "name")
    list_editable = ("stock",)
    list_filter = ("kind",)
    search_fields = ("name", "summary")
    prepopulated_fields: ClassVar = {"slug": ["name"]}
    readonly_fields = ("large_picture",)

    @admin.display(description=_("picture"))
    def thumbnail(self, product: Product) -> str:
        """Return the picture, small."""
        return format_html('<img src="{}" alt="" width="56" height="56">', product.picture_url)

    @admin.display(description=_("as customers see it"))
    def large_picture(self, product: Product) -> str:
        """Return the picture, large."""
        return format_html('<img src="{}" alt="" width="280" height="280">', product.picture_url)


class OrderLineInline(admin.TabularInline):
    """What was ordered; nobody changes that afterwards."""

    model = OrderLine
    fields = readonly_fields = ("product", "quantity", "unit_price", "subtotal")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        """Refuse: the customer has seen the total."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        """Return the lines with their products."""
        return super().get_queryset(request).select_related("product")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Orders with their lines and payments; price and state are only shown."""

    list_display = ("number", "name", "email", "total", "currency", "state", "holds_stock", "created_at")
    list_filter = ("state", "holds_stock", "created_at")
    search_fields = ("=id", "name", "email")
    date_hierarchy = "created_at"
    fields = (
        ("number", "created_at"),
        "name",
        "email",
        "user",
        ("total", "currency"),
        ("state", "paid_at", "paid_by_card"),
        ("express_fee", "express_paid_at"),
        "holds_stock",
    )
    readonly_fields = (
        "number",
        "created_at",
        "total",
        "currency",
        "state",
        "paid_at",
        "paid_by_card",
        "express_fee",
        "express_paid_at",
        "holds_stock",
    )
    raw_id_fields = ("user",)
    inlines: ClassVar = [OrderLineInline, PaymentInline]
    actions = ("release_unpaid", "pay_by_card", "add_express_delivery", "send_back")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: orders are placed in the shop."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Find orders by the number that people see, too."""
        term = search_term.strip().upper()
        if term.startswith("CK-") and term[3:].isdecimal():
            search_term = str(int(term[3:]))
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=_("number"), ordering="pk")
    def number(self, order: Order) -> str:
        """Return the number that people see."""
        return order.number

    @admin.action(description=_("Cancel selected orders that nobody is paying for"), permissions=["change"])
    def release_unpaid(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Put the pieces of abandoned orders back on the shelf."""
        abandoned = [one for one in queryset if not one.payments.open().exists()]
        count = sum(orders.cancel(order) for order in abandoned)
        told = ngettext("%(count)d order was canceled.", "%(count)d orders were canceled.", count)
        self.message_user(request, told % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Mark selected orders as paid by card"), permissions=["change"])
    def pay_by_card(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Settle the orders, and withdraw their payment links."""
        clerk = request.user.get_username()
        count = sum(orders.pay_by_card(one, clerk=clerk) for one in queryset)
        told = ngettext("%(count)d order was paid by card.", "%(count)d orders were paid by card.", count)
        self.message_user(request, told % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Add express delivery to selected paid orders"), permissions=["change"])
    def add_express_delivery(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Let the orders grow by a second bill."""
        count = sum(map(orders.add_express_delivery, queryset))
        told = ngettext("%(count)d order goes by express.", "%(count)d orders go by express.", count)
        self.message_user(request, told % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Record that the money of selected orders was sent back"), permissions=["change"])
    def send_back(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Write down a refund of all that was paid."""
        clerk = request.user.get_username()
        count = sum(orders.send_back(one, clerk=clerk) for one in queryset)
        told = ngettext("%(count)d refund was recorded.", "%(count)d refunds were recorded.", count)
        self.message_user(request, told % {"count": count}, messages.SUCCESS)
