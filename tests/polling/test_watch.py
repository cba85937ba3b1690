"""Watching: a run that goes on until it is stopped, and notifies receivers once a minute."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_payram.models import database
from django_payram.models.states import State
from django_payram.payments import transitions
from django_payram.polling import rate_limit, worker
from django_payram.testing.factories import PaymentFactory
from tests.polling.helpers import due, open_due, run

pytestmark = pytest.mark.django_db


# Watching replaces connections that are too old, as a request does: no test's transaction may be open on one.
real_transactions = pytest.mark.django_db(transaction=True)


def watch(stop, **options):
    return worker.watch(stop=stop, **options)


# Watching


@real_transactions
def test_watching_goes_on_until_the_stop_signal_is_set(payram, payments, monkeypatch):
    pauses, stop, summary = [], rate_limit.StopSignal(), worker.Summary()

    def wait(self, seconds):
        if seconds >= worker.SHORTEST_SLEEP_SECONDS:
            pauses.append(seconds)
            due()
        if len(pauses) == 3:
            self.set()

    monkeypatch.setattr(rate_limit.StopSignal, "wait", wait)
    assert len(list(watch(stop, summary=summary, threads=2))) == 9
    assert pauses == [worker.LONGEST_SLEEP_SECONDS] * 3
    assert (summary.asked, summary.stopped, summary.exit_code) == (9, "A signal asked for it.", 0)


@real_transactions
def test_watching_leaves_a_dead_payram_alone_for_a_while(payram, payments, monkeypatch):
    open_due(20)
    payram.sandbox.inject_fault(None, "broken")
    stop, summary, pauses = rate_limit.StopSignal(), worker.Summary(), []

    def wait(self, seconds):
        if seconds >= worker.SHORTEST_SLEEP_SECONDS:
            pauses.append(seconds)
            self.set()

    monkeypatch.setattr(rate_limit.StopSignal, "wait", wait)
    list(watch(stop, summary=summary, threads=1))
    assert pauses == [worker.LONGEST_SLEEP_SECONDS]
    assert (summary.asked, summary.down) == (10, False)


@real_transactions
def test_watching_waits_for_a_database_that_is_away(payram, payments, monkeypatch, caplog):
    stop, pauses = rate_limit.StopSignal(), []

    def wait(self, seconds):
        pauses.append(seconds)
        monkeypatch.undo()
        self.set()

    def away(**_options):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(worker, "run", away)
    monkeypatch.setattr(rate_limit.StopSignal, "wait", wait)
    assert list(watch(stop)) == []
    assert pauses == [worker.LONGEST_SLEEP_SECONDS]
    assert "The database could not be reached; trying again soon. server closed the connection" in caplog.messages


@real_transactions
def test_watching_notifies_receivers_what_is_undelivered_once_a_minute(listener, monkeypatch):
    listener.fail_on = {"payment_paid"}
    PaymentFactory(paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now(), next_check_at=None)
    stop, passes, summary = rate_limit.StopSignal(), [], worker.Summary()

    def wait(self, seconds):
        passes.append(seconds)
        if len(passes) == 2:
            monkeypatch.setattr(worker, "NOTIFY_INTERVAL_SECONDS", 0)
        if len(passes) == 3:
            self.set()

    monkeypatch.setattr(rate_limit.StopSignal, "wait", wait)
    results = list(watch(stop, summary=summary))
    assert [one.announced for one in results] == [False, False]
    assert summary.receivers_failed == 2


@real_transactions
def test_a_receiver_that_failed_in_a_round_is_not_tried_again_in_the_same(payram, payments, listener, monkeypatch):
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payments[0].reference)
    payram.sandbox.deliver_due()
    payments[0].refresh_from_db()
    stop = rate_limit.StopSignal()
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda self, seconds: self is stop and self.set())
    assert [one.announced for one in watch(stop)].count(False) == 1


@real_transactions
@pytest.mark.parametrize(("budget", "asked", "announced"), [("NOTIFY_SECONDS", 3, 0), ("ASK_SECONDS", 0, 1)])
def test_neither_asking_nor_slow_receivers_keep_watching_from_the_other(
    payram, payments, listener, monkeypatch, budget, asked, announced
):
    """F70."""
    monkeypatch.setattr(worker, budget, 0)
    PaymentFactory(undelivered=["payment_updated"], next_delivery_at=timezone.now(), next_check_at=None)
    stop, summary = rate_limit.StopSignal(), worker.Summary()
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda self, seconds: self is stop and self.set())
    list(watch(stop, summary=summary))
    assert (summary.asked, summary.announced) == (asked, announced)


@real_transactions
def test_watching_ends_between_two_payments_whose_receivers_are_notified(listener):
    PaymentFactory.create_batch(
        3, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now(), next_check_at=None
    )
    stop = rate_limit.StopSignal()
    results = []
    for one in watch(stop):
        results.append(one)
        stop.set()
    assert len(results) == 1


@real_transactions
def test_watching_ends_between_two_payments_that_are_asked_about_and_keeps_the_rate(payram, payments, monkeypatch):
    waited, stop = [], rate_limit.StopSignal()
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda self, seconds: waited.append(seconds))
    monkeypatch.setattr(worker, "BATCH_PER_THREAD", 1)
    asked_about = []
    for one in watch(stop, threads=1, rate=0.02):
        asked_about.append(one)
        if len(asked_about) == 2:
            stop.set()
    assert len(asked_about) == 2
    assert 20 < max(waited) <= 50


@real_transactions
def test_watching_sleeps_until_the_next_payment_is_due(payram, payments, monkeypatch):
    stop, pauses = rate_limit.StopSignal(), []
    due(timezone.now() + timedelta(seconds=25))

    def wait(self, seconds):
        pauses.append(seconds)
        self.set()

    monkeypatch.setattr(rate_limit.StopSignal, "wait", wait)
    assert list(watch(stop)) == []
    (pause,) = pauses
    assert 1 < pause <= 25


@pytest.mark.parametrize(("seconds", "pause"), [(-5, 1), (0.2, 1), (3600, 30), (None, 30)], ids=str)
def test_the_sleep_is_a_second_at_least_and_half_a_minute_at_most(seconds, pause):
    PaymentFactory(next_check_at=None if seconds is None else timezone.now() + timedelta(seconds=seconds))
    PaymentFactory(reference=None, state=State.CREATING, next_check_at=timezone.now())
    assert worker.seconds_to_the_next() == pause


# Receivers


def test_undelivered_signals_are_sent(payram, payments, listener):
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payments[0].reference)
    payram.sandbox.deliver_due()
    payments[0].refresh_from_db()
    _results, summary = run()
    assert (summary.receivers_failed, summary.exit_code) == (1, 3)
    listener.fail_on = set()
    summary = worker.Summary()
    results = list(worker.notify_undelivered(summary=summary))
    assert [(one.payment, one.state_before, one.asked) for one in results] == [(payments[0], State.FILLED, False)]
    assert (summary.announced, summary.receivers_failed, summary.exit_code) == (1, 0, 0)
    assert listener.names.count("payment_paid") == 1
    assert list(worker.notify_undelivered()) == []


def test_the_first_payment_of_all_is_notified_as_well(listener, reads_elsewhere):
    first = PaymentFactory(pk=1, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    assert [one.payment for one in worker.notify_undelivered()] == [first]


def test_a_receiver_that_fails_again_is_counted(listener):
    listener.fail_on = {"payment_paid"}
    PaymentFactory(paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    summary = worker.Summary()
    assert [one.announced for one in worker.notify_undelivered(summary=summary)] == [False]
    assert (summary.announced, summary.exit_code) == (0, 3)


def test_undelivered_signals_are_read_in_batches(listener, monkeypatch):
    monkeypatch.setattr(worker, "NOTIFIED_AT_ONCE", 2)
    PaymentFactory.create_batch(3, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    with CaptureQueriesContext(connections[database()]) as queries:
        results = worker.notify_undelivered()
        next(results)
    assert [query["sql"] for query in queries if "LIMIT 2" in query["sql"]]
    assert len(list(results)) == 2


def test_receivers_that_keep_failing_do_not_keep_the_others(listener, monkeypatch):
    monkeypatch.setattr(worker, "NOTIFIED_AT_ONCE", 2)
    bad = PaymentFactory.create_batch(3, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    good = PaymentFactory.create_batch(2, paid=True, undelivered=["payment_updated"], next_delivery_at=timezone.now())
    listener.fail_on = {"payment_paid"}
    summary = worker.Summary()
    results = worker.notify_undelivered(summary=summary)
    assert [one.announced for one in results] == [False] * len(bad) + [True] * len(good)
    assert [payment for _name, payment, _extra in listener.received] == good
    assert (summary.announced, summary.receivers_failed) == (2, 3)


def test_a_database_error_of_one_payment_does_not_keep_the_others_from_being_notified(listener, monkeypatch, caplog):
    PaymentFactory.create_batch(2, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    real, calls = transitions.notify, []

    def deadlock_once(payment):
        calls.append(payment)
        if len(calls) == 1:
            raise OperationalError("deadlock")
        return real(payment)

    monkeypatch.setattr(transitions, "notify", deadlock_once)
    assert [one.announced for one in worker.notify_undelivered()] == [False, True]
    assert f"The receivers of {calls[0]} could not be notified. deadlock" in caplog.messages


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 0),
        ({"failed": 1}, 1),
        ({"stopped": "x"}, 0),
        ({"down": True}, 1),
        ({"down": True, "receivers_failed": 1}, 1),
        ({"receivers_failed": 1}, 3),
        ({"failed": 1, "receivers_failed": 1}, 1),
    ],
)
def test_exit_codes(fields, code):
    assert worker.Summary(**fields).exit_code == code
