"""What a webhook leads to."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.db.models import F
from django.db.models.signals import post_save
from django.utils import timezone

from django_payram import conf, lifecycle, resync
from django_payram.exceptions import PayramRefused, PayramUnavailable
from django_payram.lifecycle import Heard, gate, hear, open_payment, rehearing
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory
from django_payram.wire import Report

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def say(payment_or_reference, state=None, usd=None, **fields):
    reference = getattr(payment_or_reference, "reference", payment_or_reference)
    report = Report(
        reference=reference,
        word=str(state or "UNDEFINED"),
        state=state,
        filled_usd=None if usd is None else Decimal(usd),
        **fields,
    )
    return hear(report, project=conf.project(), payload='{"x": 1}')


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


def test_a_webhook_is_a_hint_and_payrams_answer_is_recorded(payram, payment):
    """F50, F53: what is claimed moves nothing."""
    assert say(payment, State.FILLED, "49.99") == Heard.NO_NEWS
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert asked(payram) == 1
    payram.sandbox.pay(payment.reference)
    assert say(payment, State.FILLED, "1") == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.filled_usd == Decimal("49.99")
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, '{"x": 1}')


def test_a_delivery_without_news_costs_one_select(payram, payment, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert say(payment, State.OPEN) == Heard.NO_NEWS
    assert asked(payram) == 0


def test_a_webhook_that_cannot_be_confirmed_is_an_error_and_is_asked_about_soon(payram, payment):
    Payment.objects.update(next_check_at=timezone.now() + timedelta(days=1))
    payram.sandbox.misbehave(None, "broken")
    with pytest.raises(PayramUnavailable):
        say(payment, State.FILLED)
    payment.refresh_from_db()
    assert payment.next_check_at <= timezone.now()
    assert payment.state == State.OPEN


def test_an_unknown_reference_is_kept_once_and_not_asked_about(payram, django_assert_num_queries):
    """F11."""
    for _ in range(3):
        assert say("no-such", State.FILLED) == Heard.UNMATCHED
    event = PaymentEvent.objects.get()
    assert (event.payment, event.reference, event.outcome, event.project) == (
        None,
        "no-such",
        Outcome.UNMATCHED,
        "default",
    )
    assert event.payload == '{"x": 1}'
    assert (event.note, event.source) == ("FILLED", Source.WEBHOOK)
    assert asked(payram) == 0
    say("no-such", State.OVER_FILLED)
    assert PaymentEvent.objects.count() == 2


@pytest.mark.parametrize(("days", "scheduled"), [(40, True), (190, False)])
def test_a_webhook_that_payrams_answer_lags_behind_makes_us_ask_again_in_a_minute(payram, payment, days, scheduled):
    Payment.objects.update(created_at=timezone.now() - timedelta(days=days))
    say(payment, State.FILLED)
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert timedelta(seconds=50) < payment.next_check_at - timezone.now() <= timedelta(minutes=1)


@pytest.mark.parametrize("next_check", [None, timedelta(days=1)])
def test_a_hint_that_came_too_soon_after_the_last_question_is_followed_a_minute_after_it(payram, payment, next_check):
    now = timezone.now()
    due = None if next_check is None else now + next_check
    another = PaymentFactory()
    Payment.objects.update(checked_at=now - timedelta(seconds=20), next_check_at=due)
    assert say(payment) == Heard.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == payment.checked_at + timedelta(minutes=1)
    another.refresh_from_db()
    assert another.next_check_at == due
    Payment.objects.update(next_check_at=now)
    assert say(payment) == Heard.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == now


def test_a_webhook_without_news_whose_state_can_be_read_leaves_the_next_check(payram, payment):
    tomorrow = timezone.now() + timedelta(days=1)
    Payment.objects.update(checked_at=timezone.now(), next_check_at=tomorrow)
    assert say(payment, State.OPEN) == Heard.NO_NEWS
    payment.refresh_from_db()
    assert payment.next_check_at == tomorrow


def test_a_webhook_that_names_an_unknown_invoice_only_is_kept_without_a_reference(payram):
    assert say(None, State.FILLED, invoice_id=str(uuid.uuid4())) == Heard.UNMATCHED
    assert PaymentEvent.objects.get().reference == ""


def test_a_reference_of_another_project_is_unknown(payram, payment):
    """F26, F48."""
    Payment.objects.update(project="other")
    assert say(payment, State.FILLED) == Heard.UNMATCHED


def test_an_unreadable_state_makes_us_ask_once_a_minute_at_most(payram, payment):
    say(payment)
    assert asked(payram) == 1
    say(payment)
    assert asked(payram) == 1
    Payment.objects.update(checked_at=timezone.now() - timedelta(seconds=61))
    say(payment)
    assert asked(payram) == 2


def test_the_invoice_id_completes_a_payment_whose_create_answer_was_lost(payram, order):
    payram.sandbox.misbehave(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost = Payment.objects.get()
    known = payram.sandbox.payments()[0]
    assert say(known.reference, State.OPEN) == Heard.UNMATCHED
    assert say(known.reference, State.OPEN, invoice_id=str(lost.token)) == Heard.RECORDED
    lost.refresh_from_db()
    assert (lost.reference, lost.state) == (known.reference, State.OPEN)
    assert PaymentEvent.objects.get(outcome=Outcome.UNMATCHED).payment == lost


@pytest.mark.usefixtures("reads_elsewhere")
def test_webhooks_are_compared_with_what_was_written(payram, payment):
    """A replica may be behind: it must not decide what is news, nor what has been kept already."""
    assert say(payment, State.OPEN) == Heard.NO_NEWS
    assert say("no-such", State.OPEN, customer_id="nobody") == Heard.UNMATCHED
    assert say("no-such", State.OPEN, invoice_id=str(payment.token)) == Heard.UNMATCHED
    lifecycle.keep_unreadable(project=conf.project(), payload="[]", error="not an object")


def test_a_top_ups_webhook_is_on_its_timeline(payram, payment):
    payram.pay(payment, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(payment.reference)
    assert say(reference, State.FILLED, customer_id=payment.customer_id) == Heard.RECORDED
    event = PaymentEvent.objects.get(reference=reference, outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, '{"x": 1}')


def test_an_invoice_id_of_a_payment_with_a_reference_changes_nothing(payram, payment):
    assert say("other", State.OPEN, invoice_id=str(payment.token)) == Heard.UNMATCHED


def test_an_invoice_id_that_is_not_ours_completes_nothing(payram):
    lost = PaymentFactory(reference=None, state=State.CREATING)
    assert say("other", State.OPEN, invoice_id=str(uuid.uuid4())) == Heard.UNMATCHED
    lost.refresh_from_db()
    assert lost.reference is None


def test_a_reference_saved_while_its_webhook_was_being_kept_is_heard(payram, payment):
    """F3: the create call's answer and the webhook come in the same instant."""

    def save_reference(sender, instance, **kwargs):
        if instance.outcome == Outcome.UNMATCHED:
            Payment.objects.update(reference=instance.reference)

    payram.sandbox.webhooks = False
    payram.sandbox.pay(payment.reference)
    Payment.objects.update(reference=None)
    post_save.connect(save_reference, sender=PaymentEvent)
    try:
        assert say(payment, State.FILLED) == Heard.RECORDED
    finally:
        post_save.disconnect(save_reference, sender=PaymentEvent)
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.events.get(outcome=Outcome.RECORDED).payload == '{"x": 1}'


# Webhooks that were kept


@pytest.fixture
def keep(payram, payment):
    """Keep a webhook about a top-up of the payment, as it would be kept while nobody knew whose it was."""
    payram.pay(payment, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(payment.reference)

    def keep(**fields):
        told = {"reference_id": reference, "status": "FILLED", "customer_id": payment.customer_id}
        facts = {"project": "default", "outcome": Outcome.UNMATCHED, "source": Source.WEBHOOK, "payment": None}
        return PaymentEvent.objects.create(**{**facts, "payload": json.dumps(told), "reference": reference, **fields})

    return keep


def hear_kept(payment):
    rehearing.hear_kept("default", customer_id=payment.customer_id, since=payment.created_at)


def test_what_was_kept_of_a_customer_is_heard_once_more(keep, payment):
    for payload in ("not JSON", '{"event_type": "payout.failed"}'):
        keep(payload=payload, reference="")
    kept = keep()
    hear_kept(payment)
    child = payment.top_ups.get()
    assert child.reference == kept.reference
    assert child.events.get(outcome=Outcome.RECORDED).payload == kept.payload


def test_whose_customer_a_kept_webhook_names_is_read_where_it_was_written(keep, payment, reads_elsewhere):
    event = keep()
    events = PaymentEvent.objects.using(database()).filter(payment=None)
    assert [kept for kept, _report in rehearing._of_our_customers(events)] == [event]


def test_what_was_kept_is_read_where_it_was_written(keep, payment, reads_elsewhere):
    keep()
    hear_kept(payment)
    assert Payment.objects.using(database()).filter(parent=payment).exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"project": "other"},
        {"outcome": Outcome.UNREADABLE},
        {"payload": '{"reference_id": "x", "status": "FILLED", "customer_id": "somebody"}'},
        {"payload": '{"reference_id": "x", "status": "FILLED"}'},
    ],
)
def test_nothing_else_that_was_kept_is_heard_once_more(keep, payment, payram, fields):
    keep(**fields)
    calls = asked(payram)
    hear_kept(payment)
    assert asked(payram) == calls
    assert PaymentEvent.objects.filter(outcome=Outcome.UNMATCHED).count() <= 1


def test_what_has_been_matched_is_not_heard_once_more(keep, payment, payram):
    keep(payment=payment)
    calls = asked(payram)
    hear_kept(payment)
    assert asked(payram) == calls


def test_what_was_kept_before_is_not_heard_once_more(keep, payment, payram):
    kept = keep()
    PaymentEvent.objects.filter(pk=kept.pk).update(created_at=payment.created_at - timedelta(seconds=1))
    calls = asked(payram)
    hear_kept(payment)
    assert asked(payram) == calls


def test_pending_receivers_are_told_by_a_repeated_webhook(payram, payment, listener):
    """F6."""
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    assert say(payment, State.FILLED) == Heard.RECEIVER_FAILED
    assert say(payment, State.FILLED) == Heard.RECEIVER_FAILED
    listener.fail_on = set()
    assert say(payment, State.FILLED) == Heard.NO_NEWS
    assert listener.names.count("payment_paid") == 1
    assert payment.events.get(outcome=Outcome.ANNOUNCED).source == Source.WEBHOOK


# CONFIRM_WEBHOOKS off


@pytest.fixture
def trusting(settings, payram):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}


@pytest.mark.usefixtures("trusting")
def test_a_checkable_payload_is_trusted_without_asking(payram):
    payment = PaymentFactory()
    assert say(payment, State.FILLED, "49.99") == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.is_paid
    assert asked(payram) == 0
    assert payment.events.get(outcome=Outcome.RECORDED).payload == '{"x": 1}'


@pytest.mark.usefixtures("trusting")
def test_a_requested_amount_in_usd_makes_a_payload_checkable(payram):
    payment = PaymentFactory()
    assert say(payment, State.FILLED, requested_usd=Decimal("10.00")) == Heard.RECORDED
    payment.refresh_from_db()
    assert payment.is_held


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fields", [{}, {"usd": "49.99", "customer_id": "somebody else"}])
def test_a_payload_that_cannot_be_checked_is_confirmed(payram, payment, fields):
    assert say(payment, State.FILLED, **fields) == Heard.NO_NEWS
    assert asked(payram) == 1


# Unreadable webhooks


def test_an_unreadable_webhook_is_kept_once_without_keys(settings, caplog):
    key = settings.PAYRAM["default"]["API_KEY"]
    for _ in range(2):
        lifecycle.keep_unreadable(project=conf.project(), payload=f"[{key}]", error="not an object")
    event = PaymentEvent.objects.get()
    assert (event.outcome, event.payload, event.error) == (Outcome.UNREADABLE, "[[key]]", "not an object")
    assert (event.source, event.project) == (Source.WEBHOOK, "default")
    assert "A webhook could not be read and is not kept once more. not an object" in caplog.messages


def test_so_many_unreadable_webhooks_an_hour_are_kept(payram, monkeypatch):
    """Other events and those of an hour ago do not count."""
    monkeypatch.setattr("django_payram.lifecycle.hearing.UNREADABLE_PER_HOUR", 2)
    say("no-such", State.OPEN)
    for number in range(4):
        lifecycle.keep_unreadable(project=conf.project(), payload=str(number), error="no object")
    unreadable = PaymentEvent.objects.filter(outcome=Outcome.UNREADABLE)
    assert set(unreadable.values_list("payload", flat=True)) == {"0", "1"}
    unreadable.update(created_at=timezone.now() - timedelta(minutes=61))
    for number in range(4):
        lifecycle.keep_unreadable(project=conf.project(), payload=str(number), error="no object")
    assert unreadable.count() == 4


def test_payrams_401_for_a_reference_is_an_error_and_never_dead(payram, payment):
    payram.sandbox.misbehave(payment.reference, "unauthorized")
    with pytest.raises(PayramRefused):
        say(payment, State.CANCELED)
    payment.refresh_from_db()
    assert payment.state == State.OPEN


# A webhook that was kept because a link was being made for its customer, and a maker that died


@pytest.fixture
def left(payram, payment):
    """A top-up that was heard of while another link was being made, by a process that was then killed."""
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
    PaymentEvent.objects.update(created_at=F("created_at") - timedelta(minutes=3))
    return reference


def test_a_webhook_kept_for_a_call_that_was_killed_is_heard_by_resync(payram, payment, left, listener):
    """F3."""
    for _again in range(2):
        list(resync.run())
    payment.refresh_from_db()
    assert payment.is_paid
    child = payment.top_ups.get()
    assert child.reference == left
    assert f'"{left}"' in child.events.get(outcome=Outcome.RECORDED).payload
    assert listener.names.count("payment_paid") == 1
    assert not PaymentEvent.objects.filter(payment=None).exists()


def test_a_kept_webhook_that_cannot_be_read_keeps_nobody_waiting(payram, payment, left):
    kept = PaymentEvent.objects.get(payment=None)
    for payload in ("not JSON", '{"event_type": "payout.failed"}', '{"reference_id": "x", "status": "FILLED"}'):
        newer = PaymentEvent.objects.create(
            project="default", outcome=Outcome.UNMATCHED, source=Source.WEBHOOK, payload=payload
        )
        PaymentEvent.objects.filter(pk=newer.pk).update(created_at=kept.created_at)
    lifecycle.hear_left()
    assert payment.top_ups.get().reference == left


@pytest.mark.parametrize(
    ("fields", "during"),
    [({}, True), ({"project": "other"}, False), ({"customer_id": "somebody"}, False), ({"customer_id": ""}, False)],
)
def test_a_webhook_came_during_a_call_for_its_customer(reads_elsewhere, fields, during):
    attempt = PaymentFactory(**{"customer_id": "kim", **fields})
    event = PaymentEvent(project="default", created_at=attempt.created_at + timedelta(seconds=1))
    assert rehearing._came_during_a_call(event, Report(customer_id="kim")) is during


def test_a_webhook_kept_for_a_call_that_was_killed_is_heard_by_celery(payram, payment, left, monkeypatch):
    from django_payram import tasks

    sent = []
    monkeypatch.setattr(tasks.resync_batch, "apply_async", lambda **how: sent.append(how))
    Payment.objects.update(next_check_at=None)
    tasks.resync()
    assert payment.top_ups.get().reference == left


def test_a_kept_webhook_that_cannot_be_confirmed_is_heard_by_a_later_resync(payram, payment, left, caplog):
    payram.sandbox.misbehave(None, "broken")
    list(resync.run())
    assert not payment.top_ups.exists()
    said = f"A kept webhook about {left} could not be heard. PayRam at 127.0.0.1 refused the call with status 5"
    assert any(message.startswith(said) for message in caplog.messages)
    payram.sandbox.behave()
    list(resync.run())
    assert payment.top_ups.get().reference == left


def test_a_kept_webhook_waits_while_the_call_may_still_end(payram, payment, left):
    PaymentEvent.objects.update(created_at=timezone.now())
    list(resync.run())
    assert not payment.top_ups.exists()


@pytest.mark.parametrize("minutes", [0, 2 * 24 * 60])
def test_resync_asks_about_no_strangers_and_nothing_old(payram, payment, left, minutes):
    if minutes:
        PaymentEvent.objects.update(created_at=timezone.now() - timedelta(minutes=minutes))
    else:
        Payment.objects.update(customer_id="somebody")
    before = asked(payram)
    list(resync.run(limit=1))
    assert asked(payram) <= before + 1
    assert not payment.top_ups.exists()


def test_any_number_of_strangers_webhooks_keeps_nobody_waiting(payram, payment, left, monkeypatch):
    monkeypatch.setattr(rehearing, "READ_AT_ONCE", 3)
    monkeypatch.setattr(rehearing, "KEPT_AT_ONCE", 1)
    when = PaymentEvent.objects.get(payment=None).created_at
    for number in range(10):
        told = {"reference_id": f"stranger-{number}", "status": "OPEN", "customer_id": "staging-7"}
        kept(reference=told["reference_id"], payload=json.dumps(told), created_at=when)
    lifecycle.hear_left()
    assert payment.top_ups.get().reference == left


def test_so_many_kept_webhooks_are_heard_at_once(payram, many_left, monkeypatch):
    monkeypatch.setattr(rehearing, "KEPT_AT_ONCE", 3)
    lifecycle.hear_left()
    assert asked(payram) == 3


def test_a_kept_webhook_of_a_project_that_is_gone_keeps_nobody_waiting(payram, payment, left):
    PaymentEvent.objects.filter(payment=None).update(project="gone")
    Payment.objects.filter(reference=None).update(project="gone")
    list(resync.run())
    assert not payment.top_ups.exists()


@pytest.fixture
def many_left(payram, settings):
    """Webhooks that were kept during calls for two projects, two of each."""
    when = timezone.now() - timedelta(minutes=3)
    for project in ("default", "second") * 2:
        attempt = PaymentFactory(state=State.CREATING, reference=None, project=project, created_at=when)
        payload = {"reference_id": str(uuid.uuid4()), "status": "FILLED", "customer_id": attempt.customer_id}
        kept(project=project, reference=payload["reference_id"], payload=json.dumps(payload), created_at=when)
    settings.PAYRAM = {**payram.setting(), "second": payram.setting()["default"]}


def test_no_kept_webhook_is_heard_once_the_end_was_asked_for(payram, many_left):
    lifecycle.hear_left(stop=lambda: True)
    assert asked(payram) == 0


def test_the_end_may_be_asked_for_between_two_kept_webhooks(payram, many_left):
    lifecycle.hear_left(stop=lambda: asked(payram) > 0)
    assert asked(payram) == 1


def test_a_run_of_celery_hears_kept_webhooks_for_a_limited_time(payram, many_left, monkeypatch):
    from django_payram import tasks

    monkeypatch.setattr(tasks, "HEARING_SECONDS", -1)
    monkeypatch.setattr(tasks.resync_batch, "apply_async", lambda **_: None)
    tasks.resync()
    assert asked(payram) == 0


def test_one_call_tells_that_a_project_is_down_and_the_others_are_heard(payram, many_left, settings, caplog):
    dead = {**payram.setting()["default"], "BASE_URL": "http://127.0.0.1:9"}
    settings.PAYRAM = {**settings.PAYRAM, "second": dead}
    lifecycle.hear_left()
    heard = [message for message in caplog.messages if message.startswith("A kept webhook")]
    assert len([message for message in heard if "could not be asked" in message]) == 1
    assert asked(payram) == 2


def test_a_refusal_does_not_keep_the_other_kept_webhooks_of_the_project_waiting(payram, many_left):
    payram.sandbox.misbehave(None, "unauthorized")
    lifecycle.hear_left()
    assert asked(payram) == 4


# Webhooks that came early


def kept(**facts):
    facts = {"project": "default", "source": Source.WEBHOOK, "outcome": Outcome.UNMATCHED, **facts}
    return PaymentEvent.objects.create(**facts)


EARLIER, LATER = timedelta(seconds=-1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("offset", "facts", "is_meant"),
    [
        (LATER, {"reference": "other"}, True),
        (timedelta(0), {"reference": "other"}, True),
        (EARLIER, {"reference": "other"}, False),
        (EARLIER, {"reference": "mine"}, True),
        (EARLIER, {"reference": "mine", "outcome": Outcome.UNREADABLE}, True),
        (LATER, {"reference": "other", "outcome": Outcome.UNREADABLE}, False),
        (LATER, {"reference": "mine", "project": "second"}, False),
        (LATER, {"reference": "other", "project": "second"}, False),
    ],
)
def test_a_webhook_that_may_be_about_a_new_payment_is_noticed(offset, facts, is_meant):
    payment = PaymentFactory(reference="mine")
    kept(**facts, created_at=payment.created_at + offset)
    assert rehearing.came_early(payment) is is_meant


def test_a_line_of_another_payment_is_not_about_a_new_one():
    payment = PaymentFactory(reference="mine")
    kept(payment=PaymentFactory(), reference="mine", created_at=payment.created_at + LATER)
    assert not rehearing.came_early(payment)


@pytest.mark.django_db(transaction=True)
def test_a_kept_webhook_is_heard_again_when_recording_failed(payram, order, monkeypatch):
    """F3: PayRam has been told that it arrived, and does not send it again."""
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    reference, made_at = payment.reference, timezone.now() - timedelta(minutes=4)
    payram.sandbox.pay(reference)
    PaymentEvent.objects.all().delete()
    Payment.objects.update(
        reference=None, url="", state=State.CREATING, live_slot=None, next_check_at=None, created_at=made_at
    )
    told = {"reference_id": reference, "status": "FILLED", "customer_id": payment.customer_id}
    kept(reference=reference, payload=json.dumps(told), created_at=made_at + timedelta(minutes=1))

    def deadlock(*args, **options):
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as busy:
        busy.setattr(gate, "record", deadlock)
        lifecycle.hear_left()
    lifecycle.hear_left()
    payment.refresh_from_db()
    assert (payment.reference, payment.is_paid) == (reference, True)


def test_a_repeated_webhook_of_a_top_up_tells_the_receivers_of_what_it_tops_up(payram, listener):
    """F9."""
    payment = PaymentFactory(pending="payment_paid", paid=True)
    top_up = PaymentFactory(parent=payment, paid=True)
    assert say(top_up, State.FILLED, "49.99") == Heard.NO_NEWS
    assert "payment_paid" in listener.names


def test_a_kept_webhook_whose_reference_is_known_by_now_is_given_to_the_payment(payram, payment):
    PaymentFactory(pk=-1, project="second", reference=payment.reference)
    PaymentFactory(pk=-2, reference="another")
    made_at = payment.created_at - timedelta(minutes=4)
    Payment.objects.update(created_at=made_at)
    told = {"reference_id": payment.reference, "status": "OPEN", "customer_id": payment.customer_id}
    event = kept(reference=payment.reference, payload=json.dumps(told), created_at=made_at + timedelta(minutes=1))
    lifecycle.hear_left()
    event.refresh_from_db()
    assert event.payment == payment


def test_a_kept_webhook_that_stays_unknown_stays_kept(payram, payment):
    made_at = payment.created_at - timedelta(minutes=4)
    Payment.objects.update(created_at=made_at)
    told = {"reference_id": "nobodys", "status": "OPEN", "customer_id": payment.customer_id}
    event = kept(reference="nobodys", payload=json.dumps(told), created_at=made_at + timedelta(minutes=1))
    lifecycle.hear_left()
    event.refresh_from_db()
    assert event.payment is None
