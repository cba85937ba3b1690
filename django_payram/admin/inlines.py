"""The payments of an order on the order's own page of the admin."""

from __future__ import annotations

from decimal import ROUND_UP
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.contenttypes.admin import GenericTabularInline
from django.contrib.contenttypes.forms import BaseGenericInlineFormSet
from django.forms.models import BaseModelFormSet
from django.utils.translation import gettext as _

from django_payram.admin.columns import PaymentColumns
from django_payram.exceptions import InvalidPaymentRequest
from django_payram.models import Payment
from django_payram.models.statuses import CENT
from django_payram.templatetags.payram import usd

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_payram.models.payment import PaymentQuerySet


MOST = 50
"""So many payments of an order are shown, the newest; the list of payments has the others."""


class _PaymentFormSet(BaseGenericInlineFormSet):  # type: ignore[type-arg] # not generic at run time
    """The payments of an order, found as everywhere: also of children of models, and in another database.

    They are to look at. Whatever is sent with the order's form, nothing of it is read: rows that have come or gone
    since the page was opened, forms that were forged, and programs that know of no payments do not matter.
    """

    def __init__(
        self, data: Any = None, files: Any = None, instance: Any = None, *, save_as_new: bool = False, **kwargs: Any
    ) -> None:
        del data, files
        self.instance, self.save_as_new = instance, save_as_new
        self.new_objects, self.changed_objects, self.deleted_objects = [], [], []
        rows = _payments_of(instance)
        self.is_saved = rows is not None
        options = {"prefix": self.get_default_prefix(), **kwargs}
        shown = Payment.objects.none() if rows is None else rows.order_by("-created_at", "-pk")[:MOST]
        # Past Django's own, which looks for them by the id of the order in the order's database.
        BaseModelFormSet.__init__(self, **{**options, "queryset": shown})

    @classmethod
    def get_default_prefix(cls) -> str:
        """Return the prefix of the fields, of which there are none."""
        return "payram-payments"

    def is_valid(self) -> bool:
        """Return that nothing is wrong with the order's form."""
        return True

    def save(self, commit: bool = True) -> list[Any]:  # noqa: ARG002, FBT001, FBT002 - Django's signature
        """Save nothing."""
        return []

    @property
    def list_query(self) -> str:
        """The query of the list of payments for all of the order's; ``""`` when all are shown."""
        shown = self.get_queryset()
        first = shown[0] if len(shown) == MOST else None
        return "" if first is None else urlencode({"order_type": first.order_type_id, "order_id": first.order_id})

    @property
    def request(self) -> tuple[str, str]:
        """What the link to the page "Request a payment" says, and its query: what the order still misses, if known."""
        query: dict[str, Any] = {
            "order_model": self.instance._meta.label_lower,  # noqa: SLF001 - Django's documented name
            "order_key": self.instance.pk,
        }
        payments = list(self.get_queryset())
        newest = next((payment for payment in payments if payment.parent_id is None), None)
        if newest is None:
            return _("Request a payment"), urlencode(query)
        is_paid = newest.purpose in {payment.purpose for payment in payments if payment.is_paid}
        text, asked = (_("Request a payment"), {}) if is_paid else still_missing(newest)
        given = {"email": newest.customer_email, "project": newest.project}
        return text, urlencode(query | given | asked)


def _payments_of(order: Any) -> PaymentQuerySet | None:
    """Return the payments of an order; None for one that has yet to be saved, or that no payment can remember."""
    # A new order may have a key already: a UUID.
    if order is None or order.pk is None or order._state.adding:  # noqa: SLF001 - Django's documented way to tell
        return None
    try:
        return Payment.objects.for_order(order)
    except InvalidPaymentRequest:
        return None


def still_missing(newest: Payment) -> tuple[str, dict[str, Any]]:
    """Return what the link says, and the arguments that ask for what the newest payment, which is not paid, lacks."""
    if newest.is_open or newest.is_held or newest.withdrawn_at or newest.refunded_usd or newest.is_confirming:
        return _("Request a payment"), {}
    if not newest.received_usd:
        amount, currency = newest.price
        return _("Request it again"), {"amount": amount, "currency": currency, "purpose": newest.purpose}
    rest = newest.missing_usd.quantize(CENT, rounding=ROUND_UP)
    # The same bill in full would be too much: the part that came counts for it.
    purpose = f"{newest.purpose} rest".strip()
    return _("Request the rest, %(amount)s") % {"amount": usd(rest)}, {"amount": rest, "purpose": purpose}


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
