"""Fixtures of the suite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier

import hypothesis
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.test.utils import CaptureQueriesContext

from django_payram.models import database
from django_payram.signals import SIGNALS
from django_payram.transport import RETRIES
from tests.clients import adapt
from tests.shop.models import Order

pytest_plugins = ["pytester"]

# pytest --hypothesis-profile=NAME
hypothesis.settings.register_profile("thousands", max_examples=1000)
hypothesis.settings.register_profile("deep", max_examples=5000)

adapt(settings.SURROUNDINGS)


PAUSES = RETRIES["GET"]
DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


@pytest.fixture(autouse=True, scope="session")
def _no_pauses():
    """A GET that failed is repeated at once, except where the pauses are what a test is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RETRIES, "GET", PAUSES.new(backoff_factor=0))
        yield


@pytest.fixture
def pauses(monkeypatch):
    """Repeats of a GET with the pauses that they have in a shop."""
    monkeypatch.setitem(RETRIES, "GET", PAUSES)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """In each database content types have other ids, as they do in a shop whose apps came one after the other."""
    with django_db_blocker.unblock():
        for alias in [alias for alias in connections if alias != DEFAULT_DB_ALIAS]:
            ContentType.objects.using(alias)._raw_delete(alias)
            for app in apps.get_app_configs():
                create_contenttypes(app, using=alias, verbosity=0)
    return django_db_setup


@pytest.fixture
def order(db):
    return Order.objects.create()


class ReadsElsewhere:
    """Sends reads of payments to a replica, which is not there."""

    def __init__(self, written):
        self.written = written

    def db_for_read(self, model, **hints):
        return "replica" if model._meta.app_label == "django_payram" else None

    def db_for_write(self, model, **hints):
        return self.written if model._meta.app_label == "django_payram" else None


@pytest.fixture
def reads_elsewhere(settings):
    settings.DATABASE_ROUTERS = [ReadsElsewhere(database())]


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


@contextmanager
def statements():
    """Yield a list that in the end holds every statement of the block, of all databases."""
    heard = []
    with ExitStack() as stack:
        captures = [stack.enter_context(CaptureQueriesContext(one)) for one in connections.all()]
        yield heard
    heard += [query["sql"] for capture in captures for query in capture.captured_queries]


@pytest.fixture
def django_assert_num_queries():
    """The fixture of pytest-django, over all databases."""

    @contextmanager
    def expect(number):
        with statements() as heard:
            yield
        assert len(heard) == number, "\n".join(heard)

    return expect


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        _let_use_all_databases(item)


def _let_use_all_databases(item):
    mark = item.get_closest_marker("django_db")
    if mark or DATABASE_FIXTURES & set(item.fixturenames):
        options = mark.kwargs if mark else {}
        item.add_marker(pytest.mark.django_db(**options, databases="__all__"), append=False)


def _is_left_out(item):
    """SQLite locks whole files: races are run on PostgreSQL and MariaDB, the former by test_on_postgresql."""
    if item.get_closest_marker("sqlite" if connection.vendor != "sqlite" else "concurrency"):
        return True
    return any(set(mark.args) & set(settings.SURROUNDINGS) for mark in item.iter_markers("not_in"))


# What a session says to wait no longer than a second for a lock.
IMPATIENT = {"postgresql": "SET lock_timeout = '200ms'", "mysql": "SET SESSION innodb_lock_wait_timeout = 1"}


def say(using, statements):
    """Run the statement that this vendor knows, in the connection of this thread."""
    connection = connections[using]
    if statement := statements.get(connection.vendor):
        with connection.cursor() as cursor:
            cursor.execute(statement)


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
