"""Brokers, and workers as processes of their own: the real parts that the tests of the Celery tasks run with.

REDIS_URL and AMQP_URL name real brokers; where neither is named, messages are files in a folder, which Celery's own
transport for that serves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery
from django.db import DEFAULT_DB_ALIAS, connection, connections

from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parent.parent
NAMED = [name for name in ("REDIS_URL", "AMQP_URL") if os.environ.get(name)]
BROKERS = NAMED or ["files"]


@dataclass
class Broker:
    """Where messages go, in a queue of the test's own."""

    url: str
    options: dict = field(default_factory=dict)
    queue: str = field(default_factory=lambda: f"payram-test-{uuid.uuid4()}")

    @contextmanager
    def app(self):
        """Make the test process a sender of tasks, as a shop's web process is."""
        app = Celery("tests.sender", broker=self.url, set_as_current=True)
        app.conf.broker_transport_options = self.options
        app.conf.task_default_queue = self.queue
        app.set_default()
        try:
            yield app
        finally:
            self._remove_queue(app)
            app.close()

    def waiting(self, app):
        """Return how many messages wait for a worker."""
        with app.connection_for_read() as conn, conn.channel() as channel:
            return channel.queue_declare(self.queue, durable=True, auto_delete=False).message_count

    def _remove_queue(self, app):
        with app.connection_for_write() as conn, conn.channel() as channel:
            channel.queue_delete(self.queue)
            if self.url.startswith("amqp"):
                channel.exchange_delete(self.queue)
            if self.url.startswith("redis"):
                # Celery keeps in Redis, for ever, which queues there are.
                for key in channel.client.scan_iter(f"*{self.queue}*"):
                    channel.client.delete(key)


def broker(name, folder):
    """Return the broker of that name."""
    if name != "files":
        return Broker(os.environ[name])
    folders = {key: str(folder / place) for key, place in FOLDERS.items()}
    for place in folders.values():
        Path(place).mkdir(exist_ok=True)
    return Broker("filesystem://", options=folders)


FOLDERS = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}


class Worker:
    """A worker in a process group of its own, its log in a file."""

    def __init__(self, broker, payram, log, *, arguments=(), schedule=None):
        self.log = log
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.celery_worker.settings",
            "WORKER_DATABASE": str(connection.settings_dict["NAME"]),
            "WORKER_PAYRAM": payram.sandbox.url,
            "WORKER_PAYRAM_KEY": payram.setting()["default"]["API_KEY"],
            "WORKER_BROKER": broker.url,
            "WORKER_BROKER_OPTIONS": json.dumps(broker.options),
            "WORKER_QUEUE": broker.queue,
            "WORKER_BEAT_SCHEDULE": json.dumps(schedule or {}),
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.celery_worker", "worker", "--loglevel", "INFO"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", f"{uuid.uuid4()}@test"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *quiet, *arguments],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def logged(self):
        return self.log.read_text(errors="replace")

    def wait_until_ready(self):
        wait_for(lambda: " ready." in self.logged or self.process.poll() is not None, self)
        assert self.process.poll() is None, self.logged
        return self

    def kill(self):
        """End it as a power cut does, its children too."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self):
        """Ask it to end, as a deployment does."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.kill()


def wait_for(condition, *workers):
    """Wait until ``condition()`` holds; a failure shows what the workers logged."""
    wait_until(condition, lambda: "\n".join(["The workers logged:", *(one.logged for one in workers)]))


@contextmanager
def shared_database(folder, using=DEFAULT_DB_ALIAS):
    """Let other processes use a test database: SQLite's lives in memory, so a copy in a file stands in for it."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    name, memory = connection.settings_dict["NAME"], connection.connection
    connection.connection = None
    connection.settings_dict["NAME"] = folder / "database.sqlite3"
    try:
        connection.ensure_connection()
        memory.backup(connection.connection)
        yield
    finally:
        connection.close()
        connection.connection, connection.settings_dict["NAME"] = memory, name
