"""Columns that compare as Python does, and a relation that crosses databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models, router

if TYPE_CHECKING:
    from django.contrib.contenttypes.models import ContentType
    from django.db.backends.base.base import BaseDatabaseWrapper


class ExactCharField(models.CharField):  # type: ignore[type-arg] # not generic at run time
    """A CharField in which ``a`` and ``A`` are two values on MariaDB and MySQL as well.

    Their usual collations ignore case, so that two orders or two references could be taken for one.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the column's parameters, with a binary collation where the default ignores case."""
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class RoutedForeignKey(GenericForeignKey):
    """A generic relation to an object that may live in another database than the row that refers to it.

    Django looks for the object where the row is; here the shop's routers are asked. The content type is always that of
    the row's own database: its id may be another one in each.
    """

    def get_content_type(
        self,
        obj: Any = None,
        id: Any = None,  # noqa: A002 - Django's name
        using: str | None = None,
        model: Any = None,
    ) -> Any:
        """Return the content type of an object, an id or a model."""
        if id is not None:
            return _RoutedType(super().get_content_type(id=id, using=using))
        using = using or router.db_for_write(self.model)
        return super().get_content_type(model=model or obj, using=using)


class _RoutedType:
    """A content type that asks the routers where its objects are."""

    def __init__(self, kind: ContentType) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kind, name)

    def get_object_for_this_type(self, using: str, **lookup: Any) -> Any:
        model = self._kind.model_class()
        return self._kind.get_object_for_this_type(using=router.db_for_write(model) if model else using, **lookup)
