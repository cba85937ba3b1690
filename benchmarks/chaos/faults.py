"""What goes wrong: one fault after the other, drawn from a seed, each counted by its kind."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import requests
from psycopg import sql

from benchmarks.chaos.clocks import JUMPS, wrong_clock
from benchmarks.stage.postgresql import OwnPostgreSQL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.chaos.polling import Polling
    from benchmarks.stage import Stage

# Wrong answers of PayRam's, and how often in a row at most.
PAYRAM_FAULTS = {
    "html": 20,
    "redirect": 20,
    "unauthorized": 20,
    "conflict": 20,
    "throttled": 5,
    "broken": 20,
    "gateway": 20,
    "code5": 10,
    "slow_headers": 2,
    "slow_body": 2,
    "cut_body": 20,
    "huge_body": 5,
    "not_json": 20,
    "wrong_reference": 20,
    "wrong_customer": 20,
    "lower_state": 20,
    "old_route": 20,
    "foreign_url": 5,
    "localhost_url": 10,
}
HANGS_SECONDS = 2.0
RECEIVERS_FAIL_SECONDS = 2.0
READ_ONLY_SECONDS = 1.5
WRONG_CLOCK_SECONDS = 3.0


class Faults:
    """Injects a fault every ``every`` seconds until asked to stop, in a thread of its own.

    A fault that cannot be injected, or what it broke not be mended, ends up in ``errors``.
    """

    def __init__(self, on: Stage, polling: Polling, *, failing: Path, seed: int, every: float) -> None:
        self.on, self.polling, self.failing, self.every = on, polling, failing, every
        self.counts: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End with the fault that is under way."""
        self._stop.set()
        self._thread.join()
        self.failing.unlink(missing_ok=True)

    def _run(self) -> None:
        kinds = self._kinds()
        names, weights = list(kinds), [weight for weight, _inject in kinds.values()]
        while not self._stop.wait(self.every * self._chance.uniform(0.5, 1.5)):
            [name] = self._chance.choices(names, weights=weights)
            try:
                kinds[name][1]()
            except Exception as exc:  # noqa: BLE001 - it ends the run, whatever it is
                self.errors.append(exc)
                return
            self.counts[name] += 1

    def _kinds(self) -> dict[str, tuple[int, Callable[[], None]]]:
        kinds = {
            "PayRam answers wrongly": (30, self._spoil_answers),
            "PayRam hangs": (5, self._hang),
            "PayRam killed": (6, self._kill_payram),
            "worker killed": (20, self._kill_worker),
            "workers reloaded": (4, self._reload),
            "shop killed whole": (4, self._kill_shop),
            "resync killed": (10, self.polling.kill_one),
            "receivers fail": (8, self._fail_receivers),
            "database connection cut": (8, self._cut_connection),
            "database takes no writes": (5, self._refuse_writes),
            "shop's clock jumps": (3, self._jump),
        }
        if isinstance(self.on.database, OwnPostgreSQL):
            kinds |= {
                "PostgreSQL killed": (3, self._kill_postgresql),
                "PostgreSQL stopped at once": (2, self._stop_postgresql),
                "PostgreSQL backend killed": (3, self._kill_backend),
            }
        return kinds

    def _spoil_answers(self) -> None:
        kind = self._chance.choice(list(PAYRAM_FAULTS))
        times = self._chance.randint(1, PAYRAM_FAULTS[kind])
        self.counts[f"  {kind}"] += 1
        with suppress(requests.RequestException):
            self.on.payram.inject_fault(kind, times=times)

    def _hang(self) -> None:
        self._signal_payram(signal.SIGSTOP)
        time.sleep(HANGS_SECONDS)
        self._signal_payram(signal.SIGCONT)

    def _signal_payram(self, number: int) -> None:
        if self.on.payram.process is not None:
            self.on.payram.process.send_signal(number)

    def _kill_payram(self) -> None:
        self.on.payram.kill()
        time.sleep(self._chance.uniform(0, 1))
        self.on.payram.start()

    def _kill_worker(self) -> None:
        with suppress(psutil.NoSuchProcess, IndexError):
            self.on.shop.kill_worker(self._chance.choice(self.on.shop.workers()))

    def _reload(self) -> None:
        if self.on.shop.process is not None:
            self.on.shop.process.send_signal(signal.SIGHUP)

    def _kill_shop(self) -> None:
        self.on.shop.kill()
        self.on.shop.start()

    def _fail_receivers(self) -> None:
        self.failing.touch()
        time.sleep(RECEIVERS_FAIL_SECONDS)
        self.failing.unlink()

    def _backends(self) -> list[int]:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return [row["pid"] for row in self.on.shop_database.rows(query)]

    def _cut_connection(self) -> None:
        pids = self._backends()
        if pids:
            self.on.shop_database.rows("SELECT pg_terminate_backend(%s)", self._chance.choice(pids))

    def _refuse_writes(self) -> None:
        self._set_read_only("on")
        time.sleep(READ_ONLY_SECONDS)
        self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        """Change the default for new connections, and cut those that have the old one, as a failover does."""
        with self.on.shop_database.connection() as connection:
            name = sql.Identifier(connection.info.dbname)
            change = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            connection.execute(change.format(name, sql.Literal(value)))
        for pid in self._backends():
            self.on.shop_database.rows("SELECT pg_terminate_backend(%s)", pid)

    def _jump(self) -> None:
        """Start the shop with a wrong clock, and after a while with the right one."""
        right = self.on.shop.environment
        self.on.shop.kill()
        self.on.shop.environment = {**right, **wrong_clock(self._chance.choice(JUMPS))}
        try:
            self.on.shop.start()
            time.sleep(WRONG_CLOCK_SECONDS)
            self.on.shop.kill()
        finally:
            self.on.shop.environment = right
        self.on.shop.start()

    def _own(self) -> OwnPostgreSQL:
        if not isinstance(self.on.database, OwnPostgreSQL):
            raise TypeError("This PostgreSQL is not ours to kill.")
        return self.on.database

    def _kill_postgresql(self) -> None:
        self._own().kill()
        self._own().restart()

    def _stop_postgresql(self) -> None:
        self._own().stop("immediate")
        self._own().restart()

    def _kill_backend(self) -> None:
        pids = self._backends()
        if pids:
            # It may have ended by itself since it was listed.
            with suppress(ProcessLookupError):
                self._own().kill_a_backend(self._chance.choice(pids))
            self._own().restart()
