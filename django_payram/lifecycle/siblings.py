"""The payments that are decided about together: those of one order, top-ups included, or a payment and its top-ups.

They are locked by one query, in the order of their keys, so that two of them cannot both become the first paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from django_payram.models import Payment, content_type, database
from django_payram.statements import Question

if TYPE_CHECKING:
    from django.db.models import Model


def lock(payment: Payment) -> list[Payment]:
    """Lock ``payment`` and its siblings, and return them as they are now."""
    if payment.order_type_id is not None:
        return _locked_of_order(payment.order_id, payment.order_type_id, using=database())
    root = payment.parent_id or payment.pk
    return _locked_of_root(root, root, using=database())


def of_order(order: Model) -> list[Payment]:
    """Return the payments of an order."""
    return _of_order(str(order.pk), content_type(order).pk, using=database())


def lock_order(order: Model) -> list[Payment]:
    """Lock the payments of an order, and return them as they are now."""
    return _locked_of_order(str(order.pk), content_type(order).pk, using=database())


_of_order = Question(
    Payment, lambda key, kind: Payment.objects.filter(order_id=key, order_type=kind).order_by("pk"), "key", 1
)
_locked_of_order = Question(
    Payment,
    lambda key, kind: Payment.objects.select_for_update().filter(order_id=key, order_type=kind).order_by("pk"),
    "key",
    1,
)
_locked_of_root = Question(
    Payment,
    lambda root, parent: Payment.objects.select_for_update().filter(Q(pk=root) | Q(parent=parent)).order_by("pk"),
    1,
    1,
)
