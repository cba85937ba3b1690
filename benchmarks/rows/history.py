"""Orders, payments and events in bulk: a million payments and their three million events in a minute or two."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.rows import statements
from benchmarks.rows.facts import LATEST, OPENED_FROM, PAID_FROM

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

AT_ONCE = 100_000
WITHOUT_INDEXES_FROM = 50_000
"""So many new rows are written without indexes, which are made anew after them."""
SEQUENCES_FROM = 3 * 10**9
"""Above every key that is written here."""

TABLES = (
    "floors_order",
    "floors_leanpayment",
    "floors_leanevent",
    "django_payram_payment",
    "django_payram_paymentevent",
    "django_payram_refund",
)


def history(connection: psycopg.Connection, *, upto: int) -> None:
    """Lengthen the history to ``upto`` payments. The connection must be in autocommit mode."""
    done = _newest(connection, 0, OPENED_FROM)
    if upto <= done:
        return
    if not done:
        _raise_sequences(connection)
    with _without_triggers(connection), _without_indexes(connection, new=upto - done):
        batches = range(done + 1, upto + 1, AT_ONCE)
        for first in tqdm(batches, desc="rows", unit=f"x{AT_ONCE:,}", leave=False, disable=None):
            _add(connection, first, min(first + AT_ONCE - 1, upto))
    ready(connection)


def opened(connection: psycopg.Connection, count: int, *, paid: bool = False, due: bool = False) -> range:
    """Add open payments of this moment and return their numbers.

    With ``paid`` PayRam knows better already; with ``due`` it is to be asked now, else in an hour.
    """
    start = PAID_FROM if paid else OPENED_FROM
    first = max(_newest(connection, start, start + OPENED_FROM), start - 1) + 1
    facts = {
        "first": first,
        "last": first + count - 1,
        "order_type": order_type(connection),
        "wait": "-1 second" if due else "1 hour",
    }
    for statement in statements.OPENED:
        connection.execute(statement, facts)
    return range(first, first + count)


def ready(connection: psycopg.Connection) -> None:
    """Bring PostgreSQL's statistics and visibility map up to date, as autovacuum would have long since."""
    for table in TABLES:
        connection.execute(f"VACUUM ANALYZE {table}")
    connection.execute("CHECKPOINT")


def order_type(connection: psycopg.Connection) -> int:
    """Return the content type of orders. Raises LookupError."""
    query = "SELECT id FROM django_content_type WHERE app_label = 'floors' AND model = 'order'"
    row = connection.execute(query).fetchone()
    if row is None:
        raise LookupError("The tables of benchmarks.floors are not there: run migrate with its settings first.")
    return row[0]


def _newest(connection: psycopg.Connection, first: int, end: int) -> int:
    query = "SELECT COALESCE(max(id), 0) FROM floors_order WHERE id >= %s AND id < %s"
    return connection.execute(query, [first, end]).fetchone()[0]


def _add(connection: psycopg.Connection, first: int, last: int) -> None:
    facts = {"first": first, "last": last, "order_type": order_type(connection)}
    keys = {"low": LATEST - last, "high": LATEST - first}
    for statement in statements.HISTORY:
        connection.execute(statement, facts | keys)


def _raise_sequences(connection: psycopg.Connection) -> None:
    """Let rows that the shop itself makes have greater keys than ours."""
    for table in TABLES[:2] + TABLES[3:4]:
        connection.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, SEQUENCES_FROM])


@contextmanager
def _without_triggers(connection: psycopg.Connection) -> Iterator[None]:
    """Do not check foreign keys row by row, and do not wait for the disk."""
    connection.execute("SET synchronous_commit = off")
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    yield
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
    connection.execute("RESET synchronous_commit")


@contextmanager
def _without_indexes(connection: psycopg.Connection, *, new: int) -> Iterator[None]:
    """Drop all indexes that are no constraint while very many rows come, and make them anew."""
    dropped = []
    if new >= WITHOUT_INDEXES_FROM:
        connection.execute("SET maintenance_work_mem = '256MB'")
        dropped = [row for table in TABLES for row in connection.execute(statements.INDEXES, [table]).fetchall()]
    for name, _definition in dropped:
        connection.execute(f'DROP INDEX "{name}"')
    yield
    for _name, definition in tqdm(dropped, desc="indexes", unit="index", leave=False, disable=None):
        connection.execute(definition)
