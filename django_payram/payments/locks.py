"""Locking the rows that are decided together, by one query in the order of their keys.

Two payments of one order cannot both become the first paid then, and two transitions cannot block each other for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import Exists, Q

from django_payram.models import Payment, database, order_type
from django_payram.models.statements import CompiledQuery
from django_payram.payments.rules import Group

if TYPE_CHECKING:
    from django.db.models import Model

    from django_payram.models import OrderKey, PaymentQuerySet


class OrderChanged(Exception):
    """The payment belongs to another order than when it was read, or to none: it must be read and locked anew.

    In a new transaction: what was locked by mistake stays locked until the end of this one.
    """


def lock(payment: Payment, *, joining: OrderKey | None = None) -> Group:
    """Lock a payment with all rows that are decided together with it.

    Raises Payment.DoesNotExist when it is gone, and OrderChanged when it was read before it got its present order.
    ``joining`` is the order that the payment is to belong to: its payments are locked as well, and it is the order that
    the group's ``order_gone`` speaks of.
    """
    order_gone = False
    if joining is not None:
        members, order_gone = _lock_of_both(payment, joining), not _exists(joining)
    elif payment.order_type_id is not None:
        members, order_gone = _lock_of_order(payment)
    else:
        root = payment.parent_id or payment.pk
        members = _locked_of_root(root, root, using=database())
    if payment.parent_id is not None and all(member.pk != payment.parent_id for member in members):
        # What it tops up belongs to another order, or to none, since it was read: they are decided together.
        members = _locked_of_root(payment.parent_id, payment.parent_id, using=database())
        order_gone = any(member.order_gone for member in members)
    locked = next((member for member in members if member.pk == payment.pk), None)
    if locked is None:
        raise _moved_or_gone(payment)
    if joining is None and _order_of(locked) != _order_of(payment):
        raise OrderChanged
    return Group(locked, tuple(members), order_gone)


def _order_of(payment: Payment) -> tuple[int | None, str]:
    return payment.order_type_id, payment.order_id


def _moved_or_gone(payment: Payment) -> Exception:
    now = Payment.objects.using(database()).filter(pk=payment.pk).first()
    if now is None or _order_of(now) == _order_of(payment):
        return Payment.DoesNotExist(f"The payment {payment.token} is gone.")
    return OrderChanged()


def _lock_of_both(payment: Payment, order: OrderKey) -> list[Payment]:
    """Lock the payments of the order that a payment has and of the one that it is to have.

    An order without payments has nothing to lock: its live slot, which is unique, keeps others out until the commit.
    Raises IntegrityError when another payment of the order was faster.
    """
    key, rows = payment.parent_id or payment.pk, Payment.objects.using(database())
    members = _lock_together(key, order)
    root = next(member for member in members if member.pk == key)
    slot = order.live_slot(root.purpose)
    moves = _order_of(root) != (order.type.pk, order.id)
    if moves and all(member.live_slot != slot for member in members):
        rows.filter(pk=key).update(live_slot=slot)
        members = _lock_together(key, order)
    return members


def _exists(order: OrderKey) -> bool:
    model: Any = order.type.model_class()
    orders = model._base_manager.using(router.db_for_write(model))  # noqa: SLF001 - Django's documented name
    return bool(orders.filter(pk=order.id).exists())


def _lock_together(key: int, order: OrderKey) -> list[Payment]:
    """Lock by their keys, in that order: two indexes may yield the same rows in another one."""
    rows, members = Payment.objects.using(database()), list[Payment]()
    while True:
        root = rows.get(pk=key)
        own = Q(order_type=root.order_type_id, order_id=root.order_id) if root.order_type_id else Q(parent=key)
        keys = set(
            rows.filter(Q(pk=key) | own | Q(order_type=order.type, order_id=order.id)).values_list("pk", flat=True)
        )
        if keys == {member.pk for member in members}:
            return members
        members = list(_locked().using(database()).filter(pk__in=keys))


def lock_order(order: OrderKey) -> list[Payment]:
    """Lock the payments of an order, and return them as they are now."""
    return _locked_of_order(order.id, order.type.pk, using=database())


def lock_row(pk: int) -> Payment:
    """Lock a payment alone, and return it as it is now. Raises Payment.DoesNotExist."""
    return Payment.objects.using(database()).select_for_update().get(pk=pk)


def _lock_of_order(payment: Payment) -> tuple[list[Payment], bool]:
    """Lock the payments of a payment's order. Return whether the order is gone as well."""
    model, using = order_type(payment).model_class(), database()
    values = payment.order_id, payment.order_type_id
    if model is None:
        return _locked_of_order(*values, using=using), True
    elsewhere = router.db_for_write(model)
    try:
        key = _prepared(model, payment.order_id, elsewhere)
    except (ValidationError, ValueError):
        return _locked_of_order(*values, using=using), True
    if elsewhere == using:
        # Django's EXISTS takes the 1 that it selects as a value.
        members = _locked_with_order(model, key)(1, key, *values, using=using)
        return members, not all(member.order_exists for member in members)  # type: ignore[attr-defined]
    orders = model._base_manager.using(elsewhere)  # noqa: SLF001 - Django's documented name
    return _locked_of_order(*values, using=using), not orders.filter(pk=key).exists()


def _prepared(model: type[Model], key: str, using: str) -> Any:
    """Return the key of an order as its database takes it. Raises ValidationError or ValueError."""
    field: Any = model._meta.pk  # noqa: SLF001 - Django's documented name
    return field.get_db_prep_value(field.to_python(key), connections[using])


def _locked_with_order(model: type[Model], key: object) -> CompiledQuery[Payment]:
    """Return the query that locks the payments of an order of ``model`` and looks whether the order is there.

    One statement for both: what receivers may be sent depends on both. The order itself is not locked.
    """
    orders = model._base_manager.all()  # noqa: SLF001 - Django's documented name

    def build(_one: int, key: object, order_id: str, kind: int) -> PaymentQuerySet:
        return _locked().annotate(order_exists=Exists(orders.filter(pk=key))).filter(order_id=order_id, order_type=kind)

    return _with_order.get(model) or _with_order.setdefault(model, CompiledQuery(Payment, build, 1, key, "key", 1))


_with_order: dict[type[Model], CompiledQuery[Payment]] = {}


def _locked() -> PaymentQuerySet:
    return Payment.objects.select_for_update().order_by("pk")


_locked_of_order = CompiledQuery(Payment, lambda key, kind: _locked().filter(order_id=key, order_type=kind), "key", 1)
_locked_of_root = CompiledQuery(Payment, lambda root, parent: _locked().filter(Q(pk=root) | Q(parent=parent)), 1, 1)
