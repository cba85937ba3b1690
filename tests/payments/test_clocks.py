"""A clock that is wrong, on one machine or for one run, ends nothing and silences nothing."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramRefused
from django_payram.models import Payment, Review, State, order_key
from django_payram.payments import open_payment, refresh
from django_payram.payments.checkout import LINKS_PER_HOUR
from django_payram.payments.rules import DENIALS
from django_payram.payments.schedule import LONGEST_INTERVAL
from django_payram.polling import worker
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import asked, receive, send_webhook

pytestmark = pytest.mark.django_db

YEARS = timedelta(days=3650)


@contextmanager
def clock(now):
    """Let the clock of this process show what ``now()`` returns."""
    right = timezone.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", now)
        # Django keeps a column's default by reference.
        for field in Payment._meta.concrete_fields:
            if field.default is right:
                patch.setattr(field, "default", now)
                patch.setitem(field.__dict__, "_get_default", now)
        yield


def clock_off_by(offset):
    """Let the clock of this process be wrong by so much."""
    right = timezone.now
    return clock(lambda: right() + offset)


@pytest.fixture
def payment(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.webhooks = False
    return payment


def run(count=1):
    for _ in range(count):
        list(worker.run())


@pytest.mark.parametrize("offset", [YEARS, -YEARS])
@pytest.mark.parametrize("runs", [1, 3])
def test_polling_with_a_wrong_clock_does_not_end_polling(payram, payment, order, offset, runs):
    """F68: a virtual machine was resumed, and the time service had not yet answered."""
    with clock_off_by(offset):
        run(runs)
    payram.sandbox.pay(payment.reference)
    with clock_off_by(timedelta(hours=2)):
        run()
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.mark.parametrize("offset", [timedelta(days=-200), -YEARS, YEARS])
def test_a_link_made_with_a_wrong_clock_is_asked_about(payram, order, offset):
    """F68: a web server started with its clock at the battery's year."""
    with clock_off_by(offset):
        payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.webhooks = False
    run()
    payram.sandbox.pay(payment.reference)
    with clock_off_by(timedelta(days=2)):
        run()
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.mark.parametrize("offset", [YEARS, -YEARS])
def test_a_status_page_asks_again_after_the_clock_was_wrong(payram, payment, order, client, offset):
    """F68."""
    with clock_off_by(offset):
        client.get(f"/payram/payments/{payment.token}/")
    payram.sandbox.pay(payment.reference)
    client.get(f"/payram/payments/{payment.token}/")
    order.refresh_from_db()
    assert order.status == "paid"


def test_a_webhook_without_a_readable_state_is_asked_about_after_the_clock_was_wrong(payram, payment):
    Payment.objects.update(checked_at=timezone.now() + YEARS)
    send_webhook(payment)
    assert asked(payram) == 1


def test_a_regression_is_seen_although_the_last_news_came_with_a_clock_that_was_ahead(payram, payment):
    payram.sandbox.pay(payment.reference)
    with clock_off_by(YEARS):
        refresh(payment)
    payram.sandbox.inject_fault(payment.reference, "lower_state")
    refresh(payment)
    assert (payment.is_paid, payment.review) == (True, Review.REGRESSION)


@pytest.mark.parametrize("state", [State.OPEN, State.CANCELED, State.PARTIALLY_FILLED])
def test_what_is_scheduled_later_than_anything_is_due(payram, state):
    """F68."""
    PaymentFactory(state=state, next_check_at=timezone.now() + LONGEST_INTERVAL + timedelta(minutes=1))
    PaymentFactory(state=state, next_check_at=timezone.now() + LONGEST_INTERVAL - timedelta(minutes=1))
    run()
    assert asked(payram) == 1


def test_what_receivers_have_yet_to_be_sent_is_sent_although_its_time_is_years_away(payment, listener):
    with clock_off_by(YEARS):
        Payment.objects.update(undelivered=["payment_updated"], next_delivery_at=timezone.now())
    list(worker.notify_undelivered())
    assert listener.names == ["payment_updated"]


AHEAD = [timedelta(hours=3), YEARS]


@pytest.fixture(params=AHEAD)
def crashed(payram, order, request):
    """An attempt whose process had its clock ahead, and was killed before PayRam's answer came."""
    with clock_off_by(request.param):
        payment = open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(state=State.CREATING, reference=None, url="", next_check_at=None)
    return payment


def test_an_attempt_that_crashed_with_its_clock_ahead_does_not_bar_its_order(crashed, order):
    """F68: such an attempt would look as if it were under way for as long as the clock was ahead."""
    payment = open_payment(order, amount=order.total, email=order.email)
    assert (payment != crashed, bool(payment.url)) == (True, True)


def test_a_webhook_about_an_attempt_that_crashed_with_its_clock_ahead_is_matched(payram, crashed, order):
    """F68. Not every version's webhooks name the invoice id that we gave."""
    [made] = payram.sandbox.payments()
    payram.sandbox.pay(made.reference)
    send_webhook(made.reference, State.FILLED, customer_id=crashed.customer_id)
    order.refresh_from_db()
    assert order.status == "paid"


def test_an_order_is_canceled_although_an_attempt_crashed_with_its_clock_ahead(payram, crashed, order, listener):
    """F68."""
    PaymentFactory(order=order, customer_id=crashed.customer_id, state=State.OPEN)
    dead = Payment.objects.latest("pk")
    Payment.objects.filter(pk=crashed.pk).update(live_slot=order_key(order).live_slot(""))
    receive(dead, State.CANCELED)
    assert "payment_canceled" in listener.names


@pytest.mark.parametrize("offset", AHEAD)
def test_attempts_made_with_a_clock_ahead_do_not_bar_their_order_until_then(payram, order, offset):
    """F68: a number of attempts is allowed within an hour."""
    with clock_off_by(offset):
        for amount in range(10, 10 + LINKS_PER_HOUR):
            open_payment(order, amount=amount, email=order.email)
    assert open_payment(order, amount=order.total, email=order.email).url


@pytest.mark.parametrize("offset", AHEAD)
def test_a_link_made_with_a_clock_ahead_can_be_forgotten(payram, order, offset):
    """F68, F79."""
    with clock_off_by(offset):
        payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.inject_fault(payment.reference, "unauthorized")
    for _ in range(DENIALS):
        with pytest.raises(PayramRefused):
            refresh(payment)
    assert open_payment(order, amount=order.total, email=order.email) != payment
