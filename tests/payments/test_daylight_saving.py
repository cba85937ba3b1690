"""A shop whose times have no zone (``USE_TZ = False``), when the clock is put back in autumn and forward in spring."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from django_payram.exceptions import PayramUnavailable
from django_payram.models import Payment, State, order_key
from django_payram.payments import checkout, open_payment
from django_payram.payments.schedule import LONGEST_INTERVAL
from django_payram.polling import worker
from tests.payments.helpers import asked, of_order, send_webhook
from tests.payments.test_clocks import clock
from tests.statements import forget_statements

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not hasattr(time, "tzset"), reason="On Windows a process cannot choose its time zone."),
]

AUTUMN = datetime(2026, 10, 25, 0, 59, tzinfo=timezone.utc)
"""02:59 in Berlin, a minute before it is 02:00 again."""
SPRING = datetime(2026, 3, 29, 0, 59, 58, tzinfo=timezone.utc)
"""01:59:58 in Berlin, two seconds before it is 03:00."""


@pytest.fixture(autouse=True)
def berlin(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Berlin"
    # On some databases a statement that was made with time zones reads times with time zones.
    forget_statements()
    yield
    forget_statements()


def local(moment):
    """Return what a clock on a wall in Berlin shows."""
    return moment.astimezone().replace(tzinfo=None)


def clock_at(moment):
    return clock(lambda: local(moment))


def run_at(moment):
    with clock_at(moment):
        list(worker.run())


def test_a_link_made_before_the_clock_is_put_back_is_asked_about_two_minutes_later(payram, order):
    """F78."""
    with clock_at(AUTUMN):
        payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.webhooks = False
    payram.sandbox.pay(payment.reference)
    run_at(AUTUMN + timedelta(minutes=2))
    assert Payment.objects.get().is_paid


@pytest.mark.parametrize("age", [timedelta(minutes=45), timedelta(days=2)])
def test_a_payment_asked_about_before_the_clock_is_put_back_is_asked_about_once_soon_after(payram, order, age):
    """F78."""
    open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(created_at=local(AUTUMN - age), next_check_at=local(AUTUMN))
    run_at(AUTUMN)
    assert asked(payram) == 1
    for seconds in (360, 361):
        run_at(AUTUMN + timedelta(seconds=seconds))
    assert asked(payram) == 2


def test_many_runs_in_the_repeated_hour_ask_once_about_a_payment(payram, order):
    with clock_at(AUTUMN):
        open_payment(order, amount=order.total, email=order.email)
    for seconds in (120, 121, 122):
        run_at(AUTUMN + timedelta(seconds=seconds))
    assert asked(payram) == 1


@pytest.mark.parametrize(
    ("ahead", "times"),
    [
        (timedelta(hours=2), 1),
        (timedelta(hours=2, minutes=1), 0),
        (LONGEST_INTERVAL, 0),
        (LONGEST_INTERVAL + timedelta(minutes=1), 1),
    ],
)
def test_a_check_two_hours_ahead_or_later_than_any_is_made_now(payram, order, ahead, times):
    """F68, F78: what lies between may be as it should."""
    now = local(AUTUMN)
    open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(
        created_at=now - timedelta(days=2), checked_at=now + timedelta(minutes=1), next_check_at=now + ahead
    )
    run_at(AUTUMN)
    assert asked(payram) == times


def test_an_attempt_under_way_when_the_clock_is_put_forward_is_not_taken_for_a_crash(payram, order, monkeypatch):
    """F78."""
    monkeypatch.setattr(checkout, "WAIT_SECONDS", 0)
    of_order(order, state=State.CREATING, url="", reference=None, live_slot=order_key(order).live_slot(""))
    Payment.objects.update(created_at=local(SPRING))
    with clock_at(SPRING + timedelta(seconds=3)), pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    with clock_at(SPRING + timedelta(minutes=3)):
        assert open_payment(order, amount=order.total, email=order.email).url


def test_a_call_that_began_before_the_clock_was_put_forward_is_still_under_way(payram, order):
    """F78: a webhook about an unknown reference waits for the call's answer, which may name it."""
    facts = {"reference": None, "state": State.CREATING, "created_at": local(SPRING)}
    attempt = of_order(order, live_slot=order_key(order).live_slot(""), **facts)
    with clock_at(SPRING + timedelta(seconds=3)):
        send_webhook("unknown", State.OPEN, customer_id=attempt.customer_id)
    assert asked(payram) == 0
