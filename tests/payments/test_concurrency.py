"""Races, with real threads on a database that locks rows."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone

from django_payram.exceptions import PayramError
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, Source, content_type, database
from django_payram.models.states import Review, State
from django_payram.payments import open_payment, refresh, transitions
from django_payram.polling import claims, worker
from django_payram.polling.claims import mark_checked
from django_payram.polling.rate_limit import StopSignal
from django_payram.testing.factories import PaymentFactory
from tests.conftest import SHORT_LOCK_TIMEOUT, execute_for_vendor, in_threads
from tests.payments.helpers import apply
from tests.shop.models import Order

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

FILLED = PaymentUpdate(word="FILLED", state=State.FILLED, filled_usd=Decimal("49.99"))


def pay_for(order):
    return open_payment(order, amount=order.total, email=order.email)


@pytest.mark.parametrize("threads", [2, 6])
def test_clicks_at_once_make_one_call_and_one_link(payram, order, threads):
    """F21."""
    payments = in_threads(*[lambda: pay_for(order)] * threads)
    assert {payment.pk for payment in payments} == {Payment.objects.get().pk}
    assert len([call for call in payram.sandbox.calls if call.method == "POST"]) == 1


def test_clicks_with_different_amounts_leave_one_live_link(payram, order):
    """F24."""
    in_threads(
        lambda: open_payment(order, amount=10, email=order.email),
        lambda: open_payment(order, amount=20, email=order.email),
    )
    assert Payment.objects.exclude(live_slot=None).count() == 1


def test_calls_with_one_token_at_once_make_one_call_and_one_link(payram):
    """Without an order it is the token that decides."""
    token = uuid.uuid4()
    payments = in_threads(*[lambda: open_payment(amount=10, email="kim@example.org", token=token)] * 6)
    assert [payment.token for payment in payments] == [token] * 6
    assert all(payment.url for payment in payments)
    assert len([call for call in payram.sandbox.calls if call.method == "POST"]) == 1


def test_calls_with_one_token_share_the_fate_of_the_first(payram):
    payram.sandbox.inject_fault(None, "broken")
    token = uuid.uuid4()
    answers = in_threads(*[lambda: open_payment(amount=10, email="kim@example.org", token=token)] * 4)
    assert all(isinstance(answer, PayramError) for answer in answers)
    assert Payment.objects.count() == 1


def test_clicks_share_the_fate_of_the_attempt_they_waited_for(payram, order):
    """F20, F21."""
    payram.sandbox.inject_fault(None, "broken")
    in_threads(*[lambda: pay_for(order)] * 4)
    calls = [call for call in payram.sandbox.calls if call.method == "POST"]
    assert len(calls) == Payment.objects.count() <= 4
    assert not Payment.objects.exclude(live_slot=None).exists()


def test_news_by_every_way_at_once_is_sent_once(payram, order):
    """F5, F7."""
    payram.sandbox.webhooks = False
    payment = pay_for(order)
    payram.sandbox.pay(payment.reference)
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    body = {"reference_id": payment.reference, "status": "FILLED"}

    def webhook():
        headers = {"API-Key": payram.setting()["default"]["API_KEY"]}
        return Client(headers=headers).post("/payram/webhook/", body, content_type="application/json").status_code

    def status():
        return Client().get(f"/payram/payments/{payment.token}/").status_code

    def polling():
        return [asked.error for asked in worker.run(threads=2)]

    results = in_threads(*[webhook] * 3, *[status] * 2, polling, lambda: refresh(Payment.objects.get()))
    assert results[:5] == [200] * 5
    assert not [result for result in results if isinstance(result, Exception)]
    order.refresh_from_db()
    assert (order.status, order.times_paid) == ("paid", 1)
    assert Payment.objects.get().review == ""


def test_two_payments_of_one_order_paid_in_one_instant_are_one_payment_and_one_duplicate(order):
    """F23."""
    for _ in range(5):
        Payment.objects.all().delete()
        Order.objects.update(times_paid=0)
        both = PaymentFactory.create_batch(2, order_type=content_type(order), order_id=str(order.pk))
        in_threads(*[lambda payment=payment: apply(payment, FILLED, source=Source.WEBHOOK) for payment in both])
        order.refresh_from_db()
        assert order.times_paid == 1
        assert sorted(Payment.objects.values_list("review", flat=True)) == ["", Review.DUPLICATE]
        assert Payment.objects.paid().count() == 2


def test_top_ups_at_once_pay_their_parent_once(order):
    """F23."""
    parent = PaymentFactory(order_type=content_type(order), order_id=str(order.pk), partly_paid=True)
    halves = PaymentFactory.create_batch(
        2, parent=parent, order_type=content_type(order), order_id=str(order.pk), amount_usd=Decimal(15)
    )
    half = PaymentUpdate(word="FILLED", state=State.FILLED, filled_usd=Decimal(15))
    in_threads(*[lambda payment=payment: apply(payment, half, source=Source.WEBHOOK) for payment in halves])
    order.refresh_from_db()
    assert order.times_paid == 1
    parent.refresh_from_db()
    assert parent.topped_up_usd == 30


def test_workers_notifying_receivers_at_once_notify_them_once(order):
    """F5, F47."""
    payment = PaymentFactory(
        paid=True,
        undelivered=["payment_paid"],
        next_delivery_at=timezone.now(),
        order_type=content_type(order),
        order_id=str(order.pk),
    )
    in_threads(*[lambda: transitions.notify(payment)] * 4)
    order.refresh_from_db()
    assert order.times_paid == 1


def test_workers_never_claim_a_payment_twice():
    PaymentFactory.create_batch(60, next_check_at=timezone.now() - timedelta(seconds=1))

    def work():
        claimed = []
        while batch := claims.claim(5):
            claimed += [payment.pk for payment in batch]
        return claimed

    claimed = [pk for found in in_threads(*[work] * 4) for pk in found]
    assert len(claimed) == len(set(claimed)) == 60


def beside_a_lock(work, payment):
    """Return what ``work`` returns while another session is writing the payment; waiting for that one is an error."""

    def impatiently():
        execute_for_vendor(database(), SHORT_LOCK_TIMEOUT)
        return work()

    with transaction.atomic(using=database()):
        assert Payment.objects.select_for_update().get(pk=payment.pk)
        return in_threads(impatiently)[0]


@pytest.mark.not_in("pgbouncer", reason="the test sets a value of its session")
def test_a_claim_skips_what_another_worker_is_claiming():
    taken, free = PaymentFactory.create_batch(2, next_check_at=timezone.now() - timedelta(seconds=1))
    assert beside_a_lock(lambda: claims.claim(5), taken) == [free]


@pytest.mark.not_in("pgbouncer", reason="the test sets a value of its session")
def test_a_payment_that_was_chosen_is_waited_for():
    taken, _free = PaymentFactory.create_batch(2)
    work = claims.chosen(Payment.objects.all(), 5, None, stop=StopSignal(), unavailable=set)
    assert isinstance(beside_a_lock(lambda: list(work), taken), OperationalError)


@pytest.mark.not_in("pgbouncer", reason="the test sets a value of its session")
def test_what_was_noted_skips_a_payment_that_is_being_written():
    taken, free = PaymentFactory.create_batch(2)
    assert beside_a_lock(lambda: mark_checked([taken, free]), taken) is None
    assert list(Payment.objects.exclude(checked_at=None)) == [free]


@pytest.mark.parametrize("method", ["live_slot", "reference"])
def test_upper_and_lower_case_are_two_things(payram, method):
    """MariaDB's usual collation takes them for one."""
    from tests.shop.models import SlugOrder

    if method == "live_slot":
        upper, lower = SlugOrder(pk="aB3xK"), SlugOrder(pk="Ab3xk-2")
        upper.save(), lower.save()
        lower.pk = "Ab3xk"
        one = open_payment(upper, amount=1, email="a@example.org")
        other = open_payment(lower, amount=1, email="a@example.org")
        assert one != other
        assert list(Payment.objects.for_order(upper)) == [one]
    else:
        PaymentFactory(reference="abc")
        PaymentFactory(reference="ABC")
        assert Payment.objects.filter(reference="ABC").count() == 1
