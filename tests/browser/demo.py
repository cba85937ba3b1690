"""The example shop and its sandbox as processes of their own, on free ports and in a temporary folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
MANAGE = ROOT / "example_project" / "manage.py"
HOST = "127.0.0.1"

READY_WITHIN = 60
STOPS_WITHIN = 20
TICK = 0.1

WELCOME = re.compile(
    r'Shop\s+(?P<shop>\S+)/\n.*password "(?P<password>[^"]+)".*payments\s+(?P<sandbox>\S+)/\n.*to stop\.', re.DOTALL
)


@dataclass(frozen=True)
class Server:
    """A process, and the file that has all it wrote."""

    process: subprocess.Popen
    log: Path

    @property
    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, find, *, what):
        """Return the first true answer of ``find()``."""
        ends = time.monotonic() + READY_WITHIN
        while time.monotonic() < ends and self.process.poll() is None:
            if found := find():
                return found
            time.sleep(TICK)
        raise AssertionError(f"{what} did not come.\n{self.output}")


@dataclass(frozen=True)
class Demo:
    """What ``manage.py demo`` printed, and the folder of its database."""

    server: Server
    folder: Path
    shop: str
    sandbox: str
    password: str

    def rewrite(self, token, **columns):
        """Write into a payment's row what would take long or a fault to come about."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as database, database:
            changed = database.execute(
                f"UPDATE django_payram_payment SET {names} WHERE token = ?",
                [*columns.values(), token.replace("-", "")],
            )
            assert changed.rowcount == 1


@contextmanager
def demo(folder):
    """Run ``manage.py demo``; it has to stop with exit code 0 on Ctrl-C."""
    command = ["demo", "--port=0", "--sandbox-port=0", "--noinput"]
    with running(command, folder=folder, name="demo") as server:
        said = server.wait_for(lambda: WELCOME.search(server.output), what="The demo's welcome")
        yield Demo(server=server, folder=folder, **said.groupdict())


@contextmanager
def another_shop(demo, *, name, settings="config.settings", payram=None):
    """Serve the demo's shop once more, on its database, with other settings or another PayRam; yields its address."""
    port = free_port()
    command = ["runserver", "--noreload", f"{HOST}:{port}"]
    changes = {"DJANGO_SETTINGS_MODULE": settings, "PAYRAM_BASE_URL": payram or demo.sandbox}
    address = f"http://{HOST}:{port}"
    with running(command, folder=demo.folder, name=name, changes=changes) as server:
        server.wait_for(lambda: answers(address), what=f"An answer of {name}")
        yield address


def restore_ctrl_c():
    """Undo what a shell does to the processes it starts in the background: they ignore Ctrl-C, and pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(command, *, folder, name, changes=None):
    """Run a command of the example shop until the block ends; it may leave no traceback behind."""
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), *command],
            cwd=ROOT,
            env=environment(folder) | (changes or {}),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=restore_ctrl_c,
        )
    server = Server(process=process, log=log)
    try:
        yield server
        process.send_signal(signal.SIGINT)
        code = process.wait(STOPS_WITHIN)
    finally:
        end(process)
    assert code == 0, server.output
    assert "Traceback" not in server.output, server.output


def end(process):
    """Leave nothing of the process and its children, whatever became of the tests."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(folder):
    """Our own environment, with everything that the example's settings read set for the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYRAM_")}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "DEBUG": "True",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_RUNSERVER_HIDE_WARNING": "true",
    }


def answers(address):
    try:
        with urlopen(address, timeout=5):
            return True
    except (URLError, OSError):
        return False


def free_port():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


@contextmanager
def unused_address():
    """An address at which nobody answers, and at which nobody can begin to while the block runs."""
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield f"http://{HOST}:{held.getsockname()[1]}"
