"""Events in the admin, those without a payment included."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_payram.admin.lists import ProjectFilter, ReadOnlyAdmin
from django_payram.models import PaymentEvent


@admin.register(PaymentEvent)
class PaymentEventAdmin(ReadOnlyAdmin):
    """Every event, those without a payment included: unknown references and unreadable webhooks."""

    list_display = ("created_at", "reference", "source", "outcome", "state_before", "state_after", "note")
    list_filter = ("outcome", "source", ProjectFilter, "created_at")
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    search_fields = ("reference__exact",)
    search_help_text = _("A whole reference.")
    fields = (
        "created_at",
        "payment",
        "project",
        "reference",
        "source",
        "outcome",
        "state_before",
        "state_after",
        "note",
        "error",
        "actor",
        "payload",
    )
