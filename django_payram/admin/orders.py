"""Choosing an order of the shop in a form: which kind, and its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import router
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_payram.models import Payment, PaymentsRelation, order_type

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest

NEWEST = 200
"""Orders of so many payments tell which models the shop takes payments for."""


def order_models(site: AdminSite, request: HttpRequest, *, wanted: str = "") -> dict[str, type[Model]]:
    """Return the models of orders that the user may view, by their label: those that there are payments of.

    Of a shop without payments: those with a PaymentsRelation, or else all that the admin site knows. The model with the
    label ``wanted`` is among them, if the site has it: an order's own page leads here before it has payments.
    """
    newest = Payment.objects.exclude(order_type=None).order_by("-created_at").only("order_type")[:NEWEST]
    known = {
        order_type(payment).model_class() for payment in {payment.order_type_id: payment for payment in newest}.values()
    }
    declared = {model for model in apps.get_models() if _has_relation(model)}
    registered = [model for model in apps.get_models() if site.is_registered(model)]
    taken = {model for model in known | declared if model is not None}
    offered = [
        model
        for model in registered
        if not taken or model in taken or model._meta.label_lower == wanted  # noqa: SLF001 - Django's documented name
    ]
    return {model._meta.label_lower: model for model in offered if may_view(site, request, model)}  # noqa: SLF001


def may_view(site: AdminSite, request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the user may look at rows of ``model`` in the admin site."""
    return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)


def _has_relation(model: type[Model]) -> bool:
    return any(isinstance(field, PaymentsRelation) for field in model._meta.private_fields)  # noqa: SLF001


class OrderForm(forms.Form):
    """An order, by its kind and its key; ``cleaned_data["order"]`` is the order or None."""

    order_model = forms.ChoiceField(label=_("Kind of order"))
    order_key = forms.CharField(
        label=pgettext_lazy("purchase", "Order"),
        max_length=200,
        help_text=_("The key of the order, which stands in the address of its page."),
    )

    def __init__(self, *args: Any, models: dict[str, type[Model]], is_required: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.models = models
        kind, key = self.fields["order_model"], self.fields["order_key"]
        kind.required = key.required = is_required
        found = [(label, capfirst(model._meta.verbose_name)) for label, model in models.items()]  # noqa: SLF001
        kind.choices = found if is_required else [("", _("No order")), *found]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Find the order. Refuses a key that no order has."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        label, key = cleaned.get("order_model"), cleaned.get("order_key")
        if label and key:
            cleaned["order"] = self._found(self.models[label], key)
        elif label:
            self.add_error("order_key", _("Please say which order."))
        elif key:
            self.add_error("order_model", _("Please say which kind of order."))
        return cleaned

    def _found(self, model: type[Model], key: str) -> Model | None:
        rows = model._default_manager.using(router.db_for_write(model))  # noqa: SLF001 - Django's documented name
        try:
            order: Model | None = rows.filter(pk=key).first()
        except (ValueError, ValidationError):
            order = None
        if order is None:
            self.add_error("order_key", _("There is no such order."))
        return order
