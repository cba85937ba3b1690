"""Which payments are due, and asking about many of them."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, current_thread

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_payram import lifecycle, resync
from django_payram.exceptions import PayramDataError, PayramUnavailable
from django_payram.lifecycle import open_payment
from django_payram.models import Payment, Source, database
from django_payram.resync import claiming, limits, lines, running, watching
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from django_payram.wire import Report

pytestmark = pytest.mark.django_db


@pytest.fixture
def payments(payram):
    payram.sandbox.webhooks = False
    opened = [open_payment(amount=Decimal(10 + number), email="buyer@example.org") for number in range(3)]
    due()
    return opened


def due(when=None):
    Payment.objects.update(next_check_at=when or timezone.now() - timedelta(seconds=1))


def run(*args, **options):
    summary = resync.Summary()
    return list(resync.run(*args, summary=summary, **options)), summary


def asked(payram):
    return [call.path for call in payram.sandbox.calls if call.method == "GET"]


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
    assert resync.claim(10) == []


def test_a_claim_pushes_payments_to_their_next_tier(payments):
    now = timezone.now()
    claimed = resync.claim(2, now=now)
    assert len(claimed) == 2
    assert {payment.next_check_at for payment in claimed} == {now + timedelta(minutes=1)}
    assert len(resync.claim(10, now=now)) == 1
    assert resync.claim(10, now=now) == []


def test_the_longest_due_comes_first(payments):
    Payment.objects.filter(pk=payments[2].pk).update(next_check_at=timezone.now() - timedelta(days=1))
    assert resync.claim(1) == [payments[2]]


def test_a_limit_limits(payram, payments):
    assert run(limit=2)[1].asked == 2
    assert run(limit=2)[1].asked == 1


def test_more_than_a_batch_is_worked_off(payram, payments):
    assert run(threads=1)[1].asked == 3
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    assert run(threads=1)[1].asked == 23


def test_chosen_payments_are_asked_about_whether_or_not_they_are_due(payram, payments):
    due(timezone.now() + timedelta(days=1))
    PaymentFactory(reference=None, state=State.CREATING)
    assert run(Payment.objects.all())[1].asked == 3
    assert run(Payment.objects.all(), limit=1)[1].asked == 1
    assert run(Payment.objects.filter(pk=payments[1].pk), threads=1)[0][0].payment == payments[1]


def test_chosen_payments_beyond_a_batch_are_all_asked_about(payram, payments):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    assert run(Payment.objects.all(), threads=1)[1].asked == 23
    assert run(Payment.objects.all(), threads=1, limit=9)[1].asked == 9


def test_the_source_is_recorded(payram, payments):
    payram.pay(payments[0])
    run(source=Source.ADMIN)
    assert payments[0].events.filter(source=Source.ADMIN).exists()


def test_one_failure_does_not_keep_the_others(payram, payments):
    payram.sandbox.misbehave(payments[1].reference, "wrong_customer")
    for payment in payments:
        payram.pay(payment)
    results, summary = run()
    assert (summary.asked, summary.news, summary.failed, summary.exit_code) == (3, 2, 1, 1)
    (failed,) = [result for result in results if result.error]
    assert (failed.payment, failed.state_before, type(failed.error)) == (payments[1], State.OPEN, PayramDataError)


def test_a_payment_that_could_not_be_asked_about_comes_round_soon(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    payram.sandbox.misbehave(None, "broken")
    run()
    for payment in Payment.objects.all():
        assert payment.next_check_at < timezone.now() + timedelta(minutes=6)


def refused(payram):
    payram.sandbox.misbehave(None, "unauthorized")


def gone(payram):
    Payment.objects.update(project="gone")


@pytest.mark.parametrize("why", [refused, gone])
@pytest.mark.parametrize("given", [False, True])
def test_a_payment_that_payram_refuses_leaves_the_schedule_past_its_last_age(payram, payments, why, given):
    """F37."""
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400))
    why(payram)
    assert run(Payment.objects.all() if given else None)[1].failed == 3
    assert set(Payment.objects.values_list("next_check_at", flat=True)) == {None}


@pytest.mark.parametrize("why", [refused, gone])
def test_a_payment_that_payram_refuses_is_asked_about_as_rarely_as_its_tier_says(payram, payments, why):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    why(payram)
    run()
    for payment in Payment.objects.all():
        assert timedelta(hours=23) < payment.next_check_at - timezone.now() <= timedelta(days=1)


def test_an_outage_past_the_last_age_is_no_refusal_and_comes_round(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400))
    payram.sandbox.misbehave(None, "broken")
    run()
    for payment in Payment.objects.all():
        assert timedelta(minutes=4) < payment.next_check_at - timezone.now() <= timedelta(minutes=5)


def test_a_refused_payment_that_was_written_meanwhile_keeps_its_next_check(payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400))
    claimed = resync.claim(1)[0]
    soon = timezone.now().replace(microsecond=0) + timedelta(minutes=1)
    due(soon)
    claiming.back_to_tier(claimed, asked_at=timezone.now())
    assert set(Payment.objects.values_list("next_check_at", flat=True)) == {soon}


def test_a_refusal_of_one_payment_leaves_the_leases_of_the_others(payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400))
    refused, *others = resync.claim(3)
    assert {other.next_check_at for other in others} == {refused.next_check_at}
    claiming.back_to_tier(refused, asked_at=timezone.now())
    left = Payment.objects.exclude(next_check_at=None)
    assert set(left) == set(others)


def test_a_tier_sooner_than_the_retry_is_kept(payram, payments):
    payram.sandbox.misbehave(None, "broken")
    run()
    assert Payment.objects.first().next_check_at < timezone.now() + timedelta(minutes=2)


def test_ten_failures_in_a_row_stop_the_run_and_the_rest_comes_round(payram, payments):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    payram.sandbox.misbehave(None, "broken")
    _results, summary = run(threads=1)
    assert "10 times in a row" in summary.stopped
    assert summary.exit_code == 1
    assert summary.asked == 10
    now = timezone.now()
    assert Payment.objects.filter(next_check_at__lte=now).count() >= 10, "the rest is due"


def test_failures_that_are_not_in_a_row_do_not_stop_the_run(payram, payments):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    for payment in Payment.objects.order_by("pk")[:22:2]:
        payram.sandbox.misbehave(payment.reference, "broken")
    _results, summary = run(threads=1)
    assert summary.stopped == ""
    assert (summary.asked, summary.failed) == (23, 11)


def test_a_wrong_answer_does_not_count_as_payram_being_down(payram, payments):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    payram.sandbox.misbehave(None, "wrong_customer")
    _results, summary = run(threads=1)
    assert (summary.asked, summary.failed, summary.stopped) == (23, 23, "")


def test_a_long_retry_after_stops_the_run(payram, payments, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_PAUSE_SECONDS", 6)
    payram.sandbox.misbehave(None, "throttled")
    _results, summary = run(threads=1)
    assert summary.stopped == "PayRam asks to be left alone for 7 seconds."


def test_a_short_retry_after_is_waited_for_also_by_the_next_batch(payram, payments, monkeypatch):
    waited = []
    monkeypatch.setattr(limits.Brake, "wait", lambda brake, seconds: waited.append(seconds))
    monkeypatch.setattr(running, "BATCH_PER_THREAD", 1)
    payram.sandbox.misbehave(payments[0].reference, "throttled")
    _results, summary = run(threads=1)
    assert (summary.asked, summary.stopped) == (3, "")
    assert waited[0] == 0
    assert 5 < waited[-1] <= 7


def test_a_line_is_held_as_long_as_asked_and_cut_after_a_minute():
    line = lines.Line()
    assert line.held_for == 0
    line.hold(10)
    line.hold(-5)
    assert 9 < line.held_for <= 10
    line.leave_alone(60)
    assert (line.cut, 59 < line.held_for <= 60) == ("", True)
    line.leave_alone(61)
    assert "61 seconds" in line.cut
    assert line.held_for == 0, "nobody waits for a line that is cut"


def test_a_project_that_is_down_does_not_keep_the_others(payram, payments, settings):
    settings.PAYRAM = {**settings.PAYRAM, "dead": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "dead-dead-dead-dead"}}
    PaymentFactory.create_batch(30, project="dead", next_check_at=timezone.now() - timedelta(hours=1))
    results, summary = run(threads=1)
    assert "10 times in a row" in summary.stopped
    assert {result.payment.pk for result in results if result.error is None} == {payment.pk for payment in payments}
    results, _summary = run(Payment.objects.order_by("pk"), threads=1)
    assert len([result for result in results if result.error is None]) == 3


def test_the_last_check_of_all_is_leased_as_well(payram, payments):
    payram.pay(payments[0])
    long_ago = timezone.now() - timedelta(hours=2)
    Payment.objects.filter(pk=payments[0].pk).update(
        state=State.FILLED, filled_usd=payments[0].amount_usd, paid_at=long_ago, closed_at=long_ago
    )
    payram.sandbox.misbehave(None, "gateway")
    run()
    payments[0].refresh_from_db()
    assert payments[0].next_check_at is not None
    payram.sandbox.behave()
    due()
    run()
    payments[0].refresh_from_db()
    assert payments[0].next_check_at is None


def test_a_project_that_was_taken_out_of_the_settings_keeps_nobody_else(payram, payments):
    Payment.objects.filter(pk=payments[0].pk).update(project="gone")
    results, summary = run()
    assert (summary.asked, summary.failed) == (3, 1)
    assert any("'gone'" in str(result.error) for result in results)


def test_an_answer_that_cannot_be_recorded_comes_round(payram, payments, monkeypatch, caplog):
    real = lifecycle.record

    def busy_once(payment, *args, **kwargs):
        if payment == payments[0]:
            raise OperationalError("deadlock")
        return real(payment, *args, **kwargs)

    monkeypatch.setattr(lifecycle, "record", busy_once)
    for payment in payments:
        payram.pay(payment)
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    results, summary = run()
    assert (summary.asked, summary.news, summary.failed) == (3, 2, 1)
    (failed,) = [result for result in results if result.error]
    assert (failed.payment, failed.state_before) == (payments[0], State.OPEN)
    assert f"PayRam's answer about {payments[0]} could not be recorded. deadlock" in caplog.messages
    assert Payment.objects.get(pk=payments[0].pk).next_check_at < timezone.now() + timedelta(minutes=6)


def test_a_payment_that_was_deleted_meanwhile_is_skipped_over(payram, payments, monkeypatch):
    real = lifecycle.record

    def deleted(payment, *args, **kwargs):
        Payment.objects.filter(pk=payment.pk).delete()
        return real(payment, *args, **kwargs)

    monkeypatch.setattr(lifecycle, "record", deleted)
    for payment in payments:
        payram.pay(payment)
    results, summary = run()
    assert (summary.failed, summary.stopped) == (3, "")
    assert {type(result.error) for result in results} == {Payment.DoesNotExist}


def test_a_claim_that_finds_the_database_locked_is_tried_again(payram, payments, monkeypatch, caplog):
    real, tries = claiming.claim, []

    def locked_twice(size, without):
        tries.append(size)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return real(size, without=without)

    monkeypatch.setattr(claiming, "claim", locked_twice)
    monkeypatch.setattr(claiming, "CLAIM_PAUSE_SECONDS", 0)
    with caplog.at_level(logging.INFO):
        assert run()[1].asked == 3
    said = "Payments could not be claimed, another worker is at it. database is locked"
    assert caplog.messages.count(said) == 2
    assert tries[0] == resync.DEFAULT_THREADS * running.BATCH_PER_THREAD


def test_the_sixth_claim_is_the_last_and_is_like_the_others(payram, payments, monkeypatch):
    real, tries = claiming.claim, []

    def locked_five_times(size, without):
        tries.append((size, without))
        if len(tries) < 6:
            raise OperationalError("database is locked")
        return real(size, without=without)

    monkeypatch.setattr(claiming, "claim", locked_five_times)
    monkeypatch.setattr(claiming, "CLAIM_PAUSE_SECONDS", 0)
    assert run(threads=1)[1].asked == 3
    assert tries[:6] == [(running.BATCH_PER_THREAD, set())] * 6


def test_a_database_that_stays_locked_is_an_error(payments, monkeypatch):
    def locked(size, without):
        raise OperationalError("database is locked")

    monkeypatch.setattr(claiming, "claim", locked)
    monkeypatch.setattr(claiming, "CLAIM_PAUSE_SECONDS", 0)
    with pytest.raises(OperationalError):
        run()


def test_what_cannot_be_written_down_is_said_without_keys_and_left_to_the_lease(payram, payments, monkeypatch, caplog):
    def locked(noted):
        raise OperationalError(f"database is locked, {TEST_KEY}")

    monkeypatch.setattr(lifecycle, "note_checked", locked)
    caplog.set_level("WARNING")
    _results, summary = run()
    assert (summary.asked, summary.failed) == (3, 0)
    said = "When to ask about some payments again could not be written. database is locked, [key]"
    assert caplog.messages == [said]
    assert Payment.objects.due(timezone.now()).count() == 0


# Answers without news


def test_answers_without_news_are_noted_by_one_statement_for_all(payram, payments, django_assert_num_queries):
    run()
    due()
    before = timezone.now()
    with django_assert_num_queries(LEFT + CLAIM + NOTE + NOTHING_MORE):
        results, summary = run()
    assert (summary.asked, summary.news, summary.failed) == (3, 0, 0)
    assert [(result.news, result.error, result.state_before) for result in results] == [(False, None, "OPEN")] * 3
    for payment in Payment.objects.all():
        assert payment.checked_at >= before
        assert payment.next_check_at > before + timedelta(seconds=50)


LEFT, CLAIM, NOTE, NOTHING_MORE = 1, 4, 4, 3
"""Statements with their savepoints: SELECT and UPDATE each; the last claim finds nothing to update. No kept webhook
is left to be heard again."""


def test_a_full_list_of_answers_without_news_is_written_at_once(payram, payments, monkeypatch):
    monkeypatch.setattr(running, "WRITTEN_AT_ONCE", 2)
    run()
    due()
    before = timezone.now()
    for number, _asked in enumerate(resync.run(threads=1), start=1):
        assert Payment.objects.filter(checked_at__gte=before).count() == (0 if number == 1 else 2)
        if number == 2:
            break


def test_what_was_noted_is_written_also_when_the_caller_stops_listening(payram, payments):
    run()
    due()
    before = timezone.now()
    stream = resync.run(threads=1)
    next(stream)
    stream.close()
    assert Payment.objects.filter(checked_at__gte=before).count() == 1


def test_a_caller_that_stops_listening_waits_only_for_the_calls_under_way(payram, payments, monkeypatch):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    real = lines.Line.ask

    def slowly(line, payment):
        time.sleep(0.1)
        return real(line, payment)

    monkeypatch.setattr(lines.Line, "ask", slowly)
    stream = resync.run(threads=2)
    next(stream)
    stream.close()
    assert 1 <= len(asked(payram)) <= 5


def test_the_last_check_of_all_without_news_ends_the_schedule(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=200))
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
    assert [told.announced for told in resync.announce_pending()] == [True]
    assert watching.seconds_to_the_next() > 0


def test_every_answer_says_when_payram_was_asked(payram, payments):
    payram.pay(payments[0])
    before = timezone.now()
    run()
    payments[0].refresh_from_db()
    assert payments[0].checked_at >= before


def test_an_answer_without_news_tells_what_is_pending(payram, payments, listener):
    Payment.objects.filter(pk=payments[0].pk).update(pending="payment_updated")
    run()
    assert listener.names == ["payment_updated"]


# Limits


def test_no_more_is_claimed_than_can_be_asked_before_the_lease_runs_out():
    assert running._batch_size(8, None) == 64
    assert running._batch_size(8, 100.0) == 64
    assert running._batch_size(8, 2.0) == 10
    assert running._batch_size(8, 0.1) == 1


def test_a_payment_whose_lease_ran_out_while_it_waited_is_left_to_whoever_has_it_now(payram, payments):
    claimed = resync.claim(3)
    line, brake = lines.Line(), limits.Brake()
    claimed[0].next_check_at = timezone.now()
    assert running._fetch(claimed[0], line, limits.Pace(), brake).said is None
    assert asked(payram) == []
    assert running._fetch(claimed[1], line, limits.Pace(), brake).said is not None


def test_a_brake_that_is_pulled_ends_the_run_and_what_was_claimed_comes_round(payram, payments):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    brake, summary = limits.Brake(), resync.Summary()
    for _asked in resync.run(threads=1, brake=brake, summary=summary):
        brake.pull()
    assert 1 <= summary.asked <= running.BATCH_PER_THREAD
    assert summary.stopped == "A signal asked for it."
    assert (summary.down, summary.exit_code) == (False, 0)
    assert Payment.objects.filter(next_check_at__lte=timezone.now()).count() == 23 - summary.asked


def test_kept_webhooks_are_heard_until_the_brake_is_on(monkeypatch):
    told = []
    brake = limits.Brake()
    monkeypatch.setattr(lifecycle, "hear_left", lambda *, stop: told.extend([stop(), brake.pull(), stop()]))
    assert run(brake=brake)[1].stopped == "A signal asked for it."
    assert told == [False, None, True]


def test_chosen_payments_end_with_the_brake_as_well(payram, payments):
    brake = limits.Brake()
    brake.pull()
    summary = resync.Summary()
    assert list(resync.run(Payment.objects.all(), brake=brake, summary=summary)) == []
    assert summary.stopped == "A signal asked for it."


@pytest.mark.parametrize("given", [False, True])
def test_nothing_is_claimed_once_the_brake_is_on(payram, payments, monkeypatch, given):
    monkeypatch.setattr(running, "BATCH_PER_THREAD", 1)
    last = Payment.objects.get(pk=payments[2].pk).next_check_at
    brake = limits.Brake()
    brake.pull()
    assert run(Payment.objects.all() if given else None, threads=1, brake=brake)[0] == []
    assert Payment.objects.get(pk=payments[2].pk).next_check_at == last


def test_a_limit_of_one_asks_about_one(payram, payments):
    assert run(limit=1)[1].asked == 1
    assert run(limit=0)[1].asked == 0


def test_the_first_payment_of_all_is_walked_through_as_well():
    first, second = PaymentFactory(pk=1), PaymentFactory(pk=2)
    assert list(claiming.by_key(Payment.objects.all(), 1)) == [[first], [second]]


def test_a_brake_goes_on_by_itself_when_the_time_is_over():
    brake = limits.Brake(60)
    assert (brake.is_on, brake.reason) == (False, "")
    brake = limits.Brake(0)
    assert (brake.is_on, brake.reason) == (True, "The time limit of 0 seconds is over.")


def test_a_wait_ends_with_the_brake():
    start = time.monotonic()
    limits.Brake(0.05).wait(60)
    assert 0.05 <= time.monotonic() - start < 30


def test_a_wait_is_as_long_as_it_was_meant():
    start = time.monotonic()
    limits.Brake(60).wait(0.05)
    assert 0.05 <= time.monotonic() - start < 30


def test_a_line_that_is_cut_takes_no_turn_and_no_wait(payments, monkeypatch):
    waited, line = [], lines.Line()
    monkeypatch.setattr(limits.Brake, "wait", lambda brake, seconds: waited.append(seconds))
    line.leave_alone(61)
    assert running._fetch(payments[0], line, limits.Pace(rate=0.01), limits.Brake()).said is None
    assert waited == []


def test_ten_failures_are_counted_from_the_last_answer_on():
    line, outage = lines.Line(), PayramUnavailable("down")
    line.note(Report())
    for _ in range(9):
        line.note(outage)
    assert line.cut == ""
    line.note(outage)
    assert line.cut == "PayRam gave no answer 10 times in a row. down"


def test_calls_are_under_way_at_once_in_threads_of_a_name(payram, payments, monkeypatch):
    real, both = lines.Line.ask, Barrier(2)
    names = set()

    def together(line, payment):
        names.add(current_thread().name.rpartition("_")[0])
        both.wait(timeout=20)
        return real(line, payment)

    monkeypatch.setattr(lines.Line, "ask", together)
    assert run(Payment.objects.filter(pk__in=[payments[0].pk, payments[1].pk]), threads=2)[1].asked == 2
    assert names == {"payram"}


def test_with_a_rate_less_is_claimed_at_a_time(payram, payments, monkeypatch):
    real, sizes = claiming.claim, []

    def claim(size, without):
        sizes.append(size)
        return real(size, without=without)

    monkeypatch.setattr(claiming, "claim", claim)
    monkeypatch.setattr(limits.Brake, "wait", lambda brake, seconds: None)
    assert run(rate=2.0)[1].asked == 3
    assert set(sizes) == {10}


def test_every_project_that_is_down_is_named(payram, settings):
    dead = {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "dead-dead-dead-dead"}
    settings.PAYRAM = {**settings.PAYRAM, "one": dead, "two": {**dead, "API_KEY": "two-two-two-two-two"}}
    for project in ("one", "two"):
        PaymentFactory.create_batch(10, project=project, next_check_at=timezone.now() - timedelta(hours=1))
    said = "PayRam gave no answer 10 times in a row. PayRam at 127.0.0.1 could not be asked. The connection failed or "
    assert run(threads=1)[1].stopped == f"{said}broke off. {said}broke off."


def test_a_pace_spreads_turns_evenly():
    pace = limits.Pace(rate=10)
    turns = [pace.turn() for _ in range(4)]
    assert turns[0] == 0
    assert [round(turn, 1) for turn in turns[1:]] == [0.1, 0.2, 0.3]
    assert [limits.Pace().turn() for _ in range(3)] == [0, 0, 0]


def test_a_pace_does_not_make_up_for_idle_time():
    pace = limits.Pace(rate=1000)
    pace.turn()
    time.sleep(0.02)
    assert pace.turn() == 0


def test_a_run_keeps_the_pace(payram, payments, monkeypatch):
    waited = []
    monkeypatch.setattr(limits.Brake, "wait", lambda brake, seconds: waited.append(seconds))
    assert run(rate=0.5)[1].asked == 3
    assert max(waited) > 1.5


# Watching


# Watching replaces connections that are too old, as a request does: no test's transaction may hang on one.
in_earnest = pytest.mark.django_db(transaction=True)


def watch(brake, **options):
    return resync.watch(brake=brake, **options)


@in_earnest
def test_watching_goes_on_until_the_brake_is_pulled(payram, payments, monkeypatch):
    pauses, brake, summary = [], limits.Brake(), resync.Summary()

    def wait(self, seconds):
        if seconds >= watching.SHORTEST_SLEEP_SECONDS:
            pauses.append(seconds)
            due()
        if len(pauses) == 3:
            self.pull()

    monkeypatch.setattr(limits.Brake, "wait", wait)
    assert len(list(watch(brake, summary=summary, threads=2))) == 9
    assert pauses == [watching.LONGEST_SLEEP_SECONDS] * 3
    assert (summary.asked, summary.stopped, summary.exit_code) == (9, "A signal asked for it.", 0)


@in_earnest
def test_watching_leaves_a_dead_payram_alone_for_a_while(payram, payments, monkeypatch):
    for number in range(20):
        open_payment(amount=Decimal(100 + number), email="buyer@example.org")
    due()
    payram.sandbox.misbehave(None, "broken")
    brake, summary, pauses = limits.Brake(), resync.Summary(), []

    def wait(self, seconds):
        if seconds >= watching.SHORTEST_SLEEP_SECONDS:
            pauses.append(seconds)
            self.pull()

    monkeypatch.setattr(limits.Brake, "wait", wait)
    list(watch(brake, summary=summary, threads=1))
    assert pauses == [watching.LONGEST_SLEEP_SECONDS]
    assert (summary.asked, summary.down) == (10, False)


@in_earnest
def test_watching_waits_for_a_database_that_is_away(payram, payments, monkeypatch, caplog):
    brake, pauses = limits.Brake(), []

    def wait(self, seconds):
        pauses.append(seconds)
        monkeypatch.undo()
        self.pull()

    def away(**_options):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(watching, "run", away)
    monkeypatch.setattr(limits.Brake, "wait", wait)
    assert list(watch(brake)) == []
    assert pauses == [watching.LONGEST_SLEEP_SECONDS]
    assert "The database could not be reached; trying again soon. server closed the connection" in caplog.messages


@in_earnest
def test_watching_tells_receivers_what_is_pending_once_a_minute(listener, monkeypatch):
    listener.fail_on = {"payment_paid"}
    PaymentFactory(paid=True, pending="payment_paid", next_check_at=None)
    brake, passes, summary = limits.Brake(), [], resync.Summary()

    def wait(self, seconds):
        passes.append(seconds)
        if len(passes) == 2:
            monkeypatch.setattr(watching, "ANNOUNCE_SECONDS", 0)
        if len(passes) == 3:
            self.pull()

    monkeypatch.setattr(limits.Brake, "wait", wait)
    told = list(watch(brake, summary=summary))
    assert [one.announced for one in told] == [False, False]
    assert summary.receivers_failed == 2


@in_earnest
def test_watching_ends_between_two_payments_whose_receivers_are_told(listener):
    PaymentFactory.create_batch(3, paid=True, pending="payment_paid", next_check_at=None)
    brake = limits.Brake()
    told = []
    for one in watch(brake):
        told.append(one)
        brake.pull()
    assert len(told) == 1


@in_earnest
def test_watching_ends_between_two_payments_that_are_asked_about_and_keeps_the_pace(payram, payments, monkeypatch):
    waited, brake = [], limits.Brake()
    monkeypatch.setattr(limits.Brake, "wait", lambda self, seconds: waited.append(seconds))
    monkeypatch.setattr(running, "BATCH_PER_THREAD", 1)
    asked_about = []
    for one in watch(brake, threads=1, rate=0.5):
        asked_about.append(one)
        if len(asked_about) == 2:
            brake.pull()
    assert len(asked_about) == 2
    assert 1.5 < max(waited) <= 2


@in_earnest
def test_watching_sleeps_until_the_next_payment_is_due(payram, payments, monkeypatch):
    brake, pauses = limits.Brake(), []
    due(timezone.now() + timedelta(seconds=10))

    def wait(self, seconds):
        pauses.append(seconds)
        self.pull()

    monkeypatch.setattr(limits.Brake, "wait", wait)
    assert list(watch(brake)) == []
    assert [round(pause) for pause in pauses] == [10]


@pytest.mark.parametrize(("seconds", "pause"), [(-5, 1), (0.2, 1), (17, 17), (3600, 30), (None, 30)], ids=str)
def test_the_sleep_ends_when_the_next_payment_is_due(seconds, pause):
    PaymentFactory(next_check_at=None if seconds is None else timezone.now() + timedelta(seconds=seconds))
    PaymentFactory(reference=None, state=State.CREATING, next_check_at=timezone.now())
    assert round(watching.seconds_to_the_next()) == pause


# Receivers


def test_pending_announcements_are_made(payram, payments, listener):
    listener.fail_on = {"payment_paid"}
    payram.pay(payments[0])
    _results, summary = run()
    assert (summary.receivers_failed, summary.exit_code) == (1, 3)
    listener.fail_on = set()
    summary = resync.Summary()
    told = list(resync.announce_pending(summary=summary))
    assert [one.payment for one in told] == [payments[0]]
    assert (summary.announced, summary.receivers_failed, summary.exit_code) == (1, 0, 0)
    assert listener.names.count("payment_paid") == 1
    assert list(resync.announce_pending()) == []


def test_the_first_payment_of_all_is_told_as_well(listener, reads_elsewhere):
    first = PaymentFactory(pk=1, paid=True, pending="payment_paid")
    assert [one.payment for one in resync.announce_pending()] == [first]


def test_a_receiver_that_fails_again_is_counted(listener):
    listener.fail_on = {"payment_paid"}
    PaymentFactory(paid=True, pending="payment_paid")
    summary = resync.Summary()
    assert [one.announced for one in resync.announce_pending(summary=summary)] == [False]
    assert (summary.announced, summary.exit_code) == (0, 3)


def test_pending_announcements_are_read_in_batches(listener, monkeypatch):
    monkeypatch.setattr(running, "ANNOUNCED_AT_ONCE", 2)
    PaymentFactory.create_batch(3, paid=True, pending="payment_paid")
    with CaptureQueriesContext(connections[database()]) as queries:
        told = resync.announce_pending()
        next(told)
    assert [query["sql"] for query in queries if "LIMIT 2" in query["sql"]]
    assert len(list(told)) == 2


def test_receivers_that_keep_failing_do_not_keep_the_others(listener, monkeypatch):
    monkeypatch.setattr(running, "ANNOUNCED_AT_ONCE", 2)
    bad = PaymentFactory.create_batch(3, paid=True, pending="payment_paid")
    good = PaymentFactory.create_batch(2, paid=True, pending="payment_updated")
    listener.fail_on = {"payment_paid"}
    summary = resync.Summary()
    told = resync.announce_pending(summary=summary)
    assert [one.announced for one in told] == [False] * len(bad) + [True] * len(good)
    assert [payment for _name, payment, _extra in listener.heard] == good
    assert (summary.announced, summary.receivers_failed) == (2, 3)


def test_a_database_error_of_one_payment_does_not_keep_the_others_from_being_told(listener, monkeypatch, caplog):
    PaymentFactory.create_batch(2, paid=True, pending="payment_paid")
    real, calls = lifecycle.announce, []

    def deadlock_once(payment):
        calls.append(payment)
        if len(calls) == 1:
            raise OperationalError("deadlock")
        return real(payment)

    monkeypatch.setattr(lifecycle, "announce", deadlock_once)
    assert [one.announced for one in resync.announce_pending()] == [False, True]
    assert f"The receivers of {calls[0]} could not be told. deadlock" in caplog.messages


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
    assert resync.Summary(**fields).exit_code == code
