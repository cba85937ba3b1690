"""What a run is limited by: a stop signal, a rate, a number, a claim that runs out."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Barrier, current_thread

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramUnavailable
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, pages
from django_payram.payments import webhooks
from django_payram.polling import circuit_breaker, claims, rate_limit, worker
from django_payram.testing.factories import PaymentFactory
from tests.polling.helpers import asked, due, open_due, run
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def test_no_more_is_claimed_than_can_be_asked_before_the_claim_runs_out():
    assert worker._batch_size(8, None) == 64
    assert worker._batch_size(8, 100.0) == 64
    assert worker._batch_size(8, 2.0) == 10
    assert worker._batch_size(8, 0.1) == 1


def test_a_payment_whose_claim_ran_out_while_it_waited_is_left_to_whoever_has_it_now(payram, payments):
    claimed = claims.claim(3)
    breaker, stop = circuit_breaker.CircuitBreaker(), rate_limit.StopSignal()
    claimed[0].next_check_at = timezone.now()
    assert worker._fetch(claimed[0], breaker, rate_limit.RateLimiter(), stop).said is None
    assert asked(payram) == []
    assert worker._fetch(claimed[1], breaker, rate_limit.RateLimiter(), stop).said is not None


def test_a_stop_signal_that_is_set_ends_the_run_and_what_was_claimed_is_due_again(payram, payments):
    open_due(20)
    stop, summary = rate_limit.StopSignal(), worker.Summary()
    for _asked in worker.run(threads=1, stop=stop, summary=summary):
        stop.set()
    assert 1 <= summary.asked <= worker.BATCH_PER_THREAD
    assert summary.stopped == "A signal asked for it."
    assert (summary.down, summary.exit_code) == (False, 0)
    assert Payment.objects.filter(next_check_at__lte=timezone.now()).count() == 23 - summary.asked


def test_kept_webhooks_are_handled_after_what_is_due_until_the_stop_signal_is_set(payram, payments, monkeypatch):
    """F70: asking about what is due comes first."""
    seen = []
    signal = rate_limit.StopSignal()

    def retry(*, stop):
        seen.extend([len(asked(payram)), stop(), signal.set(), stop()])

    monkeypatch.setattr(webhooks, "retry_kept_webhooks", retry)
    assert run(stop=signal)[1].stopped == "A signal asked for it."
    assert seen == [3, False, None, True]


@pytest.mark.parametrize(("ended_by_a_signal", "handled"), [(False, [False]), (True, [])])
def test_kept_webhooks_have_time_of_their_own_when_that_for_asking_is_over(monkeypatch, ended_by_a_signal, handled):
    """F70: a shop with more due payments than a run can ask about."""
    seen = []
    monkeypatch.setattr(webhooks, "retry_kept_webhooks", lambda *, stop: seen.append(stop()))
    stop = rate_limit.StopSignal(0)
    if ended_by_a_signal:
        stop.set()
    run(stop=stop)
    assert seen == handled


def test_receivers_have_time_of_their_own_when_that_for_asking_is_over(listener, monkeypatch):
    """F70."""
    PaymentFactory.create_batch(2, undelivered=["payment_updated"], next_delivery_at=timezone.now())
    assert len(list(worker.notify_undelivered(stop=rate_limit.StopSignal(0)))) == 2
    Payment.objects.update(undelivered=["payment_updated"], next_delivery_at=timezone.now())
    monkeypatch.setattr(worker, "NOTIFY_SECONDS", 0)
    assert list(worker.notify_undelivered()) == []


def test_a_stop_signal_is_set_with_its_parent():
    parent = rate_limit.StopSignal()
    child = rate_limit.StopSignal(60, parent=parent)
    assert (child.is_set, child.was_set, child.reason) == (False, False, "")
    parent.set()
    assert (child.is_set, child.was_set, child.reason) == (True, True, "A signal asked for it.")
    child = rate_limit.StopSignal(60, parent=rate_limit.StopSignal(0))
    assert (child.is_set, child.was_set) == (True, False)


def test_kept_webhooks_are_handled_for_a_limited_time(monkeypatch):
    """F77: whatever was kept, a run ends."""
    monkeypatch.setattr(worker, "KEPT_WEBHOOK_SECONDS", 0)
    seen = []
    monkeypatch.setattr(webhooks, "retry_kept_webhooks", lambda *, stop: seen.append(stop()))
    run()
    assert seen == [True]


def test_receivers_of_chosen_payments_are_notified_although_payram_is_down(payram, payments, listener, settings):
    """The known payments are in one project that gives no answer, so that some are not asked about at all."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "http://127.0.0.1:9"}}
    many = PaymentFactory.create_batch(12, paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    later = timezone.now() + timedelta(hours=1)
    Payment.objects.filter(pk=many[0].pk).update(next_delivery_at=later, delivery_attempts=9)
    summary = run(Payment.objects.filter(pk__in=[payment.pk for payment in many]), threads=1)[1]
    assert listener.names.count("payment_paid") == 12
    assert not Payment.objects.undelivered().exists()
    assert (summary.down, summary.exit_code) == (True, 1)


def test_receivers_of_due_payments_are_left_alone_until_their_pause_is_over(payram, payments, listener):
    """F70."""
    later = timezone.now() + timedelta(hours=1)
    Payment.objects.update(undelivered=["payment_updated"], next_delivery_at=later, delivery_attempts=9)
    run()
    assert list(worker.notify_undelivered()) == []
    assert listener.names == []
    payram.pay(payments[0])
    due()
    run()
    assert listener.names == ["payment_paid", "payment_updated"], "what is new does not wait"


@pytest.mark.parametrize(("given", "names"), [(True, ["payment_updated"]), (False, [])])
def test_receivers_of_chosen_payments_do_not_wait_for_their_pause_to_be_over(payram, payments, listener, given, names):
    later = timezone.now() + timedelta(hours=1)
    one = Payment.objects.filter(pk=payments[0].pk)
    one.update(undelivered=["payment_updated"], next_delivery_at=later, delivery_attempts=9)
    results, summary = run(one if given else None)
    assert listener.names == names
    assert (summary.announced, {result.asked for result in results}) == (0, {True})


def test_chosen_payments_end_with_the_stop_signal_as_well(payram, payments):
    stop = rate_limit.StopSignal()
    stop.set()
    summary = worker.Summary()
    assert list(worker.run(Payment.objects.all(), stop=stop, summary=summary)) == []
    assert summary.stopped == "A signal asked for it."


@pytest.mark.parametrize("given", [False, True])
def test_nothing_is_claimed_once_the_stop_signal_is_set(payram, payments, monkeypatch, given):
    monkeypatch.setattr(worker, "BATCH_PER_THREAD", 1)
    last = Payment.objects.get(pk=payments[2].pk).next_check_at
    stop = rate_limit.StopSignal()
    stop.set()
    assert run(Payment.objects.all() if given else None, threads=1, stop=stop)[0] == []
    assert Payment.objects.get(pk=payments[2].pk).next_check_at == last


def test_a_limit_of_one_asks_about_one(payram, payments):
    assert run(limit=1)[1].asked == 1
    assert run(limit=0)[1].asked == 0


def test_the_first_payment_of_all_is_in_a_batch_as_well():
    first, second = PaymentFactory(pk=1), PaymentFactory(pk=2)
    assert list(pages(Payment.objects.all(), 1)) == [[first], [second]]


def test_a_stop_signal_is_set_when_its_time_is_over():
    stop = rate_limit.StopSignal(60)
    assert (stop.is_set, stop.reason) == (False, "")
    stop = rate_limit.StopSignal(0)
    assert (stop.is_set, stop.reason) == (True, "The time limit of 0 seconds is over.")


def test_a_wait_ends_with_the_stop_signal():
    start = time.monotonic()
    rate_limit.StopSignal(0.05).wait(60)
    assert 0.05 <= time.monotonic() - start < 60


def test_a_wait_ends_after_its_seconds():
    start = time.monotonic()
    rate_limit.StopSignal(60).wait(0.05)
    assert 0.05 <= time.monotonic() - start < 60


def test_a_project_whose_circuit_breaker_is_open_is_not_waited_for(payments, monkeypatch):
    waited, breaker = [], circuit_breaker.CircuitBreaker()
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda stop, seconds: waited.append(seconds))
    breaker.pause(61)
    assert worker._fetch(payments[0], breaker, rate_limit.RateLimiter(rate=0.01), rate_limit.StopSignal()).said is None
    assert waited == []


def test_ten_failures_are_counted_from_the_last_answer_on():
    breaker, outage = circuit_breaker.CircuitBreaker(), PayramUnavailable("down")
    breaker.note(PaymentUpdate())
    for _ in range(9):
        breaker.note(outage)
    assert breaker.open_reason == ""
    breaker.note(outage)
    assert breaker.open_reason == "PayRam gave no answer 10 times in a row. down"


def test_calls_are_under_way_at_once_in_threads_of_a_name(payram, payments, monkeypatch):
    real, both = circuit_breaker.CircuitBreaker.ask, Barrier(2)
    names = set()

    def together(breaker, payment):
        names.add(current_thread().name.rpartition("_")[0])
        both.wait(timeout=PATIENCE)
        return real(breaker, payment)

    monkeypatch.setattr(circuit_breaker.CircuitBreaker, "ask", together)
    assert run(Payment.objects.filter(pk__in=[payments[0].pk, payments[1].pk]), threads=2)[1].asked == 2
    assert names == {"payram"}


def test_with_a_rate_less_is_claimed_at_a_time(payram, payments, monkeypatch):
    real, sizes = claims.claim, []

    def claim(size, without):
        sizes.append(size)
        return real(size, without=without)

    monkeypatch.setattr(claims, "claim", claim)
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda stop, seconds: None)
    assert run(rate=2.0)[1].asked == 3
    assert set(sizes) == {10}


def test_every_project_that_is_down_is_named(payram, settings):
    dead = {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "dead-dead-dead-dead"}
    settings.PAYRAM = {**settings.PAYRAM, "one": dead, "two": {**dead, "API_KEY": "two-two-two-two-two"}}
    for project in ("one", "two"):
        PaymentFactory.create_batch(10, project=project, next_check_at=timezone.now() - timedelta(hours=1))
    said = "PayRam gave no answer 10 times in a row. PayRam at 127.0.0.1 could not be asked. The connection failed or "
    assert run(threads=1)[1].stopped == f"{said}broke off. {said}broke off."


def test_a_rate_limiter_spreads_calls_evenly():
    limiter = rate_limit.RateLimiter(rate=0.001)
    seconds = [limiter.reserve() for _ in range(4)]
    assert seconds[0] == 0
    assert [round(wait, -2) for wait in seconds[1:]] == [1000, 2000, 3000]
    assert [rate_limit.RateLimiter().reserve() for _ in range(3)] == [0, 0, 0]


def test_a_rate_limiter_does_not_make_up_for_idle_time():
    limiter = rate_limit.RateLimiter(rate=1000)
    limiter.reserve()
    time.sleep(0.02)
    assert limiter.reserve() == 0


def test_a_run_keeps_the_rate(payram, payments, monkeypatch):
    waited = []
    monkeypatch.setattr(rate_limit.StopSignal, "wait", lambda stop, seconds: waited.append(seconds))
    assert run(rate=0.02)[1].asked == 3
    assert max(waited) > 50
