"""Payments that PayRam cannot be asked about, and answers that cannot be written."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Source
from django_payram.models.states import State
from django_payram.payments import open_payment, transitions
from django_payram.payments.rules import DENIALS
from django_payram.polling import claims, worker
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.polling.helpers import due, run

pytestmark = pytest.mark.django_db


def test_a_payment_that_could_not_be_asked_about_is_due_again_soon(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    payram.sandbox.inject_fault(None, "broken")
    run()
    for payment in Payment.objects.all():
        assert payment.next_check_at < timezone.now() + timedelta(minutes=6)


def refused(payram):
    payram.sandbox.inject_fault(None, "unauthorized")


def gone(payram):
    Payment.objects.update(project="gone")


@pytest.mark.parametrize("why", [refused, gone])
@pytest.mark.parametrize("given", [False, True])
def test_a_payment_that_payram_refuses_leaves_the_schedule_past_its_last_age(payram, payments, why, given):
    """F37."""
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400), checks=300)
    why(payram)
    assert run(Payment.objects.all() if given else None)[1].failed == 3
    assert set(Payment.objects.values_list("next_check_at", flat=True)) == {None}


@pytest.mark.parametrize("why", [refused, gone])
def test_a_payment_that_payram_refuses_is_asked_about_as_rarely_as_its_tier_says(payram, payments, why):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60), checks=1000)
    why(payram)
    run()
    for payment in Payment.objects.all():
        assert timedelta(hours=23) < payment.next_check_at - timezone.now() <= timedelta(days=1)


def test_an_outage_past_the_last_age_is_no_refusal_and_is_due_again(payram, payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400), checks=299)
    payram.sandbox.inject_fault(None, "broken")
    run()
    for payment in Payment.objects.all():
        assert timedelta(minutes=4) < payment.next_check_at - timezone.now() <= timedelta(minutes=5)


def test_a_refused_payment_that_was_written_meanwhile_keeps_its_next_check(payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400))
    claimed = claims.claim(1)[0]
    soon = timezone.now().replace(microsecond=0) + timedelta(minutes=1)
    due(soon)
    claims.keep_tier(claimed, asked_at=timezone.now())
    assert set(Payment.objects.values_list("next_check_at", flat=True)) == {soon}


def test_a_refusal_of_one_payment_leaves_the_claims_of_the_others(payments):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=400), checks=300)
    refused, *others = claims.claim(3)
    assert {other.next_check_at for other in others} == {refused.next_check_at}
    claims.keep_tier(refused, asked_at=timezone.now())
    left = Payment.objects.exclude(next_check_at=None)
    assert set(left) == set(others)


def test_a_tier_sooner_than_the_retry_is_kept(payram, payments):
    payram.sandbox.inject_fault(None, "broken")
    run()
    assert Payment.objects.first().next_check_at < timezone.now() + timedelta(minutes=2)


def test_the_last_check_of_all_is_claimed_as_well(payram, payments):
    payram.pay(payments[0])
    long_ago = timezone.now() - timedelta(hours=2)
    Payment.objects.filter(pk=payments[0].pk).update(
        state=State.FILLED, filled_usd=payments[0].amount_usd, paid_at=long_ago, closed_at=long_ago
    )
    payram.sandbox.inject_fault(None, "gateway")
    run()
    payments[0].refresh_from_db()
    assert payments[0].next_check_at is not None
    payram.sandbox.clear_faults()
    due()
    run()
    payments[0].refresh_from_db()
    assert payments[0].next_check_at is None


def test_a_project_that_was_taken_out_of_the_settings_keeps_nobody_else(payram, payments):
    Payment.objects.filter(pk=payments[0].pk).update(project="gone")
    results, summary = run()
    assert (summary.asked, summary.failed) == (3, 1)
    assert any("'gone'" in str(result.error) for result in results)


def test_an_answer_that_cannot_be_recorded_is_due_again(payram, payments, monkeypatch, caplog):
    real = transitions.apply

    def busy_once(payment, *args, **kwargs):
        if payment == payments[0]:
            raise OperationalError("deadlock")
        return real(payment, *args, **kwargs)

    monkeypatch.setattr(transitions, "apply", busy_once)
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
    real = transitions.apply

    def deleted(payment, *args, **kwargs):
        Payment.objects.filter(pk=payment.pk).delete()
        return real(payment, *args, **kwargs)

    monkeypatch.setattr(transitions, "apply", deleted)
    for payment in payments:
        payram.pay(payment)
    results, summary = run()
    assert (summary.failed, summary.stopped) == (3, "")
    assert {type(result.error) for result in results} == {Payment.DoesNotExist}


def test_a_claim_that_finds_the_database_locked_is_tried_again(payram, payments, monkeypatch, caplog):
    real, tries = claims.claim, []

    def locked_twice(size, without):
        tries.append(size)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return real(size, without=without)

    monkeypatch.setattr(claims, "claim", locked_twice)
    monkeypatch.setattr(claims, "CLAIM_PAUSE_SECONDS", 0)
    with caplog.at_level(logging.INFO):
        assert run()[1].asked == 3
    said = "Payments could not be claimed, because another worker is claiming some. database is locked"
    assert caplog.messages.count(said) == 2
    assert tries[0] == worker.DEFAULT_THREADS * worker.BATCH_PER_THREAD


def test_the_sixth_claim_is_the_last_and_is_like_the_others(payram, payments, monkeypatch):
    real, tries = claims.claim, []

    def locked_five_times(size, without):
        tries.append((size, without))
        if len(tries) < 6:
            raise OperationalError("database is locked")
        return real(size, without=without)

    monkeypatch.setattr(claims, "claim", locked_five_times)
    monkeypatch.setattr(claims, "CLAIM_PAUSE_SECONDS", 0)
    assert run(threads=1)[1].asked == 3
    assert tries[:6] == [(worker.BATCH_PER_THREAD, set())] * 6


def test_a_database_that_stays_locked_is_an_error(payments, monkeypatch):
    def locked(size, without):
        raise OperationalError("database is locked")

    monkeypatch.setattr(claims, "claim", locked)
    monkeypatch.setattr(claims, "CLAIM_PAUSE_SECONDS", 0)
    with pytest.raises(OperationalError):
        run()


def test_what_cannot_be_written_down_is_said_without_keys_and_left_to_the_claim(payram, payments, monkeypatch, caplog):
    def locked(payments):
        raise OperationalError(f"database is locked, {TEST_KEY}")

    monkeypatch.setattr(claims, "mark_checked", locked)
    caplog.set_level("WARNING")
    _results, summary = run()
    assert (summary.asked, summary.failed) == (3, 0)
    said = "When to ask about some payments again could not be written. database is locked, [key]"
    assert caplog.messages == [said]
    assert Payment.objects.due(timezone.now()).count() == 0


# Receivers and links, when PayRam gives no answer


@pytest.fixture
def _dead(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "http://127.0.0.1:9"}}


@pytest.mark.usefixtures("_dead")
def test_chosen_payments_of_a_dead_payram_that_have_nothing_undelivered_are_left_alone():
    PaymentFactory.create_batch(12)
    results, summary = run(Payment.objects.all(), threads=1)
    assert len(results) == summary.failed == summary.asked == 10, "the last two were neither asked about nor notified"
    assert (summary.announced, summary.receivers_failed) == (0, 0)


@pytest.mark.usefixtures("_dead")
@pytest.mark.parametrize(("given", "names", "failed"), [(True, ["payment_paid"], 1), (False, [], 0)])
def test_receivers_that_fail_as_payram_does_are_counted_where_they_were_notified(listener, given, names, failed):
    later = timezone.now() + timedelta(hours=1)
    due_now = {"next_check_at": timezone.now(), "paid": True}
    PaymentFactory(undelivered=["payment_updated", "payment_paid"], next_delivery_at=later, **due_now)
    listener.fail_on = {"payment_updated"}
    results, summary = run(Payment.objects.all() if given else None)
    assert [(result.asked, result.announced) for result in results] == [(True, not given)]
    assert (listener.names, summary.receivers_failed, summary.failed) == (names, failed, 1)


def test_polling_says_which_run_found_that_payram_has_forgotten_a_link(payram, order):
    """F79."""
    open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(created_at=timezone.now() - timedelta(days=1))
    refused(payram)
    for _ in range(DENIALS):
        run(Payment.objects.all(), source=Source.ADMIN)
    assert PaymentEvent.objects.get(outcome=Outcome.FORGOTTEN).source == Source.ADMIN
