"""The payments of an order on the pages of Oscar: the customer's and the dashboard's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from django_payram.contrib.oscar.orders import may_be_paid, pay_url
from django_payram.models import Payment, Status
from django_payram.views.customer_status import customer_status

if TYPE_CHECKING:
    from django_payram.views.customer_status import CustomerStatus

register = template.Library()

MOST = 50
"""So many payments of an order are shown, the newest."""

LIVE = frozenset({Status.PREPARING, Status.WAITING})
"""Of these the status page says that it renews itself, which Oscar's pages do not."""


@register.inclusion_tag("payram_oscar/payment.html", takes_context=True)
def payram_payment(context: Any, order: Any) -> dict[str, Any]:
    """Show where the payment of ``order`` stands, with a button while it can be paid: on the customer's pages."""
    payment = _shown(order)
    status = None if payment is None else customer_status(payment)
    label = _label(status) if may_be_paid(order) else ""
    return {
        "csrf_token": context.get("csrf_token"),
        "payment": payment,
        "status": status,
        "sentence": status.sentence if status and (status.is_repeatable or status.status not in LIVE) else "",
        "label": label,
        "pay_url": pay_url(order, with_proof=_has_proof(context)) if label else "",
    }


def _shown(order: Any) -> Payment | None:
    """Return the payment that tells how the order stands: what paid it, or is held; else the newest."""
    payments = list(Payment.objects.for_order(order).filter(parent=None).order_by("-created_at", "-pk")[:MOST])
    done = (payment for payment in reversed(payments) if payment.is_paid or payment.is_held)
    return next(done, None) or next(iter(payments), None)


def _label(status: CustomerStatus | None) -> str:
    """Return what the button says, ``""`` when there is nothing to pay."""
    # A link that is being made may never come: whoever asks again waits for it, or gets another one.
    if status is None or status.status == Status.PREPARING:
        return _("Pay now")
    if status.url:
        return _("Go to the payment page")
    return _("Pay with a new link") if status.is_repeatable else ""


def _has_proof(context: Any) -> bool:
    """Return whether the page is Oscar's page of a guest's order: its address has the hash already."""
    match = context["request"].resolver_match
    return match is not None and "hash" in match.kwargs


@dataclass(frozen=True)
class Row:
    """A payment in the dashboard."""

    payment: Payment
    admin_url: str
    """Its page in the admin, for those who may see it there."""


@register.inclusion_tag("payram_oscar/dashboard.html", takes_context=True)
def payram_dashboard(context: Any, order: Any) -> dict[str, Any]:
    """List the payments of ``order`` to look at: on its page in the dashboard."""
    may_view = context["request"].user.has_perm("django_payram.view_payment")
    payments = Payment.objects.for_order(order).order_by("-created_at", "-pk")[:MOST]
    return {"rows": [Row(payment, _admin_url(payment) if may_view else "") for payment in payments]}


def _admin_url(payment: Payment) -> str:
    try:
        return reverse("admin:django_payram_payment_change", args=[payment.pk])
    except NoReverseMatch:
        # The shop has no admin.
        return ""
