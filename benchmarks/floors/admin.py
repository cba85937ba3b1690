"""A plain list of payments: the same columns, no filters, no search, and no row counted."""

from __future__ import annotations

import sys

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property

from benchmarks.floors.models import Order
from django_payram.models import Payment


class UncountedPaginator(Paginator):
    """Claims that there is always another page."""

    @cached_property
    def count(self):
        """Return more than there will ever be."""
        return sys.maxsize


plain = admin.AdminSite(name="plain")


@admin.register(Payment, site=plain)
class PlainPaymentAdmin(admin.ModelAdmin):
    """The floor under every page of the payments' admin."""

    list_display = (
        "reference",
        "state",
        "review",
        "amount_usd",
        "filled_usd",
        "order_id",
        "created_at",
        "customer_email",
    )
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    show_full_result_count = False
    paginator = UncountedPaginator
    change_list_template = "admin/change_list.html"


admin.site.register(Order)
