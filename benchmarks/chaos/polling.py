"""payram_resync, run again and again by two machines at once, as cron would."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from benchmarks.stage.processes import ROOT, surroundings

if TYPE_CHECKING:
    from benchmarks.stage import Stage

PAUSE_SECONDS = 3.0
MACHINES = 2
SHARE = 0.2
"""How many of the open payments become due before each run: time passes quickly here."""
LONGEST_RUN_SECONDS = 300


class Polling:
    """Runs resync until told to stop; a run may be killed at any time. ``exits`` counts the exit codes."""

    def __init__(self, on: Stage, *, seed: int) -> None:
        self.on = on
        self.exits: Counter[int] = Counter()
        self._chance = random.Random(seed)
        self._running: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._poll, daemon=True) for _ in range(MACHINES)]

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
                self.on.books.bring_forward(share=SHARE, paid=False)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                continue
            self.exits[self._run()] += 1

    def _run(self) -> int:
        run = subprocess.Popen(
            [sys.executable, "-m", "django", "payram_resync", "--threads=4"],
            cwd=ROOT,
            env=surroundings(self.on.shop.environment),
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
