"""Which payments are due, and asking about many of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_payram import lifecycle, resync
from django_payram.exceptions import PayramDataError
from django_payram.lifecycle import open_payment
from django_payram.models import Payment, Source
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory

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
    assert [type(result.error) for result in results if result.error] == [PayramDataError]


def test_a_payment_that_could_not_be_asked_about_comes_round_soon(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    payram.sandbox.misbehave(None, "broken")
    run()
    for payment in Payment.objects.all():
        assert payment.next_check_at < timezone.now() + timedelta(minutes=6)


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
    monkeypatch.setattr(resync, "LONGEST_PAUSE_SECONDS", 6)
    monkeypatch.setattr(resync.Line, "wait", lambda line: None)
    payram.sandbox.misbehave(None, "throttled")
    _results, summary = run(threads=1)
    assert "7 seconds" in summary.stopped


def test_a_short_retry_after_is_waited_for_also_by_the_next_batch(payram, payments, monkeypatch):
    waited = []
    monkeypatch.setattr(resync.Line, "wait", lambda line: waited.append(line.held_until))
    monkeypatch.setattr(resync, "BATCH_PER_THREAD", 1)
    payram.sandbox.misbehave(payments[0].reference, "throttled")
    _results, summary = run(threads=1)
    assert (summary.asked, summary.stopped) == (3, "")
    assert waited[-1] > timezone.now() + timedelta(seconds=5)


def test_a_line_is_held_as_long_as_asked_and_cut_after_a_minute():
    line = resync.Line()
    line.wait()
    line.hold(1)
    before = timezone.now()
    line.wait()
    assert timezone.now() - before > timedelta(seconds=0.8)
    line.hold(-5)
    assert line.held_until > before
    line.leave_alone(60)
    assert line.cut == ""
    assert line.held_until < timezone.now() + timedelta(seconds=61)
    line.leave_alone(61)
    assert "61 seconds" in line.cut


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
    _results, summary = run()
    assert (summary.asked, summary.failed) == (3, 1)
    assert str(payments[0]) in caplog.text


def test_a_payment_that_was_deleted_meanwhile_is_skipped_over(payram, payments, monkeypatch):
    real = lifecycle.record

    def deleted(payment, *args, **kwargs):
        Payment.objects.filter(pk=payment.pk).delete()
        return real(payment, *args, **kwargs)

    monkeypatch.setattr(lifecycle, "record", deleted)
    results, summary = run()
    assert (summary.failed, summary.stopped) == (3, "")
    assert {type(result.error) for result in results} == {Payment.DoesNotExist}


def test_a_claim_that_finds_the_database_locked_is_tried_again(payram, payments, monkeypatch):
    real, tries = resync.claim, []

    def locked_twice(size, without):
        tries.append(size)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return real(size, without=without)

    monkeypatch.setattr(resync, "claim", locked_twice)
    monkeypatch.setattr(resync, "CLAIM_PAUSE_SECONDS", 0)
    assert run()[1].asked == 3
    assert tries[0] == resync.DEFAULT_THREADS * resync.BATCH_PER_THREAD


def test_a_database_that_stays_locked_is_an_error(payments, monkeypatch):
    def locked(size, without):
        raise OperationalError("database is locked")

    monkeypatch.setattr(resync, "claim", locked)
    monkeypatch.setattr(resync, "CLAIM_PAUSE_SECONDS", 0)
    with pytest.raises(OperationalError):
        run()


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


def test_a_receiver_that_fails_again_is_counted(listener):
    listener.fail_on = {"payment_paid"}
    PaymentFactory(paid=True, pending="payment_paid")
    summary = resync.Summary()
    assert [one.announced for one in resync.announce_pending(summary=summary)] == [False]
    assert (summary.announced, summary.exit_code) == (0, 3)


def test_receivers_that_keep_failing_do_not_keep_the_others(listener, monkeypatch):
    monkeypatch.setattr(resync, "ANNOUNCED_AT_ONCE", 2)
    bad = PaymentFactory.create_batch(3, paid=True, pending="payment_paid")
    good = PaymentFactory(paid=True, pending="payment_updated")
    listener.fail_on = {"payment_paid"}
    assert [one.announced for one in resync.announce_pending()] == [False] * len(bad) + [True]
    assert listener.heard[0][1] == good


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
    assert str(calls[0]) in caplog.text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 0),
        ({"failed": 1}, 1),
        ({"stopped": "x"}, 1),
        ({"receivers_failed": 1}, 3),
        ({"failed": 1, "receivers_failed": 1}, 1),
    ],
)
def test_exit_codes(fields, code):
    assert resync.Summary(**fields).exit_code == code
