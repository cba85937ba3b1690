"""The relation that a shop declares on its order model: ``payments = PaymentsRelation()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.contenttypes.fields import GenericRelation, ReverseGenericManyToOneDescriptor
from django.db import DEFAULT_DB_ALIAS
from django.db.models import PROTECT, ProtectedError
from django.db.models.sql.where import AND, WhereNode
from django.utils.functional import cached_property

from django_payram.models.databases import database
from django_payram.models.fields import KeyText
from django_payram.models.orders import content_type, key_field, order_key
from django_payram.models.payment import Payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.contrib.contenttypes.models import ContentType
    from django.db.models import Model, QuerySet

__all__ = ["DETACH", "PROTECT", "PaymentsRelation"]


def DETACH(*_arguments: object) -> None:  # noqa: N802 - named like Django's own choices for on_delete
    """Leave payments behind when their order is deleted. What is paid on them later is an ``orphan``."""


class PaymentsRelation(GenericRelation):
    """A generic relation to the payments of an order. Deleting the order never deletes payments.

    ``on_delete`` is Django's PROTECT (default): an order cannot be deleted while one of its payments is open or has
    money; or DETACH: it can. In both cases payments that are left belong to no order any more, so that an order that
    gets the same key later is not taken for the one that they were made for.

    Payments, orders and filters meet under the model that owns the key, and compare keys as text: keys may be numbers,
    UUIDs or text, and other models' keys are never read as this model's.
    """

    def __init__(self, on_delete: Callable[..., Any] = PROTECT, **options: Any) -> None:
        """Raises ValueError for another ``on_delete``."""
        if on_delete not in (PROTECT, DETACH):
            raise ValueError("on_delete of a PaymentsRelation must be PROTECT or DETACH: payments are never deleted.")
        super().__init__(Payment, object_id_field="order_id", content_type_field="order_type", **options)
        self._protects = on_delete is PROTECT

    def contribute_to_class(self, cls: type[Model], name: str, *arguments: Any, **options: Any) -> None:
        """Give the model a manager that finds payments as :meth:`PaymentQuerySet.for_order` does."""
        super().contribute_to_class(cls, name, *arguments, **options)
        if not cls._meta.abstract:
            setattr(cls, name, _Payments(cast("Any", self.remote_field)))

    def get_content_type(self) -> ContentType:
        """Return the content type of the model that owns the key, as the payments' database knows it."""
        return content_type(self.model)

    def get_joining_fields(self, reverse_join: bool = False) -> tuple[Any, ...]:  # noqa: ARG002, FBT001, FBT002
        """Join by no pair of columns: they have different types. The restriction compares them as text."""
        return ()

    def get_extra_restriction(self, alias: str | None, remote_alias: str) -> WhereNode:
        """Return the condition of the join: the content type, and the key as text."""
        restriction: WhereNode = super().get_extra_restriction(alias, remote_alias)
        if alias is not None:
            key: Any = Payment._meta.get_field("order_id")  # noqa: SLF001 - Django's documented name
            own = KeyText(key_field(self.model).get_col(alias))
            restriction.add(key.get_lookup("exact")(key.get_col(remote_alias), own), AND)
        return restriction

    def bulk_related_objects(self, objs: Sequence[Model], using: str = DEFAULT_DB_ALIAS) -> QuerySet[Payment]:  # noqa: ARG002
        """Return what is deleted together with orders: nothing. Raises ProtectedError.

        Called also for a page that only shows what would be deleted, so that nothing is changed here.
        """
        for order in objs:
            self.protect(Payment.objects.using(database()).for_order(order))
        return Payment.objects.none()

    def protect(self, payments: Iterable[Payment]) -> None:
        """Raise ProtectedError if the order of these payments must not be deleted."""
        kept: set[Model] = {payment for payment in payments if payment.is_open or payment.has_money}
        if kept and self._protects:
            raise ProtectedError("The order has payments that are open or have money.", kept)


class _Payments(ReverseGenericManyToOneDescriptor):
    @cached_property
    def related_manager_cls(self) -> Any:
        base: Any = super().related_manager_cls

        class PaymentsManager(base):  # type: ignore[misc] # made by Django at run time
            def __init__(self, instance: Model) -> None:
                super().__init__(instance)
                key = order_key(instance)
                self.get_content_type, self.content_type, self.pk_val = content_type, key.type, key.id
                self.core_filters = {"order_type": key.type, "order_id": key.id}

            def _clear(self, *_arguments: object) -> None:
                raise TypeError("Payments cannot be taken away from their order.")

            _clear.alters_data = True  # type: ignore[attr-defined]

        return PaymentsManager
