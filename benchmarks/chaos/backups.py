"""Backups of the shop's database and of PayRam's ledger, taken while everything goes on, and brought back later."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

OURS = ("django_payram_payment", "django_payram_paymentevent", "django_payram_refund")
TABLES = ("shop_order", "shop_receivedsignal", *OURS)
HELP_LINE_SECONDS = 0.5


class ShopBackup:
    """The rows of a shop at one moment. What came later is forgotten, and its keys are given out once more."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        self._rows: dict[str, bytes] = {}

    def take(self) -> None:
        """Copy all rows as one transaction sees them, as soon as the database lets us."""
        while not self._rows:
            try:
                self._rows = self._copied()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                time.sleep(HELP_LINE_SECONDS)

    def _copied(self) -> dict[str, bytes]:
        rows = {}
        with self.on.shop_database.connection() as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for table in TABLES:
                with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    rows[table] = b"".join(map(bytes, copy))
        return rows

    def restore(self) -> None:
        """Stop the shop, put the rows of the backup in place of the present ones, and start the shop."""
        self.on.shop.kill()
        with self.on.shop_database.connection() as connection, connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
            for table in TABLES:
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(self._rows[table])
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id) + 1, false) FROM {table}"
                )
        self.on.shop.start()


class PayramBackup:
    """PayRam's ledger at one moment. Restored, it has forgotten newer links, and that older ones were paid since."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        self._ledger: Path = on.folder / "payram"
        self._copy: Path = on.folder / "payram.backup"

    def take(self) -> None:
        """Copy the ledger, as they are on the disk in the middle of everything."""
        shutil.copy(self._ledger, self._copy)

    def restore(self) -> None:
        """Stop PayRam, bring the old ledger back, and start it."""
        self.on.payram.kill()
        shutil.copy(self._copy, self._ledger)
        self.on.payram.start()
