"""SQL that is compiled once, for the few statements that every webhook runs.

Django compiles a query anew each time it is run. For rows as wide as a payment's, that takes several times as long as
PostgreSQL's answer: a transition runs at 0.8 of the speed of a hand-written view with these statements, and at about
0.55 without them (``docs/performance.rst``).

What Django guards is guarded here as well: a query that locks rows raises outside a transaction, and ``pre_save`` and
``post_save`` are sent whenever somebody listens, so that audit logs, histories and caches see every change that a
transition makes.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from django.db import DatabaseError, connections
from django.db.models import CharField, ForeignKey, IntegerField, TextField
from django.db.models.base import ModelState
from django.db.models.signals import post_init, post_save, pre_init, pre_save
from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound="Model")

PLAIN, TEXT = (IntegerField, ForeignKey), (CharField, TextField)
"""Fields whose whole numbers, and whose texts, every database takes as they are."""

Converter = Any
"""A function that turns the database's value into Python's: called with value, expression and connection."""


class CompiledSQL(NamedTuple):
    """A query's SQL, what its columns and annotations are called, and which columns have to be converted."""

    sql: str
    names: list[str]
    annotations: list[str]
    converters: list[tuple[int, Any, list[Converter]]]
    locks: bool


class CompiledQuery(Generic[Row]):
    """A query that is run again and again with other values.

    ``build(*values)`` returns its queryset, and ``examples`` are values of the right types, in the order in which they
    stand in the SQL. Values go to the database as they are, but for times: text, numbers and aware times will do.
    """

    def __init__(self, model: type[Row], build: Callable[..., QuerySet[Row]], *examples: object) -> None:
        self._model, self._build, self._examples = model, build, examples
        self._compiled: dict[str, CompiledSQL] = {}

    def __call__(self, *values: Any, using: str) -> list[Row]:
        """Return the rows from the database ``using``.

        Raises TransactionManagementError when rows are to be locked outside a transaction, and database errors.
        """
        connection = connections[using]
        compiled = self._compiled.get(using) or self._compile(connection)
        # On SQLite, which locks no rows, as well: the mistake should be found by whichever tests are run.
        if compiled.locks and connection.get_autocommit():
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, _adapted(values, connection))
            rows = cursor.fetchall()
        return [self._row(_converted(row, compiled, connection), compiled, using) for row in rows]

    def _row(self, values: list[Any], compiled: CompiledSQL, using: str) -> Row:
        columns = len(compiled.names)
        if pre_init.has_listeners(self._model) or post_init.has_listeners(self._model):
            row = self._model.from_db(using, compiled.names, values[:columns])
        else:
            # What from_db does, without a look at each of sixty columns. A column that was not read is deferred.
            row = self._model.__new__(self._model)
            row._state = ModelState()  # noqa: SLF001 - Django's documented name
            row._state.adding, row._state.db = False, using  # noqa: SLF001
            row.__dict__.update(zip(compiled.names, values, strict=False))
        row.__dict__.update(zip(compiled.annotations, values[columns:], strict=True))
        return row

    def forget(self) -> None:
        """Compile again at the next call."""
        self._compiled.clear()

    def _compile(self, connection: BaseDatabaseWrapper) -> CompiledSQL:
        query = self._build(*self._examples).query
        compiler = query.get_compiler(connection=connection)
        sql, examples = compiler.as_sql()
        if list(examples) != _adapted(self._examples, connection):
            raise ValueError(f"The SQL takes {examples}, not {self._examples}: {sql}")
        columns: list[Any] = [expression for expression, _sql, _alias in compiler.select]
        annotations = [alias for _expression, _sql, alias in compiler.select if alias is not None]
        names = [column.target.attname for column in columns[: len(columns) - len(annotations)]]
        compiled = CompiledSQL(sql, names, annotations, _converters(columns, connection), query.select_for_update)
        self._compiled[connection.alias] = compiled
        return compiled


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


def _converted(row: Sequence[Any], compiled: CompiledSQL, connection: BaseDatabaseWrapper) -> list[Any]:
    values = list(row)
    for place, column, converters in compiled.converters:
        for convert in converters:
            values[place] = convert(values[place], column, connection)
    return values


class WriteSQL(NamedTuple):
    """The SQL that writes a row, and the fields whose values it takes."""

    sql: str
    fields: tuple[Any, ...]


def insert(model: type[Model], rows: Sequence[dict[str, Any]], *, using: str) -> None:
    """Insert rows of one model into the database ``using`` by one statement. Their keys are not read back.

    Each row is a dict of values by field; what it leaves out has its default. Raises Django's database errors.
    """
    if not rows:
        return
    if _is_observed(model):
        for row in rows:
            model(**row).save(force_insert=True, using=using)
        return
    connection = connections[using]
    head, fields = _insertion(model, using)
    places = "(" + ", ".join(["%s"] * len(fields)) + ")"
    values = [
        _prepared(row[field.attname] if field.attname in row else field.get_default(), field, connection)
        for row in rows
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(head + ", ".join([places] * len(rows)), values)


def update(row: Model, names: Sequence[str], *, using: str) -> None:
    """Update the named fields of a row in the database ``using``.

    Raises Django's database errors, DatabaseError also for a row that is not there any more.
    """
    if _is_observed(type(row)):
        row.save(update_fields=names, using=using)
        return
    connection = connections[using]
    sql, fields = _update_of(type(row), tuple(names), using)
    values = [_prepared(getattr(row, field.attname), field, connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        if cursor.rowcount != 1:
            raise DatabaseError(f"{row} is not there any more.")


@lru_cache(maxsize=256)
def _insertion(model: type[Model], using: str) -> WriteSQL:
    meta: Any = model._meta  # noqa: SLF001 - Django's documented name
    quote = connections[using].ops.quote_name
    fields = tuple(field for field in meta.concrete_fields if not field.primary_key)
    columns = ", ".join(quote(field.column) for field in fields)
    return WriteSQL(f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ", fields)  # noqa: S608 - quoted names


@lru_cache(maxsize=256)
def _update_of(model: type[Model], names: tuple[str, ...], using: str) -> WriteSQL:
    meta: Any = model._meta  # noqa: SLF001 - Django's documented name
    quote = connections[using].ops.quote_name
    fields = tuple(meta.get_field(name) for name in names)
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    head = f"UPDATE {quote(meta.db_table)} SET {assignments}"  # noqa: S608 - quoted names, values apart
    return WriteSQL(f"{head} WHERE {quote(meta.pk.column)} = %s", (*fields, meta.pk))


def _is_observed(model: type[Model]) -> bool:
    """Return whether somebody listens to changes of ``model``: then Django itself saves, which tells them."""
    return pre_save.has_listeners(model) or post_save.has_listeners(model)


def _prepared(value: Any, field: Any, connection: BaseDatabaseWrapper) -> Any:
    # Most of what is written is text, keys and counts.
    if value is None or (type(value) is int and isinstance(field, PLAIN)):
        return value
    if isinstance(value, str) and isinstance(field, TEXT):
        # A member of an enumeration becomes a plain text.
        return str(value)
    return field.get_db_prep_save(value, connection=connection)
