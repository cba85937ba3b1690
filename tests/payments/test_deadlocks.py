"""Deadlocks and lock time-outs, with real threads on a database that locks rows."""

from __future__ import annotations

import json
import time
from threading import Event

import pytest
from django.db import connections, transaction
from django.test import Client

from django_payram.models import Outcome, Payment, PaymentEvent, content_type, database
from django_payram.payments import open_payment, transitions
from django_payram.polling import claims
from django_payram.testing.factories import PaymentFactory
from tests.conftest import SHORT_LOCK_TIMEOUT, execute_for_vendor, in_threads
from tests.shop.models import Order

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

PATIENCE = 10


@pytest.fixture
def payment(payram, order):
    """A payment that was paid at PayRam, of which nothing was received here yet."""
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference)
    return payment


@pytest.fixture
def post_webhook(payram, payment):
    """Deliver the webhook and return the answer."""

    def post_webhook():
        headers = {"API-Key": payram.setting()["default"]["API_KEY"]}
        body = json.dumps({"reference_id": payment.reference, "status": "FILLED"})
        return Client(headers=headers).post("/payram/webhook/", body, content_type="application/json")

    return post_webhook


def locked(payments):
    return list(payments.using(database()).select_for_update().order_by("pk"))


def become_heavy():
    """MariaDB ends a deadlock at the expense of the transaction that wrote less, PostgreSQL of the less patient one."""
    execute_for_vendor(database(), {"postgresql": "SET LOCAL deadlock_timeout = '60s'"})
    PaymentEvent.objects.using(database()).bulk_create(
        [PaymentEvent(project="default", source="admin", outcome=Outcome.RESOLVED) for _number in range(50)]
    )


def let_the_other_wait():
    """Give the other thread time to come to its lock; PostgreSQL looks for deadlocks a second after that."""
    time.sleep(0.4)


def heals(post_webhook, order):
    assert post_webhook().status_code == 200
    assert post_webhook().status_code == 200
    order.refresh_from_db()
    return (order.status, order.times_paid) == ("paid", 1)


def test_payments_are_written_in_the_order_in_which_transitions_lock(order):
    place = {"order_type": content_type(order), "order_id": str(order.pk)}
    first, second = PaymentFactory(**place), PaymentFactory(**place)
    # News of the first one puts its row behind the second's, where PostgreSQL comes to it last.
    Payment.objects.filter(pk=first.pk).update(notified_state="OPEN")
    holding, ended = Event(), Event()

    def hold():
        with transaction.atomic(using=database()):
            locked(Payment.objects.filter(pk=first.pk))
            holding.set()
            ended.wait(1.5)

    def announce():
        assert holding.wait(PATIENCE)
        return transitions.notify(first)

    def check():
        assert holding.wait(PATIENCE)
        let_the_other_wait()
        return claims.mark_checked([first, second])

    _held, announced, marked = in_threads(hold, announce, check)
    assert announced.delivered
    assert marked is None


@pytest.mark.not_in("pgbouncer", reason="the test sets a value of its session")
def test_a_lock_that_takes_too_long_is_answered_503_and_heals(post_webhook, payment, order):
    holding, answered = Event(), Event()

    def edit():
        with transaction.atomic(using=database()):
            locked(Payment.objects.filter(pk=payment.pk))
            holding.set()
            answered.wait(PATIENCE)

    def webhook():
        assert holding.wait(PATIENCE)
        execute_for_vendor(database(), SHORT_LOCK_TIMEOUT)
        try:
            return post_webhook()
        finally:
            answered.set()

    _none, response = in_threads(edit, webhook)
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    payment.refresh_from_db()
    assert not payment.is_paid
    assert heals(post_webhook, order)


def test_a_deadlock_of_two_transitions_is_answered_503_and_heals(post_webhook, payment, order):
    """The shop locks two payments of one order in the wrong order."""
    second = PaymentFactory(order_type=content_type(order), order_id=str(order.pk), amount_usd=7)
    holding = Event()

    def edit():
        with transaction.atomic(using=database()):
            become_heavy()
            locked(Payment.objects.filter(pk=second.pk))
            holding.set()
            let_the_other_wait()
            locked(Payment.objects.filter(pk=payment.pk))
        return "edited"

    def webhook():
        assert holding.wait(PATIENCE)
        return post_webhook()

    edited, response = in_threads(edit, webhook)
    assert edited == "edited"
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert heals(post_webhook, order)


@pytest.mark.not_in("databases", reason="two databases have no common locks")
def test_a_deadlock_of_a_receiver_is_not_answered_200_and_heals(post_webhook, payment, order):
    """The shop locks its order before the payment, against the documented order of locks."""
    holding = Event()

    def edit():
        with transaction.atomic():
            become_heavy()
            Order.objects.filter(pk=order.pk).update(email="edited@example.org")
            holding.set()
            let_the_other_wait()
            locked(Payment.objects.filter(pk=payment.pk))
        return "edited"

    def webhook():
        assert holding.wait(PATIENCE)
        return post_webhook()

    edited, response = in_threads(edit, webhook)
    assert edited == "edited"
    # PostgreSQL undoes what the receiver did, MariaDB the whole transaction.
    assert response.status_code == {"postgresql": 500, "mysql": 503}[connections[database()].vendor]
    assert heals(post_webhook, order)
    assert order.email == "edited@example.org"
    payment.refresh_from_db()
    assert (payment.undelivered, payment.announce_error) == ([], "")
