"""SQLite's "database is locked": a second, real connection holds the lock of a real file."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from django_payram import conf
from django_payram.gateway.client import client_for
from django_payram.models import Payment, database
from django_payram.models.states import State
from django_payram.payments import open_payment
from django_payram.polling import worker
from tests.workers import shared_database

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

PATIENCE = 0.1
"""Seconds that SQLite waits for a lock."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The payments' database as a file, for which nobody waits long."""
    payments = connections[database()]
    monkeypatch.setitem(payments.settings_dict, "OPTIONS", {"timeout": PATIENCE})
    with shared_database(tmp_path, using=database()):
        yield payments.settings_dict["NAME"]


@pytest.fixture
def payment(payram, file, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


@pytest.fixture
def hold(file):
    """Hold the lock of a writer, or with "EXCLUSIVE" one that bars readers as well."""

    @contextmanager
    def hold(kind="IMMEDIATE"):
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute(f"BEGIN {kind}")
        try:
            yield other
        finally:
            other.close()

    return hold


def post_webhook(payram, payment):
    headers = {"API-Key": payram.setting()["default"]["API_KEY"]}
    body = json.dumps({"reference_id": payment.reference, "status": "FILLED"})
    client = Client(raise_request_exception=False, headers=headers)
    return client.post("/payram/webhook/", body, content_type="application/json")


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_webhook_is_answered_503_and_heals(payram, payment, order, hold, kind):
    payram.sandbox.pay(payment.reference)
    with hold(kind):
        response = post_webhook(payram, payment)
        assert (response.status_code, response["Retry-After"]) == (503, "10")
        assert response.json() == {"message": "The database is busy. Please send again."}
    payment.refresh_from_db()
    assert not payment.is_paid
    assert post_webhook(payram, payment).status_code == 200
    order.refresh_from_db()
    assert (order.status, order.times_paid) == ("paid", 1)


def test_the_status_page_shows_what_is_recorded_and_heals(payram, payment, hold):
    payram.sandbox.pay(payment.reference)
    client = Client()
    with hold():
        page = client.get(f"/payram/payments/{payment.token}/")
        assert page.status_code == 200
        assert "<title>Waiting for your payment</title>" in page.content.decode()
        assert client.get(f"/payram/payments/{payment.token}/state/").json()["state"] == State.OPEN
    assert "<title>Paid</title>" in client.get(f"/payram/payments/{payment.token}/").content.decode()


@pytest.mark.parametrize(("path", "status"), [("/orders/{}/pay/", 303), ("/api/orders/{}/pay/", 201)])
def test_a_checkout_is_answered_503_and_the_next_click_gets_the_link(payram, file, order, hold, path, status):
    client = Client(raise_request_exception=False)
    with hold():
        response = client.post(path.format(order.pk))
        assert response.status_code == 503
        assert "try again" in response.content.decode().lower()
    assert payram.sandbox.payments() == []
    assert client.post(path.format(order.pk)).status_code == status


def test_a_link_that_could_not_be_written_down_is_adopted_by_its_webhook(payram, file, order, hold):
    """The lock comes while PayRam is asked: it has made the payment, and nobody has its reference."""
    with ExitStack() as locked:

        class LockedMeanwhile:
            def create(self, **wish):
                created = client_for(conf.project()).create(**wish)
                locked.enter_context(hold())
                return created

        with pytest.raises(OperationalError):
            open_payment(order, amount=order.total, email=order.email, client=LockedMeanwhile())
    assert Payment.objects.get().reference is None
    (lost,) = payram.sandbox.payments()
    payram.sandbox.pay(lost.reference)
    assert [delivery.status for delivery in payram.deliver()] == [200]
    order.refresh_from_db()
    assert order.times_paid == 1


def due():
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))


def test_a_resync_waits_for_a_lock_that_ends(payram, payment, order, hold):
    payram.sandbox.pay(payment.reference)
    due()
    with hold() as other:
        release = threading.Timer(0.3, other.rollback)
        release.start()
        assert [asked.error for asked in worker.run()] == [None]
        release.join()
    order.refresh_from_db()
    assert order.times_paid == 1


def test_a_resync_goes_on_after_a_lock_in_its_middle(payram, payment, order, hold):
    payram.sandbox.pay(payment.reference)
    others = [open_payment(amount=10 + number, email="a@example.org") for number in range(3)]
    for other in others:
        payram.sandbox.pay(other.reference)
    # Rarely asked about: what went wrong has to be written down, or it would be tried again in an hour only.
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    due()
    summary = worker.Summary()
    run = worker.run(threads=1, summary=summary)
    assert next(run).error is None
    with hold():
        assert "locked" in str(next(run).error)
    assert [asked.error for asked in run] == [None, None]
    assert (summary.asked, summary.failed) == (4, 1)
    due()
    assert [asked.error for asked in worker.run()].count(None) == 4
    assert Payment.objects.paid().count() == 4
    order.refresh_from_db()
    assert order.times_paid == 1


def test_answers_without_news_that_cannot_be_noted_end_no_run(payment, hold, caplog):
    due()
    run = worker.run()
    assert next(run).error is None
    with hold():
        assert list(run) == []
    assert "When to ask about some payments again could not be written. database is locked" in caplog.messages
    payment.refresh_from_db()
    assert payment.next_check_at > timezone.now(), "the lease stands"
