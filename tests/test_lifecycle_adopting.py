"""Payments that were made at PayRam without us."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_payram import conf, lifecycle
from django_payram.exceptions import PayramRefused, PayramUnavailable
from django_payram.lifecycle import Heard, hear, open_payment
from django_payram.models import Outcome, Payment, PaymentEvent, content_type, slot
from django_payram.states import Review, State
from django_payram.testing import running_payram
from django_payram.wire import Report

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
        (["x", "--order", "shop.order:x"], "no key of shop.order"),
        (["x", "--order", "shop.uuidorder:x"], "no key of shop.uuidorder"),
        (["x", "--order", "shop.order:424242"], "There is no shop.order"),
        (["x", "--project", "other"], "no project 'other'"),
        (["x"], "refused the call"),
    ],
)
def test_the_command_says_what_is_wrong(payram, arguments, words):
    with pytest.raises(CommandError, match=words):
        adopt(*arguments)
