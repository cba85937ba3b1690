"""Payments whose order the shop deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import pre_delete

from django_payram.models import PaymentsRelation, Source, database, order_key
from django_payram.payments import rules, transitions
from django_payram.payments.locks import lock_order

if TYPE_CHECKING:
    from django.db.models import Model


def watch() -> None:
    """Listen to the deletion of orders whose model declares a PaymentsRelation."""
    for model in apps.get_models():
        if _relations(model):
            pre_delete.connect(leave_payments, sender=model, dispatch_uid="django_payram")


def leave_payments(sender: type[Model], instance: Model, **_options: Any) -> None:
    """Leave the payments of an order that is being deleted without an order.

    Raises ProtectedError if the relation protects orders and money has come in this very moment.
    """
    key = order_key(instance)
    with transaction.atomic(using=database()):
        payments = lock_order(key)
        for relation in _relations(sender):
            relation.protect(payments)
        if payments:
            update = rules.OrderDeletion(f"{key.type.app_label}.{key.type.model} {key.id}")
            transitions.apply(payments[0], update, source=Source.SHOP)


def _relations(model: type[Model]) -> list[PaymentsRelation]:
    return [field for field in model._meta.private_fields if isinstance(field, PaymentsRelation)]  # noqa: SLF001
