"""django-simple-history has a row for every change of a payment, and one for every event."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_payram.models import Payment, PaymentEvent
from django_payram.models.states import Review, State
from django_payram.payments import open_payment, refresh
from django_payram.polling import worker

# When PayRam is asked: times that are pushed without a save, as any `QuerySet.update` in a shop.
SCHEDULE = {"checked_at", "next_check_at"}


def history_of(payment):
    return Payment.history.filter(id=payment.pk).order_by("history_id")


def states(payment):
    return list(history_of(payment).values_list("state", flat=True))


def values(row):
    return {
        field.attname: getattr(row, field.attname)
        for field in Payment._meta.concrete_fields
        if field.name not in SCHEDULE
    }


@pytest.fixture(autouse=True)
def _nothing_is_missing(transactional_db):
    """After each test the newest row of each payment's history is what the payment is now, and no event is missing."""
    yield
    payments = list(Payment.objects.nocache())
    assert payments
    for payment in payments:
        assert values(history_of(payment).last()) == values(payment)
    events = PaymentEvent.objects.nocache().values_list("pk", "outcome")
    assert sorted(PaymentEvent.history.filter(history_type="+").values_list("id", "outcome")) == sorted(events)


def test_opening_a_payment_is_two_rows(payment):
    """F91: the payment as it was before PayRam was asked, and with its link."""
    assert states(payment) == [State.CREATING, State.OPEN]
    assert list(history_of(payment).values_list("history_type", flat=True)) == ["+", "~"]
    assert history_of(payment).last().url == payment.url


def test_each_webhook_with_news_is_a_row(payram, payment):
    """F91."""
    payram.pay(payment, 20)
    payram.pay(payment)
    assert states(payment) == [State.CREATING, State.OPEN, State.PARTIALLY_FILLED, State.FILLED]
    assert [row.filled_usd for row in history_of(payment)][2:] == [Decimal(20), payment.amount_usd]
    after, before = history_of(payment).order_by("-history_id")[:2]
    assert {"state", "filled_usd", "paid_at"} <= set(after.diff_against(before).changed_fields)


def test_a_repeated_webhook_is_no_row(payram, payment):
    payram.pay(payment)
    rows = states(payment)
    payram.sandbox.redeliver(payment.reference)
    assert states(payment) == rows


def test_a_refresh_with_news_is_a_row(payram, payment):
    """F91: no webhook comes."""
    payram.sandbox.pay(payment.reference)
    refresh(payment)
    assert states(payment) == [State.CREATING, State.OPEN, State.FILLED]
    refresh(payment)
    after, before = history_of(payment).order_by("-history_id")[:2]
    assert set(after.diff_against(before).changed_fields) <= SCHEDULE


def test_a_poll_with_news_is_a_row(payram, payment):
    """F91."""
    payram.sandbox.pay(payment.reference)
    assert [result.news for result in worker.run(Payment.objects.all())] == [True]
    assert states(payment) == [State.CREATING, State.OPEN, State.FILLED]


def test_a_decision_in_the_admin_is_a_row_with_the_user(payram, payment, admin_client, admin_user):
    """F91: a held payment is accepted."""
    Payment.objects.filter(pk=payment.pk).invalidated_update(amount_usd=Decimal(70))
    payram.pay(payment, payment.amount_usd)
    held = history_of(payment).last()
    assert (held.review, held.paid_at, held.history_user) == (Review.AMOUNT, None, None)
    admin_client.post(
        f"/admin/django_payram/payment/{payment.pk}/accept/", {"reason": "Agreed by phone.", "confirm": "on"}
    )
    accepted = history_of(payment).last()
    assert (accepted.review, accepted.history_user) == ("", admin_user)
    assert accepted.paid_at is not None


def test_a_link_that_another_one_replaces_is_a_row(payment, order):
    """F91: it is not the order's live link any more, but watched."""
    other = open_payment(order, amount=order.total + 1, email=order.email)
    assert other != payment
    assert [row.live_slot for row in history_of(payment)][1:] == [payment.live_slot, None]


def test_a_top_up_is_a_row_of_its_own_and_of_the_payment_that_it_completes(payram, payment):
    """F91."""
    payram.pay(payment, 20)
    payram.expire(payment)
    payram.sandbox.top_up(payment.reference)
    payram.deliver()
    top_up = Payment.objects.nocache().get(parent=payment)
    assert history_of(top_up).last().state == State.FILLED
    assert history_of(payment).last().paid_at is not None


def test_a_failed_receiver_is_a_row(payram, payment, listener):
    """F91: what is undelivered is kept, and gone once the receiver has succeeded."""
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    assert [done.status for done in payram.sandbox.deliver_due()] == [500]
    assert "payment_paid is broken" in history_of(payment).last().announce_error
    listener.fail_on = set()
    refresh(payment)
    assert history_of(payment).last().announce_error == ""
