"""What a webhook leads to."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.signals import post_save
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramRefused, PayramUnavailable
from django_payram.models import Outcome, Payment, PaymentEvent, Source
from django_payram.models.states import State
from django_payram.payments import open_payment, webhooks
from django_payram.payments.webhooks import WebhookResult
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import asked, keep_webhook, send_webhook

pytestmark = pytest.mark.django_db


def test_a_webhook_is_a_hint_and_payrams_answer_is_recorded(payram, payment):
    """F50, F53: what is claimed moves nothing."""
    assert send_webhook(payment, State.FILLED, "49.99") == WebhookResult.NO_NEWS
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert asked(payram) == 1
    payram.sandbox.pay(payment.reference)
    assert send_webhook(payment, State.FILLED, "1") == WebhookResult.RECORDED
    payment.refresh_from_db()
    assert payment.filled_usd == Decimal("49.99")
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, {"x": 1})


def test_a_delivery_without_news_costs_one_select(payram, payment, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert send_webhook(payment, State.OPEN) == WebhookResult.NO_NEWS
    assert asked(payram) == 0


def test_a_webhook_that_cannot_be_confirmed_is_an_error_and_is_asked_about_soon(payram, payment):
    Payment.objects.update(next_check_at=timezone.now() + timedelta(days=1))
    payram.sandbox.inject_fault(None, "broken")
    with pytest.raises(PayramUnavailable):
        send_webhook(payment, State.FILLED)
    payment.refresh_from_db()
    assert payment.next_check_at <= timezone.now()
    assert payment.state == State.OPEN


def test_an_unknown_reference_is_kept_once_and_not_asked_about(payram, django_assert_num_queries):
    """F11."""
    for _ in range(3):
        assert send_webhook("no-such", State.FILLED) == WebhookResult.UNMATCHED
    event = PaymentEvent.objects.get()
    assert (event.payment, event.reference, event.outcome, event.project) == (
        None,
        "no-such",
        Outcome.UNMATCHED,
        "default",
    )
    assert event.payload == {"x": 1}
    assert (event.note, event.source, event.customer_id) == ("FILLED", Source.WEBHOOK, "")
    assert asked(payram) == 0
    send_webhook("no-such", State.OVER_FILLED)
    assert PaymentEvent.objects.count() == 2


def test_an_unknown_reference_is_kept_although_a_payment_has_a_webhook_of_the_same_words(payram):
    keep_webhook(payment=PaymentFactory(), reference="no-such", note="FILLED")
    assert send_webhook("no-such", State.FILLED) == WebhookResult.UNMATCHED
    assert PaymentEvent.objects.get(payment=None).reference == "no-such"


@pytest.mark.parametrize(("days", "scheduled"), [(40, True), (190, False)])
def test_a_webhook_that_payrams_answer_lags_behind_makes_us_ask_again_in_a_minute(payram, payment, days, scheduled):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=days))
    send_webhook(payment, State.FILLED)
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert timedelta(seconds=50) < payment.next_check_at - timezone.now() <= timedelta(minutes=1)


@pytest.mark.parametrize("next_check", [None, timedelta(days=1)])
def test_a_hint_that_came_too_soon_after_the_last_question_is_followed_a_minute_after_it(payram, payment, next_check):
    now = timezone.now()
    due = None if next_check is None else now + next_check
    another = PaymentFactory()
    Payment.objects.update(checked_at=now - timedelta(seconds=20), next_check_at=due)
    assert send_webhook(payment) == WebhookResult.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == payment.checked_at + timedelta(minutes=1)
    another.refresh_from_db()
    assert another.next_check_at == due
    Payment.objects.update(next_check_at=now)
    assert send_webhook(payment) == WebhookResult.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == now


def test_a_webhook_without_news_whose_state_can_be_read_leaves_the_next_check(payram, payment):
    tomorrow = timezone.now() + timedelta(days=1)
    Payment.objects.update(checked_at=timezone.now(), next_check_at=tomorrow)
    assert send_webhook(payment, State.OPEN) == WebhookResult.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == tomorrow


def test_a_webhook_that_names_an_unknown_invoice_only_is_kept_without_a_reference(payram):
    assert send_webhook(None, State.FILLED, invoice_id=str(uuid.uuid4())) == WebhookResult.UNMATCHED
    assert PaymentEvent.objects.get().reference == ""


def test_a_reference_of_another_project_is_unknown(payram, payment):
    """F26, F48."""
    Payment.objects.update(project="other")
    assert send_webhook(payment, State.FILLED) == WebhookResult.UNMATCHED


def test_an_unreadable_state_makes_us_ask_once_a_minute_at_most(payram, payment):
    send_webhook(payment)
    assert asked(payram) == 1
    send_webhook(payment)
    assert asked(payram) == 1
    Payment.objects.update(checked_at=timezone.now() - timedelta(seconds=61))
    send_webhook(payment)
    assert asked(payram) == 2


def test_the_invoice_id_completes_a_payment_whose_create_answer_was_lost(payram, order):
    payram.sandbox.inject_fault(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost = Payment.objects.get()
    known = payram.sandbox.payments()[0]
    assert send_webhook(known.reference, State.OPEN) == WebhookResult.UNMATCHED
    assert send_webhook(known.reference, State.OPEN, invoice_id=str(lost.token)) == WebhookResult.RECORDED
    lost.refresh_from_db()
    assert (lost.reference, lost.state) == (known.reference, State.OPEN)
    assert PaymentEvent.objects.get(outcome=Outcome.UNMATCHED).payment == lost


@pytest.mark.usefixtures("reads_elsewhere")
def test_webhooks_are_compared_with_what_was_written(payram, payment):
    """A replica may be behind: it must not decide what is news, nor what has been kept already."""
    assert send_webhook(payment, State.OPEN) == WebhookResult.NO_NEWS
    assert send_webhook("no-such", State.OPEN, customer_id="nobody") == WebhookResult.UNMATCHED
    assert send_webhook("no-such", State.OPEN, invoice_id=str(payment.token)) == WebhookResult.UNMATCHED
    webhooks.keep_unreadable(project=conf.project(), payload="[]", error="not an object")


def test_a_top_ups_webhook_is_on_its_timeline(payram, payment):
    payram.pay(payment, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(payment.reference)
    assert send_webhook(reference, State.FILLED, customer_id=payment.customer_id) == WebhookResult.RECORDED
    event = PaymentEvent.objects.get(reference=reference, outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, {"x": 1})


def test_an_invoice_id_of_a_payment_with_a_reference_changes_nothing(payram, payment):
    assert send_webhook("other", State.OPEN, invoice_id=str(payment.token)) == WebhookResult.UNMATCHED


def test_an_invoice_id_that_is_not_ours_completes_nothing(payram):
    lost = PaymentFactory(reference=None, state=State.CREATING)
    assert send_webhook("other", State.OPEN, invoice_id=str(uuid.uuid4())) == WebhookResult.UNMATCHED
    lost.refresh_from_db()
    assert lost.reference is None


def test_a_reference_saved_while_its_webhook_was_being_kept_is_handled(payram, payment):
    """F3: the create call's answer and the webhook come in the same instant."""

    def save_reference(sender, instance, **kwargs):
        if instance.outcome == Outcome.UNMATCHED:
            Payment.objects.update(reference=instance.reference)

    payram.sandbox.webhooks = False
    payram.sandbox.pay(payment.reference)
    Payment.objects.update(reference=None)
    post_save.connect(save_reference, sender=PaymentEvent)
    try:
        assert send_webhook(payment, State.FILLED) == WebhookResult.RECORDED
    finally:
        post_save.disconnect(save_reference, sender=PaymentEvent)
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.events.get(outcome=Outcome.RECORDED).payload == {"x": 1}


def test_undelivered_signals_are_sent_by_a_repeated_webhook(payram, payment, listener):
    """F6."""
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    assert send_webhook(payment, State.FILLED) == WebhookResult.RECEIVER_FAILED
    assert send_webhook(payment, State.FILLED) == WebhookResult.RECEIVER_FAILED
    listener.fail_on = set()
    assert send_webhook(payment, State.FILLED) == WebhookResult.NO_NEWS
    assert listener.names.count("payment_paid") == 1
    assert payment.events.get(outcome=Outcome.ANNOUNCED).source == Source.WEBHOOK


# CONFIRM_WEBHOOKS off


@pytest.fixture
def trusting(settings, payram):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}


@pytest.mark.usefixtures("trusting")
def test_a_checkable_payload_is_trusted_without_asking(payram):
    payment = PaymentFactory()
    assert send_webhook(payment, State.FILLED, "49.99") == WebhookResult.RECORDED
    payment.refresh_from_db()
    assert payment.is_paid
    assert asked(payram) == 0
    assert payment.events.get(outcome=Outcome.RECORDED).payload == {"x": 1}


@pytest.mark.usefixtures("trusting")
def test_a_requested_amount_in_usd_makes_a_payload_checkable(payram):
    payment = PaymentFactory()
    assert send_webhook(payment, State.FILLED, requested_usd=Decimal("10.00")) == WebhookResult.RECORDED
    payment.refresh_from_db()
    assert payment.is_held


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fields", [{}, {"usd": "49.99", "customer_id": "somebody else"}])
def test_a_payload_that_cannot_be_checked_is_confirmed(payram, payment, fields):
    assert send_webhook(payment, State.FILLED, **fields) == WebhookResult.NO_NEWS
    assert asked(payram) == 1


# Unreadable webhooks


def test_an_unreadable_webhook_is_kept_once_without_keys(settings, caplog):
    key = settings.PAYRAM["default"]["API_KEY"]
    for _ in range(2):
        webhooks.keep_unreadable(project=conf.project(), payload=f"[{key}]", error="not an object")
    event = PaymentEvent.objects.get()
    assert (event.outcome, event.payload, event.error) == (Outcome.UNREADABLE, "[[key]]", "not an object")
    assert (event.source, event.project) == (Source.WEBHOOK, "default")
    assert "A webhook could not be read and is not kept once more. not an object" in caplog.messages


def test_so_many_unreadable_webhooks_an_hour_are_kept(payram, monkeypatch):
    """Other events and those of an hour ago do not count."""
    monkeypatch.setattr("django_payram.payments.webhooks.UNREADABLE_PER_HOUR", 2)
    send_webhook("no-such", State.OPEN)
    for number in range(4):
        webhooks.keep_unreadable(project=conf.project(), payload=str(number), error="no object")
    unreadable = PaymentEvent.objects.filter(outcome=Outcome.UNREADABLE)
    assert set(unreadable.values_list("payload", flat=True)) == {"0", "1"}
    unreadable.update(created_at=timezone.now() - timedelta(minutes=61))
    for number in range(4):
        webhooks.keep_unreadable(project=conf.project(), payload=str(number), error="no object")
    assert unreadable.count() == 4


def test_payrams_401_for_a_reference_is_an_error_and_never_dead(payram, payment):
    payram.sandbox.inject_fault(payment.reference, "unauthorized")
    with pytest.raises(PayramRefused):
        send_webhook(payment, State.CANCELED)
    payment.refresh_from_db()
    assert payment.state == State.OPEN


def test_a_repeated_webhook_of_a_top_up_notifies_the_receivers_of_what_it_tops_up(payram, listener):
    """F9."""
    payment = PaymentFactory(undelivered=["payment_paid"], next_delivery_at=timezone.now(), paid=True)
    top_up = PaymentFactory(parent=payment, paid=True)
    assert send_webhook(top_up, State.FILLED, "49.99") == WebhookResult.NO_NEWS
    assert "payment_paid" in listener.names
