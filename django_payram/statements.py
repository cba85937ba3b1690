"""Statements whose SQL is made once.

Django makes the SQL of a query anew whenever it is asked. For rows as wide as a payment's that takes several times as
long as PostgreSQL's answer, and every webhook asks for such rows and writes such lines.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from django.db import DatabaseError, connections
from django.db.models import CharField, TextField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound="Model")


Converter = Any
"""What makes Python's value of the database's: called with value, expression and connection."""


class Asking(NamedTuple):
    """A question's SQL, the attributes its columns fill, and the columns that have to be converted."""

    sql: str
    names: list[str]
    converters: list[tuple[int, Any, list[Converter]]]


class Question(Generic[Row]):
    """A query that is asked again and again with other values.

    ``ask(*values)`` returns its queryset, and ``examples`` are values of the right types, in the order in which they
    stand in the SQL. Values go to the database as they are, but for times: text, numbers and aware times will do.
    """

    def __init__(self, model: type[Row], ask: Callable[..., QuerySet[Row]], *examples: object) -> None:
        self._model, self._ask, self._examples = model, ask, examples
        self._made: dict[str, Asking] = {}

    def __call__(self, *values: Any, using: str) -> list[Row]:
        """Return the rows from the database ``using``. Raises Django's database errors."""
        connection = connections[using]
        asking = self._made.get(using) or self._make(connection)
        with connection.cursor() as cursor:
            cursor.execute(asking.sql, _adapted(values, connection))
            rows = cursor.fetchall()
        return [self._model.from_db(using, asking.names, _converted(row, asking, connection)) for row in rows]

    def _make(self, connection: BaseDatabaseWrapper) -> Asking:
        compiler = self._ask(*self._examples).query.get_compiler(connection=connection)
        sql, examples = compiler.as_sql()
        if list(examples) != _adapted(self._examples, connection):
            raise ValueError(f"The SQL takes {examples}, not {self._examples}: {sql}")
        columns: list[Any] = [expression for expression, _sql, _alias in compiler.select]
        names = [column.target.attname for column in columns]
        made = self._made[connection.alias] = Asking(sql, names, _converters(columns, connection))
        return made


def _adapted(values: Sequence[Any], connection: BaseDatabaseWrapper) -> list[Any]:
    """Return values as the database takes them; SQLite and MariaDB know no time zones."""
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, datetime) else value for value in values]


def _converters(columns: Sequence[Any], connection: BaseDatabaseWrapper) -> list[tuple[int, Any, list[Converter]]]:
    found = [
        (place, column, connection.ops.get_db_converters(column) + column.get_db_converters(connection))
        for place, column in enumerate(columns)
    ]
    return [(place, column, converters) for place, column, converters in found if converters]


def _converted(row: Sequence[Any], asking: Asking, connection: BaseDatabaseWrapper) -> list[Any]:
    values = list(row)
    for place, column, converters in asking.converters:
        for convert in converters:
            values[place] = convert(values[place], column, connection)
    return values


class Insertion:
    """Adds rows of one model, any number by one statement. Their keys are not read back, and no signal is sent."""

    def __init__(self, model: type[Model]) -> None:
        self._table = model._meta.db_table  # noqa: SLF001 - Django's documented name
        self._fields: list[Any] = [field for field in model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001

    def __call__(self, rows: Sequence[Model], *, using: str) -> None:
        """Insert the rows into the database ``using``. Raises Django's database errors."""
        if not rows:
            return
        connection = connections[using]
        quote = connection.ops.quote_name
        columns = ", ".join(quote(field.column) for field in self._fields)
        places = "(" + ", ".join(["%s"] * len(self._fields)) + ")"
        head = f"INSERT INTO {quote(self._table)} ({columns}) VALUES "  # noqa: S608 - quoted names, values apart
        sql = head + ", ".join([places] * len(rows))
        values = [_prepared(row, field, connection) for row in rows for field in self._fields]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)


class Change:
    """Writes some fields of one row. No signal is sent."""

    def __init__(self, model: type[Model]) -> None:
        self._meta: Any = model._meta  # noqa: SLF001 - Django's documented name

    def __call__(self, row: Model, names: Sequence[str], *, using: str) -> None:
        """Update the named fields in the database ``using``. Raises Django's database errors, also for a lost row."""
        connection = connections[using]
        quote = connection.ops.quote_name
        fields = [self._meta.get_field(name) for name in names]
        assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
        head = f"UPDATE {quote(self._meta.db_table)} SET {assignments}"  # noqa: S608 - quoted names, values apart
        sql = f"{head} WHERE {quote(self._meta.pk.column)} = %s"
        values = [_prepared(row, field, connection) for field in [*fields, self._meta.pk]]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            if cursor.rowcount != 1:
                raise DatabaseError(f"{row} is not there any more.")


def _prepared(row: Model, field: Any, connection: BaseDatabaseWrapper) -> Any:
    value = getattr(row, field.attname)
    # Most of what is written is text, which every database takes as it is.
    if type(value) is str and isinstance(field, CharField | TextField):
        return value
    return field.get_db_prep_save(value, connection=connection)
