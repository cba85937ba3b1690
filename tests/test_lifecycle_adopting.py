"""Payments that were made at PayRam without us."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_payram import conf, lifecycle, resync
from django_payram.client import client_for
from django_payram.exceptions import PayramError, PayramRefused, PayramUnavailable
from django_payram.lifecycle import Heard, adopting, hear, open_payment
from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type, slot
from django_payram.states import Review, State
from django_payram.testing import running_payram
from django_payram.testing.factories import PaymentFactory
from django_payram.wire import Report
from tests.servers import http, raw_server
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def parent(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def say(reference, customer_id, **fields):
    report = Report(reference=reference, word="FILLED", state=State.FILLED, customer_id=customer_id, **fields)
    return hear(report, project=conf.project(), payload="{}")


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
        broken.setattr("django_payram.lifecycle.gate.record", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            say(reference, parent.customer_id)
    assert [asked.payment.reference for asked in resync.run()] == [reference]
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
    assert say(reference, parent.customer_id) == Heard.RECORDED
    parent.refresh_from_db()
    assert parent.state == State.PARTIALLY_FILLED
    assert parent.is_paid


def test_an_unknown_customer_is_not_asked_about(payram, parent):
    """F11."""
    assert say("stranger", "somebody") == Heard.UNMATCHED
    assert say("stranger", None) == Heard.UNMATCHED
    assert asked(payram) == []


def test_a_customer_of_another_project_is_not_ours(payram, parent):
    """F48."""
    Payment.objects.update(project="other")
    assert say("stranger", parent.customer_id) == Heard.UNMATCHED
    assert asked(payram) == []


def test_a_reference_that_payram_does_not_know_stays_unmatched(payram, parent):
    assert say("no-such-payment", parent.customer_id) == Heard.UNMATCHED
    assert len(asked(payram)) == 1
    assert PaymentEvent.objects.get(payment=None).outcome == Outcome.UNMATCHED
    assert Payment.objects.count() == 1


def test_a_reference_of_another_customer_stays_unmatched(payram, parent):
    """F51."""
    other = payram.sandbox.payment(open_payment(amount=3, email="a@example.org", customer_id="other").reference)
    Payment.objects.filter(reference=other.reference).delete()
    assert say(other.reference, parent.customer_id) == Heard.UNMATCHED


def test_a_top_up_that_cannot_be_confirmed_now_is_an_error(payram, parent):
    payram.pay(parent, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    payram.sandbox.misbehave(None, "broken")
    with pytest.raises(PayramUnavailable):
        say(reference, parent.customer_id)
    assert Payment.objects.count() == 1


def test_an_answer_without_a_customer_confirms_nothing_and_a_person_is_told(order, listener):
    with running_payram(vintage="faq") as payram:
        parent = open_payment(order, amount=order.total, email=order.email)
        payram.pay(parent, 20)
        reference = payram.sandbox.top_up(parent.reference)
        for _ in range(2):
            assert say(reference, parent.customer_id) == Heard.UNMATCHED
    parent.refresh_from_db()
    assert not parent.is_paid
    assert parent.review == Review.PARTIAL
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
        live_slot=slot(order),
    )
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    assert say(reference, parent.customer_id) == Heard.UNMATCHED
    assert asked(payram) == []
    Payment.objects.filter(reference=None).update(created_at=timezone.now() - timedelta(minutes=3))
    assert say(reference, parent.customer_id) == Heard.RECORDED
    assert Payment.objects.get(reference=reference).parent == parent
    assert not PaymentEvent.objects.filter(payment=None).exists(), "the early webhook was matched"


def test_a_lost_create_answer_is_completed_by_customer_and_amount(payram, order):
    payram.sandbox.misbehave(None, "cut_body", times=1)
    with pytest.raises(PayramUnavailable):
        open_payment(order, amount=order.total, email=order.email)
    lost = Payment.objects.get()
    known = payram.sandbox.payments()[0]
    payram.sandbox.webhooks = False
    payram.sandbox.pay(known.reference)
    assert say(known.reference, lost.customer_id) == Heard.RECORDED
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
    event = PaymentEvent.objects.create(**{**facts, **fields})
    assert adopting.match(payment, reference=reference) is matched
    event.refresh_from_db()
    assert event.payment == (payment if matched else None)


def test_a_parent_that_cannot_be_asked_about_does_not_bar_its_top_up(payram, parent, monkeypatch, caplog):
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)

    def refuse(payment, **how):
        raise PayramRefused("PayRam said no.", status=403, code="")

    monkeypatch.setattr(adopting, "ask_and_record", refuse)
    assert say(reference, parent.customer_id) == Heard.RECORDED
    assert Payment.objects.get(reference=reference).parent == parent
    assert f"PayRam could not be asked about {parent}, which is topped up. PayRam said no." in caplog.messages


@pytest.mark.parametrize("kind", ["not_json", "throttled", "broken"])
def test_a_top_up_that_payram_does_not_confirm_for_a_passing_reason_is_sent_again_and_kept(payram, parent, kind):
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    payram.sandbox.misbehave(None, kind)
    with pytest.raises(PayramError):
        say(reference, parent.customer_id)
    assert PaymentEvent.objects.get(payment=None).reference == reference
    payram.sandbox.behave()
    assert say(reference, parent.customer_id) == Heard.RECORDED
    assert not PaymentEvent.objects.filter(payment=None).exists()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_only_a_refusal_that_means_no_such_payment_leaves_a_top_up_unmatched(parent, monkeypatch, status):
    class Refuses:
        def fetch(self, reference):
            raise PayramRefused("PayRam said no.", status=status, code="")

    monkeypatch.setattr(adopting, "client_for", lambda project: Refuses())
    if status == 403:
        with pytest.raises(PayramRefused):
            say("new", parent.customer_id)
    else:
        assert say("new", parent.customer_id) == Heard.UNMATCHED


def test_an_attempt_that_began_while_payram_was_asked_is_not_taken_for_the_lost_one(payram, order, monkeypatch):
    payram.sandbox.webhooks = False
    payram.sandbox.misbehave(None, "cut_body", times=1)
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
                live_slot=slot(order),
            )
            return answer

    server = SlowServerThatForgetsInvoiceIds()
    monkeypatch.setattr(adopting, "client_for", lambda project: server)
    assert say(reference, lost.customer_id) == Heard.UNMATCHED
    server.attempt.refresh_from_db()
    assert server.attempt.reference is None
    assert PaymentEvent.objects.filter(payment=None, reference=reference).exists()


def test_a_line_that_another_payment_has_stays_where_it_is(db):
    """A top-up that could not be told apart is noted under its reference, on the payment that it may top up."""
    other, payment = PaymentFactory(), PaymentFactory(reference="known")
    facts = {"project": "default", "reference": "known", "source": Source.WEBHOOK, "outcome": Outcome.UNMATCHED}
    event = PaymentEvent.objects.create(payment=other, **facts)
    assert not adopting.match(payment)
    event.refresh_from_db()
    assert event.payment == other


def test_of_two_webhooks_at_once_one_inserts_the_top_up_and_the_other_finds_it(payram):
    parent = PaymentFactory(partly_paid=True)
    hint = Report(reference="top-up", customer_id=parent.customer_id)
    first, second = (adopting._top_up(parent, hint, Report()) for _ in range(2))
    assert first == second
    assert Payment.objects.filter(parent=parent).count() == 1


def test_a_top_up_was_asked_about_and_keeps_its_webhook(payram, parent):
    payram.pay(parent, 20)
    payram.sandbox.webhooks = False
    reference = payram.sandbox.top_up(parent.reference)
    before = timezone.now()
    assert say(reference, parent.customer_id) == Heard.RECORDED
    child = Payment.objects.get(reference=reference)
    assert child.checked_at >= before
    assert child.events.get(outcome=Outcome.RECORDED).payload == "{}"


def test_a_lost_payment_takes_its_reference_and_webhooks_from_the_one_that_found_it(db, settings):
    """An answer need not repeat the reference that it was asked for."""
    lost = PaymentFactory(reference=None, state=State.FAILED, customer_id="kim", amount_usd=30)
    kept = PaymentEvent.objects.create(
        project="default", reference="found", source=Source.WEBHOOK, outcome=Outcome.UNMATCHED
    )
    told = {"paymentState": "OPEN", "amountInUSD": "30", "customerID": "kim"}
    with raw_server(http(body=told)) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        assert say("found", "kim") == Heard.RECORDED
    lost.refresh_from_db()
    assert (lost.reference, lost.state) == ("found", State.OPEN)
    kept.refresh_from_db()
    assert kept.payment == lost


def test_customers_are_found_where_their_payments_were_written(payram, parent, reads_elsewhere):
    payram.sandbox.webhooks = False
    payram.sandbox.pay(parent.reference, 20)
    assert say(payram.sandbox.top_up(parent.reference), parent.customer_id) == Heard.RECORDED


@pytest.mark.parametrize(
    ("invoice", "requested", "found"),
    [
        ("creating", "20", "creating"),
        ("failed", None, "failed"),
        (None, "20", "failed"),
        (None, "10", "creating"),
        (None, "9.999", "creating"),
        (None, None, None),
        (None, "50", None),
        ("named", "30", None),
        (None, "30", None),
        ("open", None, None),
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
    answer = Report(invoice_id=invoice and str(payments[invoice].token), requested_usd=requested and Decimal(requested))
    assert adopting._lost(Payment.objects.all(), answer) == payments.get(found)


@pytest.mark.parametrize(
    ("fields", "awaited"),
    [
        ({}, True),
        ({"reference": "known"}, False),
        ({"state": State.OPEN}, False),
        ({"created_at": timezone.now() - timedelta(minutes=3)}, False),
    ],
)
def test_a_call_is_awaited_while_it_may_still_bring_a_reference(db, fields, awaited):
    PaymentFactory(**{"reference": None, "state": State.CREATING, **fields})
    assert adopting._is_awaited(Payment.objects.all()) is awaited


@pytest.mark.parametrize(
    ("requested", "filled", "amount"), [("5.009", None, "5.01"), ("5", "7", "5"), (None, "7", "7"), (None, None, "0")]
)
def test_a_top_up_is_worth_what_was_asked_for_else_what_has_come(db, requested, filled, amount):
    parent = PaymentFactory(partly_paid=True)
    answer = Report(
        requested_usd=None if requested is None else Decimal(requested),
        filled_usd=None if filled is None else Decimal(filled),
    )
    child = adopting._top_up(parent, Report(reference="top-up"), answer)
    assert child.amount_usd == Decimal(amount)


def test_a_customer_of_whom_payram_knows_no_payment_tops_up_the_newest(payram, order):
    """PayRam made a payment for an attempt that it had refused before, with another amount."""
    old, new = (PaymentFactory(reference=None, state=State.FAILED, customer_id="kim") for _ in range(2))
    known = payram.sandbox.payment(open_payment(amount=7, email="a@example.org", customer_id="kim").reference)
    Payment.objects.filter(reference=known.reference).delete()
    say(known.reference, "kim")
    assert Payment.objects.get(reference=known.reference).parent == new
    assert not old.top_ups.exists()


# PayRam's own dashboard


@pytest.fixture
def foreign(payram):
    """A payment that PayRam knows and we do not."""
    payment = open_payment(amount=30, email="a@example.org", customer_id="kim")
    payment.delete()
    payram.sandbox.pay(payment.reference)
    payram.deliver()
    return payment.reference


def test_a_payment_of_payrams_dashboard_is_adopted_with_its_webhooks(foreign, order, listener):
    assert PaymentEvent.objects.get().payment is None
    payment = lifecycle.adopt(foreign, order=order, actor="lee")
    assert payment.is_paid
    assert (payment.amount_usd, payment.customer_id, payment.order) == (30, "kim", order)
    assert listener.names.count("payment_paid") == 1
    assert not PaymentEvent.objects.filter(payment=None).exists()
    assert payment.events.get(outcome=Outcome.PAID).actor == "lee"
    assert lifecycle.adopt(foreign) == payment


def test_a_known_reference_is_only_asked_about(payram, order):
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference)
    assert lifecycle.adopt(payment.reference, order=order) == payment
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.events.get(outcome=Outcome.PAID).source == Source.ADMIN
    assert Payment.objects.count() == 1


def test_a_known_reference_is_not_given_to_another_order(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    calls = len(payram.sandbox.calls)
    with pytest.raises(ValueError) as caught:
        lifecycle.adopt(payment.reference, order=Order.objects.create())
    assert str(caught.value) == f"{payment.reference} is known already and belongs to another order or to none."
    assert len(payram.sandbox.calls) == calls


def test_a_payment_of_no_order_and_no_customer_is_adopted_as_it_is(db, settings):
    told = {"paymentState": "OPEN", "amountInUSD": "30.004"}
    with raw_server(http(body=told)) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        payment = lifecycle.adopt("from-the-dashboard")
    assert (payment.reference, payment.customer_id, payment.amount_usd) == ("from-the-dashboard", "", 30)
    assert (payment.order_type, payment.order_id, payment.order) == (None, "", None)
    assert payment.checked_at is not None
    assert {event.actor for event in payment.events.all()} == {""}


def test_a_payment_without_a_known_amount_cannot_be_adopted():
    with running_payram(vintage="faq") as payram:
        payment = open_payment(amount=30, email="a@example.org")
        payment.delete()
        with pytest.raises(ValueError, match="in US dollars"):
            lifecycle.adopt(payment.reference)
        assert payram


def test_an_unknown_payment_cannot_be_adopted(payram):
    with pytest.raises(PayramRefused):
        lifecycle.adopt("nobody")
    assert not Payment.objects.exists()


def adopt(*args):
    out = StringIO()
    call_command("payram_adopt", *args, stdout=out)
    return out.getvalue().strip()


def test_the_command_adopts(foreign, order):
    assert adopt(foreign, "--order", f"shop.order:{order.pk}") == f"{foreign}: FILLED, 30.00 USD"
    assert Payment.objects.get().order == order


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--order", "shop.nothing:1"], "APP.MODEL:KEY"),
        (["x", "--order", "nonsense"], "APP.MODEL:KEY"),
        (["x", "--order", "auth.group:x"], "no key of auth.group"),
        (["x", "--order", "shop.uuidorder:x"], "no key of shop.uuidorder"),
        (["x", "--order", "auth.group:424242"], "There is no auth.group"),
        (["x", "--order", "shop.slugorder:x"], "There is no shop.slugorder"),
        (["x", "--project", "other"], "no project 'other'"),
        (["x"], "refused the call"),
    ],
)
def test_the_command_says_what_is_wrong(payram, arguments, words):
    with pytest.raises(CommandError, match=words):
        adopt(*arguments)
