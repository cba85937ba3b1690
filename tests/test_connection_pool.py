"""Django's own pool of two connections, and a PayRam that does not answer: whoever needs a connection finds one."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connections, transaction
from django.test import Client

from django_payram.models import Payment, State, database
from django_payram.payments import checkout, open_payment, refresh
from django_payram.polling import worker
from django_payram.sandbox import faults
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.shop.models import Order
from tests.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.concurrency, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

CONNECTIONS = 2
AT_ONCE = 2 * CONNECTIONS
LONG = 50
"""Seconds that a call may take: by then the pool has refused whoever waits for a connection."""


@pytest.fixture
def pool(transactional_db):
    """Let connections come from a pool, as ``OPTIONS`` of a shop's ``DATABASES`` say."""
    options = [connection.settings_dict["OPTIONS"] for connection in connections.all()]
    connections.close_all()
    for each in options:
        each["pool"] = {"min_size": 0, "max_size": CONNECTIONS, "timeout": 10}
    yield
    for connection in connections.all():
        connection.close()
        connection.close_pool()
    for each in options:
        each.pop("pool", None)


class SilentPayram:
    """Carries out what it is asked for, and answers when ``answers`` is set."""

    def __init__(self):
        self.answers = threading.Event()
        self.asked = 0
        self._lock = threading.Lock()

    def __call__(self, _request, honest, _pause):
        with self._lock:
            self.asked += 1
        self.answers.wait(PATIENCE)
        return honest


@pytest.fixture
def silent(pool, payram, settings, monkeypatch):
    settings.PAYRAM = {"default": {**payram.setting()["default"], "TIMEOUT": (LONG, LONG), "DEADLINE": LONG}}
    monkeypatch.setattr(import_module("django_payram.payments.refresh"), "PAGE_DEADLINE", LONG)
    payram.sandbox.webhooks = False
    silent = SilentPayram()
    monkeypatch.setitem(faults.FAULTS, "silent", faults.Fault(silent, acts=True))
    yield silent
    silent.answers.set()


def with_own_connections(work):
    try:
        return work()
    finally:
        connections.close_all()


def while_payram_is_silent(payram, silent, works, *, reached):
    """Do these works at once; when ``reached()`` says that they all wait, let another page be asked for, then PayRam
    answer. Returns what the works returned."""
    payram.sandbox.inject_fault(None, "silent")
    connections.close_all()
    with ThreadPoolExecutor(len(works) + 1) as threads:
        futures = [threads.submit(with_own_connections, work) for work in works]
        try:
            wait_until(lambda: reached() or any(future.done() for future in futures))
            page = threads.submit(with_own_connections, Order.objects.count)
            assert page.result(PATIENCE) == Order.objects.count()
            assert reached(), [future.result() for future in futures if future.done()]
        finally:
            silent.answers.set()
        return [future.result(PATIENCE) for future in futures]


def all_asked(silent):
    return lambda: silent.asked == AT_ONCE


def pay(order):
    return lambda: Client().post(f"/orders/{order.pk}/pay/").status_code


def open_payments():
    orders = [Order.objects.create() for _ in range(AT_ONCE)]
    return [open_payment(order, amount=order.total, email=order.email) for order in orders]


def test_checkouts_hold_no_connection_while_they_wait_for_payram(payram, silent):
    """F75."""
    works = [pay(Order.objects.create()) for _ in range(AT_ONCE)]
    assert while_payram_is_silent(payram, silent, works, reached=all_asked(silent)) == [303] * AT_ONCE


def test_a_second_click_holds_no_connection_while_it_waits_for_the_first_ones_link(payram, silent, monkeypatch):
    """F75."""
    waiting = set()

    def sleep(seconds):
        waiting.add(threading.get_ident())
        time.sleep(seconds)

    monkeypatch.setattr(checkout, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(checkout, "WAIT_SECONDS", LONG)
    works = [pay(Order.objects.create())] * AT_ONCE
    reached = lambda: silent.asked == 1 and len(waiting) == AT_ONCE - 1  # noqa: E731
    assert while_payram_is_silent(payram, silent, works, reached=reached) == [303] * AT_ONCE
    assert Payment.objects.count() == 1


def test_webhooks_hold_no_connection_while_they_wait_for_payram(payram, silent):
    """F75."""

    def webhook(payment):
        body = {"reference_id": payment.reference, "status": "FILLED"}
        client = Client(headers={"API-Key": TEST_KEY})
        return lambda: client.post("/payram/webhook/", body, content_type="application/json").status_code

    payments = open_payments()
    for payment in payments:
        payram.sandbox.pay(payment.reference)
    works = [webhook(payment) for payment in payments]
    assert while_payram_is_silent(payram, silent, works, reached=all_asked(silent)) == [200] * AT_ONCE
    assert Payment.objects.paid().count() == AT_ONCE


def test_status_pages_hold_no_connection_while_they_wait_for_payram(payram, silent):
    """F75."""
    works = [lambda path=f"/payram/payments/{one.token}/": Client().get(path).status_code for one in open_payments()]
    assert while_payram_is_silent(payram, silent, works, reached=all_asked(silent)) == [200] * AT_ONCE


def test_polling_holds_no_connection_while_it_waits_for_payram(payram, silent):
    """F75: several Celery workers that are threads of one process."""
    size = worker.BATCH_PER_THREAD
    PaymentFactory.create_batch(AT_ONCE * size)
    works = [lambda: len(list(worker.run(threads=1, limit=size)))] * AT_ONCE
    assert while_payram_is_silent(payram, silent, works, reached=all_asked(silent)) == [size] * AT_ONCE


def test_a_connection_in_the_callers_transaction_is_kept(payram, pool):
    """A savepoint of the caller's would be gone with it."""
    with transaction.atomic(using=database()):
        order = Order.objects.create()
        kept = connections[database()].connection
        payment = open_payment(order, amount=order.total, email=order.email)
        assert connections[database()].connection is kept
    assert Payment.objects.get() == payment


def test_a_connection_without_autocommit_is_kept(payram, pool):
    payment = open_payments()[0]
    transaction.set_autocommit(False, using=database())
    kept = connections[database()].connection
    refresh(payment)
    assert connections[database()].connection is kept
    transaction.rollback(using=database())
    transaction.set_autocommit(True, using=database())


def test_a_connection_that_comes_from_no_pool_is_kept(payram, transactional_db):
    """To open it again would take longer than PayRam's answer."""
    payment = open_payments()[0]
    kept = connections[database()].connection
    refresh(payment)
    assert connections[database()].connection is kept
    assert Payment.objects.get(pk=payment.pk).state == State.OPEN
