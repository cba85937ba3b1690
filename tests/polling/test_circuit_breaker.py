"""When a run leaves a project alone: failures in a row, and waits that PayRam asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramDataError
from django_payram.models import Payment
from django_payram.polling import circuit_breaker, rate_limit, worker
from django_payram.testing.factories import PaymentFactory
from tests.polling.helpers import open_due, run

pytestmark = pytest.mark.django_db


def test_ten_failures_in_a_row_stop_the_run_and_the_rest_is_due_again(payram, payments):
    open_due(20)
    payram.sandbox.inject_fault(None, "broken")
    _results, summary = run(threads=1)
    assert "10 times in a row" in summary.stopped
    assert summary.exit_code == 1
    assert summary.asked == 10
    now = timezone.now()
    assert Payment.objects.filter(next_check_at__lte=now).count() >= 10, "the rest is due"


def test_failures_that_are_not_in_a_row_do_not_stop_the_run(payram, payments):
    open_due(20)
    for payment in Payment.objects.order_by("pk")[:22:2]:
        payram.sandbox.inject_fault(payment.reference, "broken")
    _results, summary = run(threads=1)
    assert summary.stopped == ""
    assert (summary.asked, summary.failed) == (23, 11)


def test_a_wrong_answer_does_not_count_as_payram_being_down(payram, payments):
    open_due(20)
    payram.sandbox.inject_fault(None, "wrong_customer")
    _results, summary = run(threads=1)
    assert (summary.asked, summary.failed, summary.stopped) == (23, 23, "")


def test_a_long_retry_after_stops_the_run(payram, payments, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "LONGEST_PAUSE_SECONDS", 6)
    payram.sandbox.inject_fault(None, "throttled")
    _results, summary = run(threads=1)
    assert summary.stopped == "PayRam asks for a pause of 7 seconds."


def test_a_short_retry_after_is_waited_for_also_by_the_next_batch(payram, payments, monkeypatch):
    waited = []
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda stop, seconds: waited.append(seconds))
    monkeypatch.setattr(worker, "BATCH_PER_THREAD", 1)
    payram.sandbox.inject_fault(payments[0].reference, "throttled")
    _results, summary = run(threads=1)
    assert (summary.asked, summary.stopped) == (3, "")
    assert waited[0] == 0
    assert 0 < waited[-1] <= 7


def test_a_breaker_pauses_as_long_as_asked_and_opens_after_a_minute():
    breaker = circuit_breaker.CircuitBreaker()
    assert breaker.seconds_to_wait == 0
    breaker.pause(30)
    breaker.pause(-5)
    assert 0 < breaker.seconds_to_wait <= 30
    breaker.pause(60)
    assert (breaker.open_reason, 30 < breaker.seconds_to_wait <= 60) == ("", True)
    breaker.pause(61)
    assert "61 seconds" in breaker.open_reason
    assert breaker.seconds_to_wait == 0, "nobody waits for a breaker that is open"


def test_a_project_that_is_down_does_not_keep_the_others(payram, payments, settings):
    settings.PAYRAM = {**settings.PAYRAM, "dead": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "dead-dead-dead-dead"}}
    PaymentFactory.create_batch(30, project="dead", next_check_at=timezone.now() - timedelta(hours=1))
    results, summary = run(threads=1)
    assert "10 times in a row" in summary.stopped
    assert {result.payment.pk for result in results if result.error is None} == {payment.pk for payment in payments}
    results, _summary = run(Payment.objects.order_by("pk"), threads=1)
    assert len([result for result in results if result.error is None]) == 3


def test_a_payment_without_a_reference_is_not_asked_about(payram):
    answer = circuit_breaker.CircuitBreaker().ask(PaymentFactory(reference=None))
    assert isinstance(answer, PayramDataError)
    assert payram.sandbox.calls == []
