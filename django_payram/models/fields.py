"""Columns that compare as Python does, and a relation that crosses databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models, router
from django.db.models import Func
from django.db.models.functions import Cast, Concat, Substr
from django.db.models.lookups import Exact

from django_payram.models.orders import content_type, order_key

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


class KeyText(Func):
    """The key of an order as payments keep it: as text, and a UUID with hyphens also where the database has none."""

    function = "CAST"
    template = "%(function)s(%(expressions)s AS %(type)s)"
    output_field = models.TextField()
    arity = 1

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, *arguments: Any, **context: Any) -> Any:
        """Cast the key to text."""
        (key,) = self.get_source_expressions()
        field = key.output_field
        while field.remote_field is not None:
            field = field.target_field
        if isinstance(field, models.UUIDField) and not connection.features.has_native_uuid_field:
            return compiler.compile(_with_hyphens(key).resolve_expression(compiler.query))
        text = "CHAR" if connection.vendor == "mysql" else "text"
        return super().as_sql(compiler, connection, *arguments, type=text, **context)


def _with_hyphens(key: Any) -> Any:
    """Return the expression for a UUID of 32 digits as Python writes it."""
    digits = Cast(key, models.CharField(max_length=32))
    parts = [Substr(digits, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    hyphen = models.Value("-", output_field=models.CharField())
    return Concat(*[piece for part in parts for piece in (part, hyphen)][:-1], output_field=models.CharField())


@ExactCharField.register_lookup
class ExactKey(Exact):
    """Compare with the key of another model as text: PostgreSQL compares no text with a number."""

    def process_rhs(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the SQL of the right-hand side."""
        field = getattr(self.rhs, "output_field", None) if hasattr(self.rhs, "as_sql") else None
        if field is not None and not isinstance(field, models.CharField | models.TextField):
            self.rhs = KeyText(self.rhs)
        return super().process_rhs(compiler, connection)


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
        return content_type(model or type(obj))

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Remember an order under the key of its root model, whichever of its models it was set as."""
        super().set_cached_value(instance, value)
        if value is not None and value.pk is not None:
            setattr(instance, self.fk_field, order_key(value).id)


class _RoutedType:
    """A content type that asks the routers where its objects are."""

    def __init__(self, kind: ContentType) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kind, name)

    def get_object_for_this_type(self, using: str, **lookup: Any) -> Any:
        model = self._kind.model_class()
        return self._kind.get_object_for_this_type(using=router.db_for_write(model) if model else using, **lookup)
