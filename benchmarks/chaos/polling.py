"""payram_resync, run again and again by several machines at once, as cron would: with wrong clocks, or no receivers."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from benchmarks.chaos.clocks import JUMPS, wrong_clock
from benchmarks.stage.processes import ROOT, surroundings

if TYPE_CHECKING:
    from benchmarks.stage import Stage

PAUSE_SECONDS = 3.0
SHARE = 0.2
"""How many of the open payments become due before each run: time passes quickly here."""
LONGEST_RUN_SECONDS = 300

RIGHT, WRONG_CLOCK, NO_RECEIVERS = "in order", "with a wrong clock", "without receivers"
KINDS = {RIGHT: 70, WRONG_CLOCK: 20, NO_RECEIVERS: 10}


class Polling:
    """Runs resync until asked to stop; any run may be killed. ``exits`` counts runs by kind and exit code."""

    def __init__(self, on: Stage, *, seed: int, machines: int = 2) -> None:
        self.on = on
        self.exits: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._running: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._poll, daemon=True) for _ in range(machines)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the runs that are under way end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def kill_one(self) -> None:
        """End one of the runs with SIGKILL, if there is one."""
        if self._running:
            self._chance.choice(self._running).kill()

    def _poll(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                # Paid ones are asked about once more after an hour, which has not passed.
                self.on.shop_database.bring_forward(share=SHARE, paid=False)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                continue
            [kind] = self._chance.choices(list(KINDS), weights=list(KINDS.values()))
            self.exits[f"runs {kind} that ended with {self._run(kind)}"] += 1

    def _environment(self, kind: str) -> dict[str, str]:
        right = self.on.shop.environment
        if kind == WRONG_CLOCK:
            return {**right, **wrong_clock(self._chance.choice(JUMPS))}
        if kind == NO_RECEIVERS:
            return {**right, "WITHOUT_RECEIVERS": "1", "EXTRA_APPS": ""}
        return right

    def _run(self, kind: str) -> int:
        run = subprocess.Popen(
            [sys.executable, "-m", "django", "payram_resync", "--threads=4"],
            cwd=ROOT,
            env=surroundings(self._environment(kind)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._running.append(run)
        try:
            return run.wait(LONGEST_RUN_SECONDS)
        finally:
            run.kill()
            run.wait()
            self._running.remove(run)
