"""The payments of an order on the order's own page of the admin."""

from __future__ import annotations

from decimal import ROUND_UP
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.contenttypes.admin import GenericTabularInline
from django.contrib.contenttypes.forms import BaseGenericInlineFormSet
from django.forms.models import BaseModelFormSet

from django_payram.admin.columns import PaymentColumns
from django_payram.models import Payment
from django_payram.models.statuses import CENT, ZERO

if TYPE_CHECKING:
    from django.http import HttpRequest


class _PaymentFormSet(BaseGenericInlineFormSet):  # type: ignore[type-arg] # not generic at run time
    """The payments of an order, found as everywhere: also of children of models, and in another database."""

    def __init__(
        self, data: Any = None, files: Any = None, instance: Any = None, *, save_as_new: bool = False, **kwargs: Any
    ) -> None:
        self.instance, self.save_as_new = instance, save_as_new
        # A new order may have a key already: a UUID.
        self.is_saved = instance is not None and instance.pk is not None and not instance._state.adding  # noqa: SLF001
        rows = Payment.objects.for_order(instance) if self.is_saved else Payment.objects.none()
        options = {"prefix": self.get_default_prefix(), **kwargs, "queryset": rows.order_by("-created_at", "-pk")}
        # Past Django's own, which looks for them by the id of the order in the order's database.
        BaseModelFormSet.__init__(self, data, files, **options)

    @classmethod
    def get_default_prefix(cls) -> str:
        """Return the prefix of the fields, of which there are none."""
        return "payram-payments"

    @property
    def request_query(self) -> str:
        """The query of the page "Request a payment" for what the order still misses."""
        asked: dict[str, Any] = {
            "order_model": self.instance._meta.label_lower,  # noqa: SLF001 - Django's documented name
            "order_key": self.instance.pk,
        }
        newest = next((payment for payment in self.get_queryset() if payment.parent_id is None), None)
        if newest is not None:
            asked["email"] = newest.customer_email
            if not newest.is_open and newest.missing_usd > ZERO and newest.received_usd:
                # A part of the same bill would be too much once the rest is paid as another payment of it.
                rest = newest.missing_usd.quantize(CENT, rounding=ROUND_UP)
                asked |= {"amount": rest, "purpose": f"{newest.purpose} rest".strip()}
        return urlencode(asked)


class PaymentInline(PaymentColumns, GenericTabularInline):
    """``inlines = [PaymentInline]`` in the admin of an order: its payments to look at, and a way to request one."""

    model = Payment
    formset = _PaymentFormSet  # type: ignore[assignment] # as Django's own generic inlines
    ct_field, ct_fk_field = "order_type", "order_id"
    template = "admin/django_payram/payment/inline.html"
    fields = readonly_fields = (
        "label_link",
        "status_and_review",
        "purpose",
        "amount",
        "received",
        "age",
        "status_link",
    )
    extra = max_num = 0
    can_delete = False

    class Media:
        """Colours of statuses."""

        css = {"all": ("django_payram/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Payments come from the shop's checkout."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Money and state are PayRam's to say."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """What was paid is never deleted."""
        return False
