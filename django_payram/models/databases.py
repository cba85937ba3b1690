"""The database that payments are in, what it says when it is busy, and the connections to it while PayRam is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.apps import apps
from django.db import InterfaceError, InternalError, OperationalError, connections, router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound="Model")

DATABASE_BUSY = (OperationalError, InterfaceError, InternalError)
"""What Django raises while the database cannot be used for a moment, so that trying again helps: it is locked, it was
restarted, a deadlock was broken. InternalError is what a PostgreSQL says that takes reads only, in a failover for
instance."""


def database() -> str:
    """Return the database that payments are written to; a replica may be behind and must not decide about money."""
    return router.db_for_write(apps.get_model("django_payram", "Payment"))


def pages(rows: QuerySet[Row], size: int) -> Iterator[list[Row]]:
    """Walk through rows by primary key, so that neither memory nor a transaction grows with their number."""
    left, last = rows.using(database()).order_by("pk"), 0
    while page := list(left.filter(pk__gt=last)[:size]):
        yield page
        last = page[-1].pk


def in_transaction() -> bool:
    """Return whether this thread holds a transaction open, on any database: it would last as long as a call to PayRam.

    One that Django's TestCase opens around a test does not count, as it does not for ``atomic(durable=True)``.
    """
    return any(
        not getattr(block, "_from_testcase", False)
        for connection in connections.all(initialized_only=True)
        for block in connection.atomic_blocks
    )


def give_back_connections() -> None:
    """Give this thread's database connections back to the pools of Django that they came from.

    To be called before a wait: pages that have nothing to do with payments would find the pool empty. The next query
    takes a connection again. A connection that is in a transaction stays, and so does one that comes from no pool: to
    open it again would take longer than most waits.
    """
    for connection in connections.all(initialized_only=True):
        pooled = connection.settings_dict["OPTIONS"].get("pool")
        if pooled and connection.autocommit and not connection.in_atomic_block:
            connection.close()
