"""Asking about many payments: what is asked, in which order, and what is recorded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from threading import Event

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from django_payram.exceptions import PayramDataError
from django_payram.models import Payment, Source, database
from django_payram.models.states import State
from django_payram.polling import circuit_breaker, claims, worker
from django_payram.polling.rate_limit import StopSignal
from django_payram.testing.factories import PaymentFactory
from tests.polling.helpers import asked, due, open_due, run
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def test_due_payments_reach_their_state_without_any_webhook(payram, payments, listener):
    """F1, F46: neither a webhook nor a browser is needed."""
    for payment in payments:
        payram.pay(payment)
    results, summary = run()
    assert {result.payment.state for result in results} == {State.FILLED}
    assert {result.state_before for result in results} == {State.OPEN}
    assert Payment.objects.paid().count() == 3
    assert listener.names.count("payment_paid") == 3
    assert (summary.asked, summary.news, summary.failed, summary.exit_code) == (3, 3, 0, 0)
    assert set(Payment.objects.get(pk=payments[0].pk).events.values_list("source", flat=True)) == {"checkout", "resync"}


def test_what_is_not_due_is_not_asked_about(payram, payments):
    due(timezone.now() + timedelta(seconds=30))
    assert run()[1].asked == 0
    assert asked(payram) == []


def test_a_payment_without_a_reference_is_never_due():
    PaymentFactory(reference=None, state=State.CREATING)
    assert claims.claim(10) == []


def test_a_claim_pushes_payments_to_their_next_tier(payments):
    now = timezone.now()
    claimed = claims.claim(2, now=now)
    assert len(claimed) == 2
    assert {(payment.next_check_at, payment.checks) for payment in claimed} == {(now + timedelta(minutes=1), 1)}
    assert sorted(Payment.objects.values_list("checks", flat=True)) == [0, 1, 1]
    assert len(claims.claim(10, now=now)) == 1
    assert claims.claim(10, now=now) == []


def test_the_longest_due_comes_first(payments):
    Payment.objects.filter(pk=payments[2].pk).update(next_check_at=timezone.now() - timedelta(days=1))
    assert claims.claim(1) == [payments[2]]


def test_a_claim_that_breaks_off_claims_nothing(payments):
    other_tier = {"created_at": timezone.now() - timedelta(days=60), "checks": 1000}
    Payment.objects.filter(pk=payments[0].pk).update(**other_tier)
    updates = count()

    def break_off(execute, sql, *args):
        if sql.startswith("UPDATE") and next(updates):  # all but the first
            raise OperationalError("deadlock")
        return execute(sql, *args)

    with connections[database()].execute_wrapper(break_off), pytest.raises(OperationalError):
        claims.claim(3)
    assert set(Payment.objects.values_list("checks", flat=True)) == {0, 1000}


def test_chosen_payments_are_claimed_a_batch_at_a_time(payments, monkeypatch):
    monkeypatch.setattr(worker, "BATCH_PER_THREAD", 2)
    stream = worker.run(Payment.objects.all(), threads=1)
    next(stream)
    assert Payment.objects.filter(checks=1).count() == 2
    stream.close()


@pytest.fixture
def locks(monkeypatch):
    """How rows are locked where a database can. SQLite, which cannot, is not told."""
    connection, seen = connections[database()], []
    for feature in ("has_select_for_update", "has_select_for_update_skip_locked"):
        monkeypatch.setattr(connection.features, feature, True)

    def execute_without_lock(execute, sql, *args):
        sql, lock, how = sql.partition(" FOR UPDATE")
        seen.extend([how] if lock else [])
        return execute(sql, *args)

    with connection.execute_wrapper(execute_without_lock):
        yield seen


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_rows_that_are_being_written_are_skipped_where_a_database_can_but_not_chosen_ones(payments, locks):
    claims.claim(1)
    claims.mark_checked(payments)
    list(claims.chosen(Payment.objects.all(), 3, None, stop=StopSignal(), unavailable=set))
    assert locks == [" SKIP LOCKED", " SKIP LOCKED", ""]


def test_a_limit_limits(payram, payments):
    assert run(limit=2)[1].asked == 2
    assert run(limit=2)[1].asked == 1


def test_more_than_a_batch_is_worked_off(payram, payments):
    assert run(threads=1)[1].asked == 3
    open_due(20)
    assert run(threads=1)[1].asked == 23


def test_chosen_payments_are_asked_about_whether_or_not_they_are_due(payram, payments):
    due(timezone.now() + timedelta(days=1))
    PaymentFactory(reference=None, state=State.CREATING)
    assert run(Payment.objects.all())[1].asked == 3
    assert run(Payment.objects.all(), limit=1)[1].asked == 1
    assert run(Payment.objects.filter(pk=payments[1].pk), threads=1)[0][0].payment == payments[1]


def test_chosen_payments_beyond_a_batch_are_all_asked_about(payram, payments):
    open_due(20)
    assert run(Payment.objects.all(), threads=1)[1].asked == 23
    assert run(Payment.objects.all(), threads=1, limit=9)[1].asked == 9


def test_the_source_is_recorded(payram, payments):
    payram.pay(payments[0])
    run(source=Source.ADMIN)
    assert payments[0].events.filter(source=Source.ADMIN).exists()


def test_one_failure_does_not_keep_the_others(payram, payments):
    payram.sandbox.inject_fault(payments[1].reference, "wrong_customer")
    for payment in payments:
        payram.pay(payment)
    results, summary = run()
    assert (summary.asked, summary.news, summary.failed, summary.exit_code) == (3, 2, 1, 1)
    (failed,) = [result for result in results if result.error]
    assert (failed.payment, failed.state_before, type(failed.error)) == (payments[1], State.OPEN, PayramDataError)


# Answers without news


def test_answers_without_news_are_recorded_by_one_statement_for_all(payram, payments, django_assert_num_queries):
    run()
    due()
    before = timezone.now()
    with django_assert_num_queries(MISDATED + LEFT + CLAIM + RECORD + NOTHING_MORE):
        results, summary = run()
    assert (summary.asked, summary.news, summary.failed) == (3, 0, 0)
    assert [(result.news, result.error, result.state_before) for result in results] == [(False, None, "OPEN")] * 3
    for payment in Payment.objects.all():
        assert payment.checked_at >= before
        assert payment.next_check_at > before + timedelta(seconds=50)


MISDATED, LEFT, CLAIM, RECORD, NOTHING_MORE = 1, 1, 4, 4, 3
"""Statements with their savepoints: SELECT and UPDATE each; the last claim finds nothing to update. Nothing was
scheduled by a wrong clock, and no kept webhook is left to be handled again."""


def test_a_full_list_of_answers_without_news_is_written_at_once(payram, payments, monkeypatch):
    monkeypatch.setattr(worker, "WRITTEN_AT_ONCE", 2)
    run()
    due()
    before = timezone.now()
    for number, _asked in enumerate(worker.run(threads=1), start=1):
        assert Payment.objects.filter(checked_at__gte=before).count() == (0 if number == 1 else 2)
        if number == 2:
            break


def test_what_was_answered_is_written_also_when_the_caller_stops_iterating(payram, payments):
    run()
    due()
    before = timezone.now()
    stream = worker.run(threads=1)
    next(stream)
    stream.close()
    assert Payment.objects.filter(checked_at__gte=before).count() == 1


def test_a_caller_that_stops_iterating_waits_only_for_the_calls_under_way(payram, payments, monkeypatch):
    open_due(20)
    real, begun, rest_dropped = circuit_breaker.CircuitBreaker.ask, count(), Event()

    def ask(breaker, payment):
        if next(begun):  # all but the first
            rest_dropped.wait(PATIENCE)
        return real(breaker, payment)

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            rest_dropped.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(circuit_breaker.CircuitBreaker, "ask", ask)
    monkeypatch.setattr(worker, "ThreadPoolExecutor", Pool)
    stream = worker.run(threads=2)
    next(stream)
    stream.close()
    assert 1 <= len(asked(payram)) <= 3


def test_the_last_check_of_all_without_news_ends_the_schedule(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=200), checks=300)
    due()
    assert run()[1].asked == 3
    assert not Payment.objects.exclude(next_check_at=None).exists()


def test_payments_are_claimed_and_read_where_they_are_written(payram, payments, listener, reads_elsewhere):
    """A replica may not know yet what another worker has claimed."""
    payram.sandbox.pay(payments[0].reference)
    listener.fail_on = {"payment_paid"}
    assert run()[1].asked == 3
    assert run(Payment.objects.all())[1].asked == 3
    listener.fail_on = set()
    assert [result.announced for result in worker.notify_undelivered()] == [True]
    assert worker.seconds_to_the_next() > 0


def test_every_answer_says_when_payram_was_asked(payram, payments):
    payram.pay(payments[0])
    before = timezone.now()
    run()
    payments[0].refresh_from_db()
    assert payments[0].checked_at >= before


def test_an_answer_without_news_sends_what_is_undelivered(payram, payments, listener):
    Payment.objects.filter(pk=payments[0].pk).update(undelivered=["payment_updated"], next_delivery_at=timezone.now())
    run()
    assert listener.names == ["payment_updated"]
