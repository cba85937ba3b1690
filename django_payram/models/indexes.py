"""Finding texts in any case by an index, on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.backends.ddl_references import Statement
from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThan, StartsWith

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NOTHING = "DO 0"
"""What MariaDB and MySQL are told where there is nothing to do."""
LAST_CHARACTER = "\U0010ffff"


class AnyCaseIndex(models.Index):
    """An index of one text column in lower case, for :func:`starts_with` and :func:`is_text`.

    MariaDB and MySQL compare the column itself without regard to case, by their usual collations. SQLite knows the
    lower case of ASCII letters only.
    """

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        """Return the statement that creates the index."""
        statement: Any = super().create_sql(model, schema_editor, using=using, **kwargs)
        vendor = schema_editor.connection.vendor
        if vendor != "mysql":
            field: Any = model._meta.get_field(self.fields[0])  # noqa: SLF001 - Django's documented name
            # Only so may an index serve LIKE 'a%' whatever the collation of the database.
            operators = " text_pattern_ops" if vendor == "postgresql" else ""
            statement.parts["columns"] = f"LOWER({schema_editor.quote_name(field.column)}){operators}"
        return statement  # type: ignore[no-any-return] # of Django's own untyped method


class PartialIndex(models.Index):
    """An index that would be of no use without its condition: it is made only where the database knows conditions."""

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        """Return the statement that creates the index, or one that does nothing on MariaDB and MySQL."""
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using=using, **kwargs)
        return Statement(NOTHING)

    def remove_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, **kwargs: Any) -> str:
        """Return the statement that removes the index."""
        if schema_editor.connection.features.supports_partial_indexes:
            return super().remove_sql(model, schema_editor, **kwargs)
        return NOTHING


def starts_with(name: str, beginning: str, *, using: str) -> Q:
    """Return the condition that the column ``name``, in any case, begins with a text; an AnyCaseIndex serves it."""
    vendor = connections[using].vendor
    if vendor == "mysql":
        return Q((f"{name}__istartswith", beginning))
    # The database makes both sides lower case: which letters it knows depends on its locale.
    if vendor == "postgresql":
        return Q(StartsWith(Lower(name), Lower(Value(beginning))))
    # SQLite serves LIKE by an index only where nothing in the pattern is escaped.
    first, end = Lower(Value(beginning)), Lower(Value(beginning + LAST_CHARACTER))
    return Q(GreaterThanOrEqual(Lower(name), first), LessThan(Lower(name), end))


def is_text(name: str, text: str, *, using: str) -> Q:
    """Return the condition that the column ``name``, in any case, is a text; an AnyCaseIndex serves it."""
    if connections[using].vendor == "mysql":
        return Q((f"{name}__iexact", text))
    return Q(Exact(Lower(name), Lower(Value(text))))
