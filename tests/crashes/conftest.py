"""One shop under gunicorn for all crashes: its master starts another worker for every one that is killed."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.stage import stage
from tests.crashes.crash_points import CRASH_FILE

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.crashes)


@pytest.fixture(scope="package")
def armed(tmp_path_factory):
    """The file that names the crash point at which the next process is killed."""
    return tmp_path_factory.mktemp("crashes") / "armed"


@pytest.fixture(scope="package")
def on(armed):
    """The stage, without webhooks of PayRam's own: the tests send them, so that nothing is corrected by itself."""
    environment = {"EXTRA_APPS": "tests.crashes", CRASH_FILE: str(armed)}
    with stage(workers=2, fsync=False, own=True, webhooks=False, environment=environment) as set_up:
        yield set_up


@pytest.fixture
def crashing(armed):
    """A block in which some process reaches a crash point and is killed."""

    @contextmanager
    def crash_at(moment):
        armed.write_text(moment)
        try:
            yield
            assert not armed.exists(), f"No process reached the crash point {moment!r}."
        finally:
            armed.unlink(missing_ok=True)

    return crash_at
