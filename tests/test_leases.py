"""Claimed payments on their way through a queue."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram import leases
from django_payram.models import Payment
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory
from tests.conftest import in_threads

pytestmark = pytest.mark.django_db


def test_a_lease_is_passed_on_once():
    PaymentFactory.create_batch(3)
    queued = leases.lend(Payment.objects.all())
    taken = leases.take(queued)
    assert taken.keys == queued.keys
    assert leases.take(queued).keys == ()
    assert queued.payments().count() == 0
    assert taken.payments().count() == 3


def test_a_payment_that_something_else_has_rescheduled_is_no_longer_leased():
    first, second = PaymentFactory.create_batch(2)
    queued = leases.lend([first, second])
    Payment.objects.filter(pk=first.pk).update(next_check_at=timezone.now())
    assert leases.take(queued).keys == (second.pk,)


def test_leasing_changes_nothing_but_when_payments_are_due():
    payment = PaymentFactory(state=State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    before = Payment.objects.values().get()
    leases.take(leases.lend([payment]))
    after = Payment.objects.values().get()
    assert {name for name in before if before[name] != after[name]} == {"next_check_at"}


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_workers_with_one_message_one_gets_the_payments():
    PaymentFactory.create_batch(20)
    queued = leases.lend(Payment.objects.all())
    taken = in_threads(*[lambda: leases.take(queued)] * 4)
    assert sorted(len(lease.keys) for lease in taken) == [0, 0, 0, 20]
