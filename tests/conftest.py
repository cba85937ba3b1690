"""Fixtures of the suite."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier

import hypothesis
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.test.utils import CaptureQueriesContext

from django_payram.gateway.transport import RETRIES
from django_payram.models import database
from django_payram.signals import SIGNALS
from tests.clients import adapt
from tests.shop.models import Order
from tests.waiting import PATIENCE

pytest_plugins = ["pytester"]

# pytest --hypothesis-profile=NAME
hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("thousands", max_examples=400)
hypothesis.settings.register_profile("deep", max_examples=5000)
hypothesis.settings.load_profile("quick")

adapt(settings.SURROUNDINGS)

# Their apps are installed and their settings named by tox alone.
collect_ignore = [name for name in ("audit_apps", "oscar") if not any(name in app for app in settings.INSTALLED_APPS)]


PAUSES = RETRIES["GET"]
DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


@pytest.fixture(autouse=True, scope="session")
def _no_pauses():
    """A GET that failed is repeated at once, except where the pauses are what a test is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RETRIES, "GET", PAUSES.new(backoff_factor=0))
        yield


@pytest.fixture(autouse=True)
def _no_counted_requests():
    """Throttles count what came before in the same process."""
    cache.clear()


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
    """Receivers of all four signals that remember what they were sent."""

    def __init__(self):
        self.received = []
        self.fail_on = set()

    def __call__(self, name):
        def receiver(sender, payment, **kwargs):
            if name in self.fail_on:
                raise RuntimeError(f"{name} is broken")
            kwargs.pop("signal")
            self.received.append((name, payment, kwargs))

        return receiver

    @property
    def names(self):
        return [name for name, _payment, _extra in self.received]


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
    received = []
    with ExitStack() as stack:
        captures = [stack.enter_context(CaptureQueriesContext(one)) for one in connections.all()]
        yield received
    received += [query["sql"] for capture in captures for query in capture.captured_queries]


@pytest.fixture
def django_assert_num_queries():
    """The fixture of pytest-django, over all databases."""

    @contextmanager
    def expect(number):
        with statements() as received:
            yield
        assert len(received) == number, "\n".join(received)

    return expect


LEFT_OUT = """\
Left out, and how to run it:
  a real browser            pytest -m browser -n 0
  processes killed          pytest -m crashes -n 0
  Celery workers            pytest -m brokers -n 0      (REDIS_URL, AMQP_URL name brokers; files without)
  benchmarks, tiny          pytest -m benchmarks -n 0
  audit logs and caches     tox -e audit-apps           (needs Redis: REDIS_URL, or the one of this machine)
  a shop on django-oscar    tox -e oscar                (needs PostgreSQL: OSCAR_DATABASE_URL, and a browser)
  shops of the guides       tox -e pretix,salesman,wagtail
  an error at every line    pytest -m every_line
  thousands of histories    pytest tests/payments/test_confluence_machine.py --hypothesis-profile=thousands
  the whole on PostgreSQL   DATABASE_URL=postgresql://… pytest     (here: what needs a database that locks rows)
  the whole on MariaDB      DATABASE_URL=mysql://… pytest          (needs mysqlclient)"""


def pytest_terminal_summary(terminalreporter, config):
    """Name what was left out, where the suite is run as the README says."""
    if not config.invocation_params.args:
        terminalreporter.section("lanes")
        terminalreporter.write_line(LEFT_OUT)


def pytest_xdist_auto_num_workers(config):
    """Start no processes for a file or two: they take longer to start than the tests to run.

    Else one more than there are cores, because many tests wait: for time-outs, for processes, for a database.
    """
    return 0 if any(".py" in argument for argument in config.invocation_params.args) else os.cpu_count() + 1


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    # The longest first: what it leaves of the time is shared by the rest.
    items.sort(key=lambda item: "test_on_postgresql" not in item.nodeid)
    for item in items:
        _let_use_all_databases(item)


def _let_use_all_databases(item):
    mark = item.get_closest_marker("django_db")
    if mark or DATABASE_FIXTURES & set(item.fixturenames):
        options = mark.kwargs if mark else {}
        item.add_marker(pytest.mark.django_db(**options, databases="__all__"), append=False)


def _is_left_out(item):
    """SQLite locks whole files: races are run on PostgreSQL and MariaDB, the former by test_on_postgresql."""
    markers = {mark.name for mark in item.iter_markers()}
    if connection.vendor not in (markers & {"sqlite", "postgresql"} or {connection.vendor}):
        return True
    if connection.vendor == "sqlite" and "concurrency" in markers:
        return True
    return any(set(mark.args) & set(settings.SURROUNDINGS) for mark in item.iter_markers("not_in"))


# The statement with which a connection waits no longer than a second for a lock, by vendor.
SHORT_LOCK_TIMEOUT = {"postgresql": "SET lock_timeout = '200ms'", "mysql": "SET SESSION innodb_lock_wait_timeout = 1"}


def execute_for_vendor(using, statements):
    """Run the statement of the database's vendor, if there is one, in the connection of this thread."""
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
        barrier.wait(timeout=PATIENCE)
        try:
            return work()
        except Exception as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))
