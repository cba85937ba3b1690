"""Whose an unknown reference is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramError, PayramRefused, PayramUnavailable
from django_payram.gateway.client import client_for
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type, database, order_key
from django_payram.models.states import Review, State
from django_payram.payments import matching, open_payment
from django_payram.payments.webhooks import WebhookResult, handle_webhook
from django_payram.polling import worker
from django_payram.testing import running_payram
from django_payram.testing.factories import PaymentFactory
from tests.servers import http, raw_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def parent(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def say(reference, customer_id, **fields):
    report = PaymentUpdate(reference=reference, word="FILLED", state=State.FILLED, customer_id=customer_id, **fields)
    return handle_webhook(replace(report, fields={"x": 1}), project=conf.project())


def asked(payram):
    return [call.path for call in payram.sandbox.calls if call.method == "GET"]


def test_a_top_up_under_a_new_reference_pays_for_its_parent_once(payram, parent, listener, order):
    payram.pay(parent, 20)
    reference = payram.sandbox.top_up(parent.reference)
    payram.deliver()
    parent.refresh_from_db()
    child = Payment.objects.get(reference=reference)
    assert child.parent == parent
    assert (child.order, child.customer_id, child.customer_email) == (order, parent.customer_id, parent.customer_email)
    assert (child.amount_usd, child.state) == (Decimal("29.99"), State.FILLED)
    assert parent.is_paid
    assert parent.received_usd == Decimal("49.99")
    assert not child.is_paid
    assert listener.names.count("payment_paid") == 1
    payram.sandbox.redeliver(reference)
    assert listener.names.count("payment_paid") == 1
    assert Payment.objects.for_order(order).received_usd() == Decimal("49.99")


def test_a_top_up_whose_answer_could_not_be_recorded_is_asked_about_by_resync(payram, parent, monkeypatch):
    payram.pay(parent, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    with monkeypatch.context() as broken:
        broken.setattr("django_payram.payments.transitions.apply", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            say(reference, parent.customer_id)
    assert [asked.payment.reference for asked in worker.run()] == [reference]
    parent.refresh_from_db()
    assert parent.is_paid


def test_a_top_up_that_does_not_suffice_leaves_the_rest_missing(payram, parent):
    payram.pay(parent, 20)
    payram.sandbox.top_up(parent.reference, 10)
    payram.deliver()
    parent.refresh_from_db()
    assert not parent.is_paid
    assert parent.missing_usd == Decimal("19.99")


def test_a_parent_believed_open_is_asked_about_too(payram, parent):
    payram.sandbox.webhooks = False
    payram.sandbox.pay(parent.reference, 20)
    reference = payram.sandbox.top_up(parent.reference)
    assert say(reference, parent.customer_id) == WebhookResult.RECORDED
    parent.refresh_from_db()
    assert parent.state == State.PARTIALLY_FILLED
    assert parent.is_paid


def test_an_unknown_customer_is_not_asked_about(payram, parent):
    """F11."""
    assert say("stranger", "somebody") == WebhookResult.UNMATCHED
    assert say("stranger", None) == WebhookResult.UNMATCHED
    assert asked(payram) == []


def test_a_webhook_that_names_a_customer_only_is_not_asked_about(payram, parent):
    assert say(None, parent.customer_id) == WebhookResult.UNMATCHED
    assert asked(payram) == []


def test_a_customer_of_another_project_is_not_ours(payram, parent):
    """F48."""
    Payment.objects.update(project="other")
    assert say("stranger", parent.customer_id) == WebhookResult.UNMATCHED
    assert asked(payram) == []


def test_a_reference_that_payram_does_not_know_stays_unmatched(payram, parent):
    assert say("no-such-payment", parent.customer_id) == WebhookResult.UNMATCHED
    assert len(asked(payram)) == 1
    assert PaymentEvent.objects.get(payment=None).outcome == Outcome.UNMATCHED
    assert Payment.objects.count() == 1


def test_a_reference_of_another_customer_stays_unmatched(payram, parent):
    """F51."""
    other = payram.sandbox.payment(open_payment(amount=3, email="a@example.org", customer_id="other").reference)
    Payment.objects.filter(reference=other.reference).delete()
    payram.sandbox.webhooks = False
    payram.sandbox.pay(other.reference)
    assert say(other.reference, parent.customer_id) == WebhookResult.UNMATCHED
    parent.refresh_from_db()
    assert parent.review == "", "money of somebody else is no reason to look"


def test_a_top_up_that_cannot_be_confirmed_now_is_an_error(payram, parent):
    payram.pay(parent, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    payram.sandbox.inject_fault(None, "broken")
    with pytest.raises(PayramUnavailable):
        say(reference, parent.customer_id)
    assert Payment.objects.count() == 1


def test_an_answer_without_a_customer_confirms_nothing_and_is_reviewed(order, listener):
    with running_payram(api_version="faq") as payram:
        parent = open_payment(order, amount=order.total, email=order.email)
        payram.pay(parent, 20)
        reference = payram.sandbox.top_up(parent.reference)
        for _ in range(2):
            assert say(reference, parent.customer_id) == WebhookResult.UNMATCHED
    parent.refresh_from_db()
    assert not parent.is_paid
    assert parent.review == Review.UNCLEAR
    assert parent.events.get(outcome=Outcome.DOUBTFUL).note == reference
    assert listener.names.count("payment_needs_review") == 1


def test_a_payment_that_is_just_being_made_is_not_mistaken_for_a_top_up(payram, parent, order):
    Payment.objects.update(live_slot=None)
    Payment.objects.create(
        project="default",
        customer_id=parent.customer_id,
        amount_usd=Decimal(70),
        order_type=content_type(order),
        order_id=str(order.pk),
        live_slot=order_key(order).live_slot(""),
    )
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    assert say(reference, parent.customer_id) == WebhookResult.UNMATCHED
    assert asked(payram) == []
    Payment.objects.filter(reference=None).update(created_at=timezone.now() - timedelta(minutes=3))
    assert say(reference, parent.customer_id) == WebhookResult.RECORDED
    assert Payment.objects.get(reference=reference).parent == parent
    assert not PaymentEvent.objects.filter(payment=None).exists(), "the early webhook was matched"


def test_a_lost_create_answer_is_completed_by_customer_and_amount(payram, order):
    payram.sandbox.inject_fault(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost = Payment.objects.get()
    known = payram.sandbox.payments()[0]
    payram.sandbox.webhooks = False
    payram.sandbox.pay(known.reference)
    assert say(known.reference, lost.customer_id) == WebhookResult.RECORDED
    lost.refresh_from_db()
    assert lost.reference == known.reference
    assert lost.is_paid


def test_money_for_a_paid_payment_under_a_new_reference_is_flagged(payram, parent, listener):
    """F23."""
    payram.pay(parent)
    payram.sandbox.top_up(parent.reference, 10)
    payram.deliver()
    parent.refresh_from_db()
    assert parent.review == Review.DUPLICATE
    assert parent.surplus_usd == 10
    assert listener.names.count("payment_paid") == 1


def test_money_for_a_canceled_payment_under_a_new_reference_is_late(payram, parent):
    """F28."""
    payram.expire(parent)
    payram.sandbox.top_up(parent.reference, "49.99")
    payram.deliver()
    parent.refresh_from_db()
    assert parent.is_paid
    assert parent.review == Review.LATE


def test_the_newest_unpaid_payment_of_the_customer_is_topped_up(payram, order):
    old = open_payment(order, amount=10, email=order.email)
    new = open_payment(order, amount=20, email=order.email)
    payram.deliver()
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(new.reference, 5)
    say(reference, new.customer_id)
    assert Payment.objects.get(reference=reference).parent == new
    Payment.objects.filter(pk=new.pk).update(paid_at=timezone.now())
    reference = payram.sandbox.top_up(new.reference, 5)
    say(reference, new.customer_id)
    assert Payment.objects.get(reference=reference).parent == old


@pytest.mark.parametrize(
    ("fields", "reference", "matched"),
    [
        ({}, None, True),
        ({"reference": "other"}, None, False),
        ({"reference": "other"}, "other", True),
        ({"project": "other"}, None, False),
    ],
)
def test_a_payment_is_given_the_kept_webhooks_of_its_reference(db, fields, reference, matched):
    payment = PaymentFactory(reference="known")
    facts = {"project": "default", "reference": "known", "source": Source.WEBHOOK, "outcome": Outcome.UNMATCHED}
    event = PaymentEvent.objects.create(**{**facts, **fields}, customer_id="kim")
    assert matching.attach_events(payment, reference=reference) is matched
    event.refresh_from_db()
    assert (event.payment, event.customer_id) == ((payment, "") if matched else (None, "kim"))


def test_a_parent_that_cannot_be_asked_about_does_not_bar_its_top_up(payram, parent, monkeypatch, caplog):
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)

    def refuse(payment, **how):
        raise PayramRefused("PayRam said no.", status=403, code="")

    monkeypatch.setattr(matching, "fetch_and_apply", refuse)
    assert say(reference, parent.customer_id) == WebhookResult.RECORDED
    assert Payment.objects.get(reference=reference).parent == parent
    assert f"PayRam could not be asked about {parent}, which is topped up. PayRam said no." in caplog.messages


@pytest.mark.parametrize("kind", ["not_json", "throttled", "broken"])
def test_a_top_up_that_payram_does_not_confirm_for_a_passing_reason_is_sent_again_and_kept(payram, parent, kind):
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    payram.sandbox.inject_fault(None, kind)
    with pytest.raises(PayramError):
        say(reference, parent.customer_id)
    assert PaymentEvent.objects.get(payment=None).reference == reference
    payram.sandbox.clear_faults()
    assert say(reference, parent.customer_id) == WebhookResult.RECORDED
    assert not PaymentEvent.objects.filter(payment=None).exists()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_only_a_refusal_that_means_no_such_payment_leaves_a_top_up_unmatched(parent, monkeypatch, status):
    class Refuses:
        def fetch(self, reference):
            raise PayramRefused("PayRam said no.", status=status, code="")

    monkeypatch.setattr(matching, "client_for", lambda project: Refuses())
    if status == 403:
        with pytest.raises(PayramRefused):
            say("new", parent.customer_id)
    else:
        assert say("new", parent.customer_id) == WebhookResult.UNMATCHED


def test_an_attempt_that_began_while_payram_was_asked_is_not_taken_for_the_lost_one(payram, order, monkeypatch):
    payram.sandbox.webhooks = False
    payram.sandbox.inject_fault(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost, reference = Payment.objects.get(), payram.sandbox.payments()[0].reference

    class SlowServerThatForgetsInvoiceIds:
        def fetch(self, asked):
            answer = replace(client_for(conf.project()).fetch(asked), invoice_id="")
            self.attempt = PaymentFactory(
                order_type_id=lost.order_type_id,
                order_id=lost.order_id,
                customer_id=lost.customer_id,
                state=State.CREATING,
                reference=None,
                live_slot=order_key(order).live_slot(""),
            )
            return answer

    server = SlowServerThatForgetsInvoiceIds()
    monkeypatch.setattr(matching, "client_for", lambda project: server)
    assert say(reference, lost.customer_id) == WebhookResult.UNMATCHED
    server.attempt.refresh_from_db()
    assert server.attempt.reference is None
    assert PaymentEvent.objects.filter(payment=None, reference=reference).exists()


def test_a_line_that_another_payment_has_stays_where_it_is(db):
    """A top-up that could not be distinguished is noted under its reference, on the payment that it may top up."""
    other, payment = PaymentFactory(), PaymentFactory(reference="known")
    facts = {"project": "default", "reference": "known", "source": Source.WEBHOOK, "outcome": Outcome.UNMATCHED}
    event = PaymentEvent.objects.create(payment=other, **facts)
    assert not matching.attach_events(payment)
    event.refresh_from_db()
    assert event.payment == other


def test_of_two_webhooks_at_once_one_inserts_the_top_up_and_the_other_finds_it(payram):
    parent = PaymentFactory(partly_paid=True)
    hint = PaymentUpdate(reference="top-up", customer_id=parent.customer_id)
    first, second = (matching._insert_top_up(parent, hint, PaymentUpdate()) for _ in range(2))
    assert first == second
    assert Payment.objects.filter(parent=parent).count() == 1


def test_a_top_up_was_asked_about_and_keeps_its_webhook(payram, parent):
    payram.pay(parent, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    before = timezone.now()
    assert say(reference, parent.customer_id) == WebhookResult.RECORDED
    child = Payment.objects.get(reference=reference)
    assert child.checked_at >= before
    assert child.events.get(outcome=Outcome.RECORDED).payload == {"x": 1}


def test_a_lost_payment_takes_its_reference_and_webhooks_from_the_one_that_found_it(db, settings):
    """An answer need not repeat the reference that it was asked for."""
    lost = PaymentFactory(reference=None, state=State.FAILED, customer_id="kim", amount_usd=30)
    kept = PaymentEvent.objects.create(
        project="default", reference="found", source=Source.WEBHOOK, outcome=Outcome.UNMATCHED
    )
    answered = {"paymentState": "OPEN", "amountInUSD": "30", "customerID": "kim"}
    with raw_server(http(body=answered)) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        assert say("found", "kim") == WebhookResult.RECORDED
    lost.refresh_from_db()
    assert (lost.reference, lost.state) == ("found", State.OPEN)
    kept.refresh_from_db()
    assert kept.payment == lost


def test_customers_are_found_where_their_payments_were_written(payram, parent, reads_elsewhere):
    payram.sandbox.webhooks = False
    payram.sandbox.pay(parent.reference, 20)
    assert say(payram.sandbox.top_up(parent.reference), parent.customer_id) == WebhookResult.RECORDED


@pytest.mark.parametrize(
    ("invoice", "requested", "found"),
    [
        ("creating", "20", "creating"),
        ("failed", None, "failed"),
        (None, "10", "creating"),
        (None, "9.999", "creating"),
        (None, None, None),
        (None, "50", None),
        (None, "30", None),
        (None, "40", None),
    ],
)
def test_a_lost_payment_is_known_by_its_invoice_id_else_by_its_amount(db, invoice, requested, found):
    payments = {
        "creating": PaymentFactory(reference=None, state=State.CREATING, amount_usd=10),
        "failed": PaymentFactory(reference=None, state=State.FAILED, amount_usd=20),
        "named": PaymentFactory(reference="named", state=State.FAILED, amount_usd=30),
        "open": PaymentFactory(reference=None, state=State.OPEN, amount_usd=40),
    }
    answer = PaymentUpdate(
        reference="new",
        customer_id="kim",
        invoice_id=invoice and str(payments[invoice].token),
        requested_usd=requested and Decimal(requested),
    )
    proven = matching._proven(list(Payment.objects.all()), answer, answer)
    assert (proven if proven is None or proven.parent is None else None) == payments.get(found)


@pytest.mark.parametrize(
    ("fields", "awaited"),
    [
        ({}, True),
        ({"reference": "known"}, False),
        ({"state": State.OPEN}, False),
        ({"created_at": timezone.now() - timedelta(minutes=3)}, False),
    ],
)
def test_a_call_is_expected_to_end_while_it_may_still_bring_a_reference(db, fields, awaited):
    PaymentFactory(**{"reference": None, "state": State.CREATING, **fields})
    assert matching._is_expected(Payment.objects.all()) is awaited


@pytest.mark.parametrize(
    ("requested", "filled", "amount"), [("5.009", None, "5.01"), ("5", "7", "5"), (None, "7", "7"), (None, None, "0")]
)
def test_a_top_up_is_worth_what_was_asked_for_else_what_has_come(db, requested, filled, amount):
    parent = PaymentFactory(partly_paid=True)
    answer = PaymentUpdate(
        requested_usd=None if requested is None else Decimal(requested),
        filled_usd=None if filled is None else Decimal(filled),
    )
    child = matching._insert_top_up(parent, PaymentUpdate(reference="top-up"), answer)
    assert child.amount_usd == Decimal(amount)


def test_money_of_a_customer_of_whom_payram_knows_no_payment_is_reviewed(payram, order):
    """Two attempts got no answer, and PayRam has a payment of the same customer for another amount."""
    _old, new = (PaymentFactory(reference=None, state=State.FAILED, customer_id="kim") for _ in range(2))
    known = open_payment(amount=7, email="a@example.org", customer_id="kim")
    payram.sandbox.pay(known.reference)
    Payment.objects.filter(pk=known.pk).delete()
    assert say(known.reference, "kim") == WebhookResult.UNMATCHED
    new.refresh_from_db()
    assert (new.review, Payment.objects.count()) == (Review.UNCLEAR, 2)


@pytest.mark.usefixtures("reads_elsewhere")
def test_a_reference_is_flagged_once_at_each_payment_that_its_money_may_be_of(db):
    first, second = PaymentFactory(), PaymentFactory()
    second.events.create(outcome=Outcome.UNMATCHED, source=Source.WEBHOOK, note="unplaced")
    for payment in (first, first, second):
        matching.flag_unplaced(payment, "unplaced")
    flagged = PaymentEvent.objects.using(database()).filter(outcome=Outcome.DOUBTFUL, note="unplaced")
    assert list(flagged.order_by("pk").values_list("payment", flat=True)) == [first.pk, second.pk]


@pytest.mark.parametrize("customer_id", ["", None])
def test_nobody_without_a_customer_id_owns_a_payment_without_one(db, customer_id):
    PaymentFactory(customer_id="")
    assert matching.likely_owner("default", customer_id) is None
