"""Deadlocks and lock time-outs, with real threads on a database that locks rows."""

from __future__ import annotations

import json
import time
from threading import Event

import pytest
from django.db import connections, transaction
from django.test import Client

from django_payram import leases, lifecycle
from django_payram.lifecycle import open_payment
from django_payram.models import Outcome, Payment, PaymentEvent, content_type, database
from django_payram.testing.factories import PaymentFactory
from tests.conftest import IMPATIENT, in_threads, say
from tests.shop.models import Order

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

PATIENCE = 10


@pytest.fixture
def payment(payram, order):
    """A payment that was paid at PayRam, which has yet to be heard here."""
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference)
    return payment


@pytest.fixture
def knock(payram, payment):
    """Deliver the webhook and return the answer."""

    def knock():
        headers = {"API-Key": payram.setting()["default"]["API_KEY"]}
        body = json.dumps({"reference_id": payment.reference, "status": "FILLED"})
        return Client(headers=headers).post("/payram/webhook/", body, content_type="application/json")

    return knock


def locked(payments):
    return list(payments.using(database()).select_for_update().order_by("pk"))


def become_heavy():
    """MariaDB ends a deadlock at the expense of the transaction that wrote less, PostgreSQL of the less patient one."""
    say(database(), {"postgresql": "SET LOCAL deadlock_timeout = '60s'"})
    PaymentEvent.objects.using(database()).bulk_create(
        [PaymentEvent(project="default", source="admin", outcome=Outcome.RESOLVED) for _number in range(50)]
    )


def let_the_other_wait():
    """Give the other thread time to come to its lock; PostgreSQL looks for deadlocks a second after that."""
    time.sleep(0.4)


def heals(knock, order):
    assert knock().status_code == 200
    assert knock().status_code == 200
    order.refresh_from_db()
    return (order.status, order.times_paid) == ("paid", 1)


def test_payments_are_lent_in_the_order_in_which_the_gate_locks(order):
    place = {"order_type": content_type(order), "order_id": str(order.pk)}
    first, second = PaymentFactory(**place), PaymentFactory(**place)
    # News of the first one puts its row behind the second's, where PostgreSQL comes to it last.
    Payment.objects.filter(pk=first.pk).update(told_state="OPEN")
    holding, ended = Event(), Event()

    def hold():
        with transaction.atomic(using=database()):
            locked(Payment.objects.filter(pk=first.pk))
            holding.set()
            ended.wait(1.5)

    def announce():
        assert holding.wait(PATIENCE)
        return lifecycle.announce(first)

    def lend():
        assert holding.wait(PATIENCE)
        let_the_other_wait()
        return leases.lend([first, second])

    _held, announced, lease = in_threads(hold, announce, lend)
    assert announced.announced
    assert lease.keys == (first.pk, second.pk)


def test_a_lock_that_takes_too_long_is_answered_503_and_heals(knock, payment, order):
    holding, answered = Event(), Event()

    def edit():
        with transaction.atomic(using=database()):
            locked(Payment.objects.filter(pk=payment.pk))
            holding.set()
            answered.wait(PATIENCE)

    def webhook():
        assert holding.wait(PATIENCE)
        say(database(), IMPATIENT)
        try:
            return knock()
        finally:
            answered.set()

    _none, response = in_threads(edit, webhook)
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    payment.refresh_from_db()
    assert not payment.is_paid
    assert heals(knock, order)


def test_a_deadlock_of_the_gate_is_answered_503_and_heals(knock, payment, order):
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
        return knock()

    edited, response = in_threads(edit, webhook)
    assert edited == "edited"
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert heals(knock, order)


@pytest.mark.not_in("databases", reason="two databases have no common locks")
def test_a_deadlock_of_a_receiver_is_not_answered_200_and_heals(knock, payment, order):
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
        return knock()

    edited, response = in_threads(edit, webhook)
    assert edited == "edited"
    # PostgreSQL undoes what the receiver did, MariaDB the whole transaction.
    assert response.status_code == {"postgresql": 500, "mysql": 503}[connections[database()].vendor]
    assert heals(knock, order)
    assert order.email == "edited@example.org"
    payment.refresh_from_db()
    assert (payment.pending, payment.announce_error) == ("", "")
