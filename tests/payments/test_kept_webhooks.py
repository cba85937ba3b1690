"""Webhooks that were kept because nobody could know whom they meant, handled again when that may be known."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Review, database
from django_payram.models.states import State
from django_payram.payments import open_payment, transitions, webhooks
from django_payram.polling import worker
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import asked, keep_webhook, send_webhook

pytestmark = pytest.mark.django_db


def make_due():
    PaymentEvent.objects.filter(next_retry_at__isnull=False).update(next_retry_at=timezone.now())


# A customer who becomes known


@pytest.fixture
def keep(payram, payment):
    """Keep a webhook about a top-up of the payment, as it would be kept while nobody knew whose it was."""
    payram.pay(payment, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(payment.reference)

    def keep(**fields):
        return keep_webhook(**{"reference": reference, "customer_id": payment.customer_id, **fields})

    return keep


def retry_kept(payment):
    webhooks.retry_kept_of_customer("default", customer_id=payment.customer_id)


def test_what_was_kept_of_a_customer_in_the_last_minutes_is_handled_at_once(keep, payment):
    for payload in ("not JSON", {"event_type": "payout.failed"}):
        keep(payload=payload, reference="")
    kept = keep()
    retry_kept(payment)
    child = payment.top_ups.get()
    assert child.reference == kept.reference
    assert child.events.get(outcome=Outcome.RECORDED).payload == kept.payload


def test_what_was_kept_is_read_where_it_was_written(keep, payment, reads_elsewhere):
    keep()
    retry_kept(payment)
    assert Payment.objects.using(database()).filter(parent=payment).exists()


@pytest.mark.parametrize("fields", [{"project": "other"}, {"customer_id": "somebody"}, {"customer_id": ""}])
def test_what_was_kept_of_others_is_left_alone(keep, payment, payram, fields):
    event = keep(**fields)
    calls = asked(payram)
    retry_kept(payment)
    event.refresh_from_db()
    assert (asked(payram), event.next_retry_at) == (calls, None)


@pytest.mark.parametrize("field", [{"outcome": Outcome.UNREADABLE}, {"payment": "the payment"}])
def test_only_unmatched_webhooks_are_handled_again(keep, payment, payram, field):
    event = keep(**{name: payment if name == "payment" else value for name, value in field.items()})
    calls = asked(payram)
    retry_kept(payment)
    event.refresh_from_db()
    assert (asked(payram), event.next_retry_at) == (calls, None)


def test_what_was_kept_of_a_customer_long_ago_is_handled_by_polling(keep, payment, payram):
    """F67: a backup was restored that knew neither the payment nor the customer."""
    event = keep(created_at=payment.created_at - timedelta(days=90))
    calls = asked(payram)
    retry_kept(payment)
    assert asked(payram) == calls
    webhooks.retry_kept_webhooks()
    assert payment.top_ups.get().reference == event.reference


def test_a_new_payment_makes_what_was_kept_of_its_customer_due(payram, order):
    """F67."""
    event = keep_webhook(reference="unknown", customer_id="kim", created_at=timezone.now() - timedelta(days=2))
    open_payment(order, amount=order.total, email=order.email, customer_id="kim")
    event.refresh_from_db()
    assert event.next_retry_at is not None


@pytest.mark.parametrize("fields", [{"next_retry_at": timezone.now() + timedelta(hours=1)}, {"retries": 15}])
def test_what_is_due_at_a_time_of_its_own_or_was_given_up_stays_so_when_its_customer_makes_a_payment(fields):
    event = keep_webhook(
        reference="unknown", customer_id="kim", created_at=timezone.now() - timedelta(days=2), **fields
    )
    webhooks.retry_kept_of_customer("default", customer_id="kim")
    event.refresh_from_db()
    assert event.next_retry_at == fields.get("next_retry_at")


# Webhooks of a known customer that nobody could confirm


@pytest.fixture
def left(payram, payment):
    """The reference of a top-up whose webhook came while another link was being made, by a process that was killed."""
    payram.pay(payment, 20)
    payram.expire(payment)
    killed = PaymentFactory(
        state=State.CREATING,
        reference=None,
        live_slot="taken",
        order_type_id=payment.order_type_id,
        order_id=payment.order_id,
        customer_id=payment.customer_id,
    )
    reference = payram.sandbox.top_up(payment.reference)
    assert [done.status for done in payram.deliver()] == [200]
    assert PaymentEvent.objects.get(payment=None).outcome == Outcome.UNMATCHED
    payram.sandbox.webhooks = False
    Payment.objects.filter(pk=killed.pk).update(created_at=killed.created_at - timedelta(minutes=3))
    return reference


def test_a_kept_webhook_waits_while_the_call_may_still_end(payram, payment, left):
    Payment.objects.filter(reference=None).update(created_at=timezone.now())
    list(worker.run())
    event = PaymentEvent.objects.get(payment=None)
    assert timedelta(minutes=2) < event.next_retry_at - event.created_at < timedelta(minutes=4)
    assert not payment.top_ups.exists()


def test_a_webhook_kept_for_a_call_that_was_killed_is_handled_by_polling(payram, payment, left, listener):
    """F3."""
    make_due()
    for _again in range(2):
        list(worker.run())
    payment.refresh_from_db()
    assert payment.is_paid
    child = payment.top_ups.get()
    assert child.reference == left
    assert child.events.get(outcome=Outcome.RECORDED).payload["reference_id"] == left
    assert listener.names.count("payment_paid") == 1
    assert not PaymentEvent.objects.filter(payment=None).exists()


def test_a_top_up_that_payram_does_not_show_at_first_is_counted_later(payram, payment, order):
    """F65: PayRam's webhook is faster than its own API, which answers 401 for what it does not know yet."""
    payram.pay(payment, 20)
    reference = payram.sandbox.top_up(payment.reference)
    payram.sandbox.inject_fault(reference, "unauthorized", times=1)
    assert [done.status for done in payram.deliver()] == [200]
    assert not payment.top_ups.exists()
    list(worker.run())
    order.refresh_from_db()
    assert (payment.top_ups.get().reference, order.status) == (reference, "paid")


def test_money_that_payram_never_shows_is_reviewed_after_a_day_and_asked_about_for_a_week(payram, payment):
    """F65: pauses grow, and end after a number of tries that no clock can shorten."""
    event = keep_webhook(
        reference="never-shown", customer_id=payment.customer_id, status="FILLED", next_retry_at=timezone.now()
    )
    waited, reviews = timedelta(0), []
    while event.next_retry_at is not None:
        make_due()
        webhooks.retry_kept_webhooks()
        event.refresh_from_db()
        payment.refresh_from_db()
        reviews.append((waited, payment.review))
        if event.next_retry_at is not None:
            waited += event.next_retry_at - timezone.now()
    assert timedelta(days=6, hours=20) < waited < timedelta(days=8)
    flagged_after = next(age for age, review in reviews if review)
    assert timedelta(hours=20) < flagged_after < timedelta(hours=40)
    assert payment.review == Review.UNCLEAR
    assert asked(payram) >= event.retries == len(reviews)


def test_a_kept_webhook_without_money_in_it_troubles_nobody(payram, payment):
    event = keep_webhook(
        reference="never-shown", customer_id=payment.customer_id, status="OPEN", next_retry_at=timezone.now()
    )
    while event.next_retry_at is not None:
        make_due()
        webhooks.retry_kept_webhooks()
        event.refresh_from_db()
    payment.refresh_from_db()
    assert payment.review == ""


@pytest.mark.parametrize("days", [3, 3650])
def test_a_retry_that_a_wrong_clock_scheduled_is_due(payram, payment, left, days):
    """F68."""
    PaymentEvent.objects.filter(payment=None).update(next_retry_at=timezone.now() + timedelta(days=days))
    webhooks.retry_kept_webhooks()
    assert payment.top_ups.get().reference == left


def test_a_kept_webhook_that_cannot_be_read_keeps_nobody_waiting(payram, payment, left):
    for payload in ("not JSON", {"event_type": "payout.failed"}, {"reference_id": "", "status": "FILLED"}):
        keep_webhook(customer_id=payment.customer_id, payload=payload, next_retry_at=timezone.now())
    make_due()
    webhooks.retry_kept_webhooks()
    assert payment.top_ups.get().reference == left


def test_a_kept_webhook_that_cannot_be_confirmed_is_handled_by_a_later_run(payram, payment, left, caplog):
    payram.sandbox.inject_fault(None, "broken")
    make_due()
    list(worker.run())
    assert not payment.top_ups.exists()
    said = f"A kept webhook about {left} could not be handled. PayRam at 127.0.0.1 refused the call with status 5"
    assert any(message.startswith(said) for message in caplog.messages)
    payram.sandbox.clear_faults()
    list(worker.run())
    assert payment.top_ups.get().reference == left


def test_webhooks_of_unknown_customers_are_never_asked_about(payram, payment):
    """F11, F77: other shops of the same PayRam may send any number of them."""
    for number in range(3):
        send_webhook(f"theirs-{number}", State.FILLED, 20, customer_id=f"staging-{number}")
    assert PaymentEvent.objects.filter(outcome=Outcome.UNMATCHED, next_retry_at=None).count() == 3
    before = asked(payram)
    webhooks.retry_kept_webhooks()
    assert asked(payram) == before


def test_a_webhook_that_names_no_customer_is_not_that_of_a_payment_without_one(payram):
    PaymentFactory(customer_id="")
    send_webhook("no-such", State.FILLED, 20)
    assert PaymentEvent.objects.get().next_retry_at is None


def test_so_many_kept_webhooks_are_handled_at_once(payram, many_left, monkeypatch):
    monkeypatch.setattr(webhooks, "KEPT_AT_ONCE", 3)
    webhooks.retry_kept_webhooks()
    assert asked(payram) == 3


def test_the_kept_webhook_that_has_been_due_for_longest_is_handled_first(payram, payment, monkeypatch):
    monkeypatch.setattr(webhooks, "KEPT_AT_ONCE", 1)
    now, whose = timezone.now(), {"customer_id": payment.customer_id}
    later = keep_webhook(reference="later", next_retry_at=now, **whose)
    sooner = keep_webhook(reference="sooner", next_retry_at=now - timedelta(hours=1), **whose)
    webhooks.retry_kept_webhooks()
    for event in (later, sooner):
        event.refresh_from_db()
    assert (later.retries, sooner.retries) == (0, 1)


def test_what_was_tried_in_vain_is_not_read_again_in_the_next_run(payram, many_left):
    """F77."""
    for _run in range(3):
        webhooks.retry_kept_webhooks()
    assert asked(payram) == 4


def test_a_kept_webhook_of_a_project_that_is_gone_keeps_nobody_waiting(payram, payment, left):
    PaymentEvent.objects.filter(payment=None).update(project="gone")
    Payment.objects.filter(reference=None).update(project="gone")
    make_due()
    list(worker.run())
    assert not payment.top_ups.exists()


@pytest.fixture
def many_left(payram, settings):
    """Webhooks that were kept for two projects, two of each."""
    when = timezone.now() - timedelta(minutes=3)
    for project in ("default", "second") * 2:
        attempt = PaymentFactory(state=State.CREATING, reference=None, project=project, created_at=when)
        keep_webhook(
            project=project, reference=str(uuid.uuid4()), customer_id=attempt.customer_id, next_retry_at=timezone.now()
        )
    settings.PAYRAM = {**payram.setting(), "second": payram.setting()["default"]}


def test_no_kept_webhook_is_handled_once_the_end_was_asked_for(payram, many_left):
    webhooks.retry_kept_webhooks(stop=lambda: True)
    assert asked(payram) == 0


def test_the_end_may_be_asked_for_between_two_kept_webhooks(payram, many_left):
    webhooks.retry_kept_webhooks(stop=lambda: asked(payram) > 0)
    assert asked(payram) == 1


def test_one_call_shows_that_a_project_is_down_and_the_others_are_handled(payram, many_left, settings, caplog):
    dead = {**payram.setting()["default"], "BASE_URL": "http://127.0.0.1:9"}
    settings.PAYRAM = {**settings.PAYRAM, "default": dead}
    webhooks.retry_kept_webhooks()
    failures = [message for message in caplog.messages if message.startswith("A kept webhook")]
    assert len([message for message in failures if "could not be asked" in message]) == 1
    assert asked(payram) == 2
    # What PayRam could not be asked about was not tried.
    assert set(PaymentEvent.objects.filter(project="default").values_list("retries", flat=True)) == {0}


def test_a_refusal_does_not_keep_the_other_kept_webhooks_of_the_project_waiting(payram, many_left):
    payram.sandbox.inject_fault(None, "unauthorized")
    webhooks.retry_kept_webhooks()
    assert asked(payram) == 4


def test_a_kept_webhook_is_handled_again_when_recording_failed(payram, order, monkeypatch):
    """F3: PayRam has been answered that it arrived, and does not send it again."""
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    reference, made_at = payment.reference, timezone.now() - timedelta(minutes=4)
    payram.sandbox.pay(reference)
    PaymentEvent.objects.all().delete()
    Payment.objects.update(
        reference=None, url="", state=State.CREATING, live_slot=None, next_check_at=None, created_at=made_at
    )
    keep_webhook(reference=reference, customer_id=payment.customer_id, next_retry_at=timezone.now())

    def deadlock(*args, **options):
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as busy:
        busy.setattr(transitions, "apply", deadlock)
        webhooks.retry_kept_webhooks()
    webhooks.retry_kept_webhooks()
    payment.refresh_from_db()
    assert (payment.reference, payment.is_paid) == (reference, True)


def test_a_kept_webhook_whose_reference_is_known_by_now_is_given_to_the_payment(payram, payment):
    PaymentFactory(pk=-1, project="second", reference=payment.reference)
    PaymentFactory(pk=-2, reference="another")
    event = keep_webhook(
        reference=payment.reference, customer_id=payment.customer_id, status="OPEN", next_retry_at=timezone.now()
    )
    webhooks.retry_kept_webhooks()
    event.refresh_from_db()
    assert event.payment == payment


# Webhooks that came before the reference was saved


@pytest.mark.parametrize(
    ("facts", "is_meant"),
    [
        ({"reference": "other", "customer_id": "kim"}, True),
        ({"reference": "mine"}, True),
        ({"reference": "other"}, False),
        ({"reference": "mine", "project": "second"}, False),
        ({"reference": "other", "customer_id": "kim", "project": "second"}, False),
    ],
)
def test_a_webhook_that_may_be_about_a_new_payment_is_noticed(facts, is_meant):
    keep_webhook(**facts)
    assert webhooks.may_be_about(PaymentFactory(reference="mine", customer_id="kim")) is is_meant


def test_an_event_of_another_payment_is_not_about_a_new_one():
    keep_webhook(payment=PaymentFactory(), reference="mine")
    assert not webhooks.may_be_about(PaymentFactory(reference="mine"))
