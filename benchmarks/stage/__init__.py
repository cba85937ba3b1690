"""The stage for every trial: a real PostgreSQL, a pretend PayRam and a shop under gunicorn, each a process.

with stage(workers=2) as on:
    order = on.shop_database.new_order()
    on.shop.checkout(order)
    reference = on.shop_database.payments(order)[0]["reference"]
    on.payram.pay(reference)
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stage.gunicorn import Shop, gunicorn
from benchmarks.stage.payram import Payram, payram
from benchmarks.stage.postgresql import OwnPostgreSQL, PostgreSQL, another_database, postgresql
from benchmarks.stage.processes import HOST, ended_by_sigterm, free_port
from benchmarks.stage.shop_database import ShopDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OwnPostgreSQL", "PostgreSQL", "Stage", "gunicorn", "payram", "postgresql", "second_shop", "stage"]


@dataclass(frozen=True)
class Stage:
    """What is running, and the folder of data and logs."""

    folder: Path
    database: PostgreSQL
    payram: Payram
    shop: Shop
    shop_database: ShopDatabase


@contextmanager
def stage(
    *,
    workers: int = 2,
    fsync: bool = True,
    own: bool = False,
    webhooks: bool = True,
    environment: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
    payram_options: tuple[str, ...] = (),
) -> Iterator[Stage]:
    """Set the stage until the block ends.

    ``environment`` is added to that of the shop, ``options`` to gunicorn's command line, ``payram_options`` to that of
    the pretend PayRam. ``fsync=False`` waits for no disk: right where processes are killed, wrong where speed is
    measured. ``own=True`` pays no heed to DATABASE_URL: only a PostgreSQL of our own can be killed.
    """
    with ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="payram-stage-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        webhook_url = f"http://{HOST}:{port}/payram/webhook/"
        with (
            postgresql(fsync=fsync, own=own) as database,
            payram(folder=folder, webhook_url=webhook_url, webhooks=webhooks, options=payram_options) as server,
        ):
            surroundings = {
                "DATABASE_URL": database.url,
                "PAYRAM_BASE_URL": server.url,
                "PAYRAM_API_KEY": server.key,
                **(environment or {}),
            }
            with gunicorn(folder=folder, port=port, environment=surroundings, workers=workers, options=options) as shop:
                yield Stage(folder, database, server, shop, ShopDatabase(database.url))


@contextmanager
def second_shop(on: Stage, *, options: tuple[str, ...] = ()) -> Iterator[Stage]:
    """Set up another installation of the shop: the same project of the same PayRam, and a database of its own.

    PayRam's webhooks go to the first shop alone.
    """
    folder = on.folder / "second"
    folder.mkdir()
    with another_database(on.database.url) as url:
        environment = {**on.shop.environment, "DATABASE_URL": url}
        with gunicorn(folder=folder, port=free_port(), environment=environment, workers=1, options=options) as shop:
            yield replace(on, folder=folder, database=PostgreSQL(url), shop=shop, shop_database=ShopDatabase(url))
