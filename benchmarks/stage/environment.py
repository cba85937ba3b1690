"""What measurements run in: PostgreSQL, the quick PayRam, the measured project under gunicorn, and Django here."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import django
import psycopg

from benchmarks.stage.gunicorn import Shop, gunicorn
from benchmarks.stage.postgresql import postgresql
from benchmarks.stage.processes import free_port
from benchmarks.stage.quick_payram import Quick, quick_payram

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = "benchmarks.floors.settings"
KEY = "62656e63686d61726b732d6b65792d31"
WORKERS, THREADS = 2, 4


@dataclass(frozen=True)
class Environment:
    """What is running. ``environment`` is what another process needs to use the same."""

    database: psycopg.Connection
    payram: Quick
    shop: Shop
    environment: dict[str, str]

    @contextmanager
    def another_shop(self, **variables: str) -> Iterator[Shop]:
        """Serve the measured project once more until the block ends, with these environment variables."""
        with _serving(self.environment | variables) as shop:
            yield shop

    @property
    def postgresql_version(self) -> str:
        """The server's version."""
        return str(self.database.info.parameter_status("server_version")).split(" ")[0]


@contextmanager
def environment() -> Iterator[Environment]:
    """Run everything until the block ends, and set up Django in this process, once for its life."""
    with tempfile.TemporaryDirectory(prefix="payram-benchmark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with postgresql() as server, quick_payram(folder=folder) as payram:
            environment = {
                "DJANGO_SETTINGS_MODULE": SETTINGS,
                "DATABASE_URL": server.url,
                "PAYRAM_BASE_URL": payram.url,
                "PAYRAM_API_KEY": KEY,
            }
            with _serving(environment) as shop, psycopg.connect(server.url, autocommit=True) as connection:
                os.environ.update(environment)
                django.setup()
                yield Environment(connection, payram, shop, environment)
                _close()


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[Shop]:
    # gunicorn's keep-alive needs threads; the floors need as few statements of the surroundings as possible.
    options = (f"--threads={THREADS}", "--keep-alive=75")
    with (
        tempfile.TemporaryDirectory(prefix="payram-shop-", ignore_cleanup_errors=True) as name,
        gunicorn(
            folder=Path(name), port=free_port(), environment=environment, workers=WORKERS, options=options
        ) as shop,
    ):
        yield shop


def host(url: str) -> str:
    """Return host and port of a URL."""
    return urlsplit(url).netloc


def _close() -> None:
    from django.db import connections  # noqa: PLC0415 - Django is set up only now

    connections.close_all()
