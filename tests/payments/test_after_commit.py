"""What a receiver leaves to be done after the commit, and that fails there."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from django_payram.models import Payment, database
from django_payram.payments import open_payment
from django_payram.signals import payment_updated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("error", [IntegrityError("duplicate key in the shop's own table"), ValueError("no e-mail")])
def test_work_after_the_commit_that_fails_is_logged_and_answered_200(payram, order, caplog, error):
    """The state is committed: PayRam must not send the webhook again because of it."""
    payment = open_payment(order, amount=order.total, email=order.email)

    def fail():
        raise error

    def receiver(**kwargs):
        transaction.on_commit(fail, using=database())

    payment_updated.connect(receiver)
    try:
        payram.sandbox.pay(payment.reference)
        assert [done.status for done in payram.deliver()] == [200]
    finally:
        payment_updated.disconnect(receiver)
    assert Payment.objects.get().is_paid
    assert "on_commit work of a receiver failed" in caplog.text
