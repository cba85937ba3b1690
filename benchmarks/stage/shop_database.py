"""The shop's database, read and written from outside: by SQL, so that nothing of the product vouches for itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

Row = dict[str, Any]


class ShopDatabase:
    """Orders, payments and what receivers were sent. Each call has a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Row]]:
        """Open a connection whose transaction commits when the block ends."""
        # What is done here is done in spite of a day on which the shop can only read.
        writes = "-c default_transaction_read_only=off"
        with psycopg.connect(self.url, row_factory=dict_row, connect_timeout=10, options=writes) as connection:
            yield connection

    def new_orders(self, totals: Sequence[Decimal | str], *, people: Sequence[str] | None = None) -> list[int]:
        """Insert one order for each total (US dollars) and return their keys, in that order.

        ``people`` names the person of each, whose customer id then serves for all of that person's orders.
        """
        insert = (
            "INSERT INTO shop_order (total, email, status, person) SELECT total, 'buyer@example.org', 'new', person "
            "FROM unnest(%s::numeric[], %s::text[]) WITH ORDINALITY AS wanted(total, person, place) "
            "ORDER BY place RETURNING id"
        )
        with self.connection() as connection:
            rows = connection.execute(insert, [[str(total) for total in totals], list(people or [""] * len(totals))])
            return sorted(row["id"] for row in rows.fetchall())

    def new_order(self, total: Decimal | str = "49.99") -> int:
        """Insert one order."""
        return self.new_orders([total])[0]

    def delete_order(self, order: int) -> int:
        """Delete an order. Its payments stay."""
        return self.change("DELETE FROM shop_order WHERE id = %s", order)

    def orders(self) -> list[Row]:
        """Return all orders."""
        return self.rows("SELECT * FROM shop_order ORDER BY id")

    def payments(self, order: int | None = None) -> list[Row]:
        """Return the payments of one order, oldest first, or of all."""
        wanted = "" if order is None else "WHERE order_id = %s"
        given = [] if order is None else [str(order)]
        return self.rows(f"SELECT * FROM django_payram_payment {wanted} ORDER BY id", *given)

    def refunds(self) -> list[Row]:
        """Return what was sent back, with the token of its payment."""
        return self.rows(
            "SELECT refund.amount_usd, payment.token FROM django_payram_refund refund "
            "JOIN django_payram_payment payment ON payment.id = refund.payment_id"
        )

    def unmatched_references(self) -> set[str]:
        """Return the references of webhooks that were kept because no payment here is known by them."""
        kept = "SELECT DISTINCT reference FROM django_payram_paymentevent WHERE outcome = 'unmatched'"
        return {row["reference"] for row in self.rows(kept)}

    def received_signals(self, order: int | None = None) -> list[Row]:
        """Return what receivers were sent, of one order or of all."""
        wanted = "" if order is None else "WHERE order_id = %s"
        return self.rows(f"SELECT * FROM shop_receivedsignal {wanted} ORDER BY id", *([] if order is None else [order]))

    def bring_forward(self, *, share: float = 1, paid: bool = True) -> int:
        """Make a share of the payments that will be asked about again due now; ``paid=False`` leaves out paid ones.

        What is undelivered and what was kept of unknown references becomes due as well. Returns how many payments are.
        """
        self.change("UPDATE django_payram_payment SET next_delivery_at = now() WHERE next_delivery_at > now()")
        self.change("UPDATE django_payram_paymentevent SET next_retry_at = now() WHERE next_retry_at > now()")
        change = (
            "UPDATE django_payram_payment SET next_check_at = now() WHERE next_check_at IS NOT NULL "
            "AND reference IS NOT NULL AND random() < %s AND (%s OR paid_at IS NULL)"
        )
        return self.change(change, share, paid)

    def age(self, order: int, *, minutes: float, older_than: float = 0) -> int:
        """Make the payments of an order look so much older, those that are older than so many seconds."""
        change = (
            "UPDATE django_payram_payment SET created_at = created_at - make_interval(secs => %s) "
            "WHERE order_id = %s AND created_at < now() - make_interval(secs => %s)"
        )
        return self.change(change, minutes * 60, str(order), older_than)

    def change(self, statement: str, *values: object) -> int:
        """Change rows and return how many."""
        with self.connection() as connection:
            return connection.execute(statement, values).rowcount

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return the rows of a query."""
        with self.connection() as connection:
            return connection.execute(query, values).fetchall()
