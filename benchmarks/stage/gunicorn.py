"""The shop under gunicorn, and its management commands."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import requests

from benchmarks.stage.processes import HOST, Server, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SETTINGS = "benchmarks.shop.settings"
CSRF = "0123456789abcdefghijklmnopqrstuv"
WSGI = "django.core.wsgi:get_wsgi_application()"


class Shop(Server):
    """The shop's web server. ``environment`` is that of its workers, and of its management commands."""

    def __init__(
        self,
        *,
        folder: Path,
        port: int,
        environment: Mapping[str, str],
        workers: int = 2,
        options: tuple[str, ...] = (),
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        command = [sys.executable, "-m", "gunicorn", WSGI, f"--bind={HOST}:{port}", f"--workers={workers}"]
        command += ["--graceful-timeout=5", "--no-control-socket", *options]
        super().__init__(
            command,
            ready_url=f"{self.url}/ready/",
            log=folder / "shop.log",
            environment={"DJANGO_SETTINGS_MODULE": SETTINGS, **environment},
        )

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        if self.process is None or not self.is_running:
            return []
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def kill_worker(self, pid: int) -> None:
        """End one worker with SIGKILL; gunicorn's master starts another."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def manage(self, *arguments: str, seconds: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end, whatever its exit code."""
        return run("django", *arguments, environment={**self.environment, **environment}, seconds=seconds)

    def checkout(
        self, order: int, *, purpose: str = "", session: requests.Session | None = None, seconds: float = 60
    ) -> requests.Response:
        """Click on "pay" of an order. The answer is 303 to PayRam's page when all is well."""
        return (session or requests).post(
            f"{self.url}/orders/{order}/pay/{purpose and purpose + '/'}",
            headers={"X-CSRFToken": CSRF, "Cookie": f"csrftoken={CSRF}"},
            allow_redirects=False,
            timeout=seconds,
        )


@contextmanager
def gunicorn(
    *, folder: Path, port: int, environment: Mapping[str, str], workers: int = 2, options: tuple[str, ...] = ()
) -> Iterator[Shop]:
    """Serve the shop until the block ends; its tables are made first."""
    shop = Shop(folder=folder, port=port, environment=environment, workers=workers, options=options)
    migrated = shop.manage("migrate", "--run-syncdb", "--verbosity=0")
    if migrated.returncode:
        raise RuntimeError(migrated.stderr)
    shop.start()
    try:
        yield shop
    finally:
        shop.stop()
