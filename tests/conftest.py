"""Fixtures of the suite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest
from django.db import connection, connections

from django_payram.signals import SIGNALS
from tests.shop.models import Order

pytest_plugins = ["pytester"]


@pytest.fixture
def order(db):
    return Order.objects.create()


class Listener:
    """Receivers of all four signals that remember what they were told."""

    def __init__(self):
        self.heard = []
        self.fail_on = set()

    def __call__(self, name):
        def receiver(sender, payment, **kwargs):
            if name in self.fail_on:
                raise RuntimeError(f"{name} is broken")
            kwargs.pop("signal")
            self.heard.append((name, payment, kwargs))

        return receiver

    @property
    def names(self):
        return [name for name, _payment, _extra in self.heard]


@contextmanager
def listening():
    listener = Listener()
    receivers = {name: listener(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name], weak=False)
    try:
        yield listener
    finally:
        for name, signal in SIGNALS.items():
            signal.disconnect(receivers[name])


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener


def pytest_collection_modifyitems(config, items):
    """SQLite locks whole files: races are run on PostgreSQL and MariaDB, the former by test_on_postgresql."""
    if connection.vendor != "sqlite":
        return
    races = [item for item in items if item.get_closest_marker("concurrency")]
    if races:
        config.hook.pytest_deselected(items=races)
        items[:] = [item for item in items if item not in races]


def in_threads(*works):
    """Run callables at the same moment, each in a thread with a database connection of its own.

    Returns what they returned or raised.
    """
    barrier = Barrier(len(works))

    def run(work):
        barrier.wait(timeout=10)
        try:
            return work()
        except Exception as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))
