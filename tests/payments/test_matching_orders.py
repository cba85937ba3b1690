"""Whose an unknown reference is where a customer id, of a person for instance, has payments of several orders."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramUnavailable
from django_payram.gateway.client import Client
from django_payram.gateway.payloads import read_webhook
from django_payram.models import Payment, PaymentEvent, Review, State, content_type
from django_payram.payments import adopt, refresh
from django_payram.payments.webhooks import handle_webhook
from django_payram.polling import worker
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import pay_for, send_webhook
from tests.shop.models import LooseOrder, Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders(db):
    return Order.objects.create(), Order.objects.create()


def attempt(order, state, amount="49.99"):
    """An attempt for ``order`` that got no link."""
    place = {"order_type": content_type(order), "order_id": str(order.pk)}
    return PaymentFactory(
        **place, customer_id="kim", reference=None, url="", state=state, amount_usd=Decimal(amount), next_check_at=None
    )


def fresh(*rows):
    for row in rows:
        row.refresh_from_db()
    return rows


def test_a_refused_attempt_does_not_take_the_top_up_of_another_order(payram, orders):
    """F58."""
    refused = attempt(orders[0], State.FAILED)
    partly = payram.pay(pay_for(orders[1], amount="80.00", customer_id="kim"), "30.01")
    payram.sandbox.top_up(partly.reference)
    payram.deliver()
    fresh(refused, partly)
    assert not refused.is_paid
    assert partly.is_paid


def test_money_that_an_unanswered_attempt_and_another_order_both_miss_is_nobodys(payram, orders):
    """F58."""
    unanswered = attempt(orders[0], State.CREATING)
    partly = payram.pay(pay_for(orders[1], amount="80.00", customer_id="kim"), "30.01")
    payram.sandbox.top_up(partly.reference)
    payram.deliver()
    fresh(unanswered, partly)
    assert not (unanswered.is_paid or partly.is_paid)
    assert partly.review == Review.UNCLEAR


def test_money_for_an_order_that_is_paid_does_not_pay_another_one_that_misses_another_sum(payram, orders):
    """F58."""
    paid = payram.pay(pay_for(orders[0], customer_id="kim"))
    waiting = pay_for(orders[1], amount="20.00", customer_id="kim")
    payram.sandbox.top_up(paid.reference, "25")
    payram.deliver()
    fresh(waiting)
    assert not waiting.is_paid
    assert waiting.review == Review.UNCLEAR


@pytest.mark.parametrize(("received", "topped_up"), [(None, "20"), ("5", "15"), ("5", "7")])
def test_beside_an_order_that_is_paid_the_sum_or_money_that_came_says_whose_it_is(payram, orders, received, topped_up):
    paid = payram.pay(pay_for(orders[0], customer_id="kim"))
    other = pay_for(orders[1], amount="20.00", customer_id="kim")
    if received:
        payram.pay(other, received)
    payram.sandbox.top_up(other.reference if received else paid.reference, topped_up)
    payram.deliver()
    fresh(other, paid)
    assert other.topped_up_usd == Decimal(topped_up)
    assert paid.topped_up_usd == 0


def test_each_reference_that_nobody_can_place_is_looked_at(payram, orders):
    """Also after a person has settled the one before."""
    payram.pay(pay_for(orders[0], customer_id="kim"))
    waiting = pay_for(orders[1], amount="20.00", customer_id="kim")
    for usd in ("25", "500"):
        payram.sandbox.top_up(asked_first(), usd)
        payram.deliver()
        fresh(waiting)
        assert waiting.review == Review.UNCLEAR
        Payment.objects.filter(pk=waiting.pk).update(review="", review_settled=True)
    assert waiting.events.filter(outcome="doubtful").count() == 2


def asked_first():
    return Payment.objects.earliest("pk").reference


def test_an_order_that_is_deleted_while_payram_is_asked_takes_its_top_up_along(payram, monkeypatch):
    """F60."""
    order = LooseOrder.objects.create(id="L1")
    parent = pay_for(order)
    payram.sandbox.webhooks = False
    payram.sandbox.pay(parent.reference, 20)
    reference = payram.sandbox.top_up(parent.reference)
    fetch = Client.fetch

    def delete_and_fetch(client, asked_reference, **options):
        if asked_reference == parent.reference:
            LooseOrder.objects.filter(pk="L1").delete()
        return fetch(client, asked_reference, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "fetch", delete_and_fetch)
        send_webhook(reference, State.FILLED, customer_id=parent.customer_id)
    child = Payment.objects.get(reference=reference)
    fresh(parent)
    assert (child.parent, child.order_type, child.order_id, child.order_gone) == (parent, None, "", True)
    assert (parent.received_usd, parent.review) == (Decimal("49.99"), Review.ORPHAN)


def test_a_top_up_that_stands_under_another_order_than_its_payment_is_decided_with_it(payram):
    """F60: as a process may have left it that died between."""
    parent = pay_for(Order.objects.create())
    payram.sandbox.webhooks = False
    payram.sandbox.pay(parent.reference, 20)
    reference = payram.sandbox.top_up(parent.reference)
    gone = {"order_type": content_type(LooseOrder()), "order_id": "L1"}
    child = PaymentFactory(**gone, parent=parent, reference=reference, customer_id=parent.customer_id)
    assert refresh(child).is_filled
    assert fresh(parent)[0].topped_up_usd == Decimal("29.99")
    Payment.objects.update(next_check_at=timezone.now(), checked_at=None)
    assert {result.error for result in worker.run()} == {None}


def test_adopting_has_the_kept_webhooks_of_the_customer_handled(payram, order):
    """F67."""
    theirs = pay_for(order, customer_id="kim", amount="30.00")
    theirs.events.all().delete()
    theirs.delete()
    payram.sandbox.pay(theirs.reference, 10)
    payram.deliver()
    top_up = payram.sandbox.top_up(theirs.reference)
    payram.deliver()
    assert PaymentEvent.objects.get(payment=None, reference=top_up).next_retry_at is None
    adopted = adopt(theirs.reference, order=order)
    list(worker.run())
    assert fresh(adopted)[0].is_paid


def test_what_names_a_payment_by_its_invoice_id_is_kept_while_payram_gives_no_answer(payram, order):
    """F67: PayRam does not send it again once it has given up."""
    payment = pay_for(order)
    payram.sandbox.webhooks = False
    payram.sandbox.pay(payment.reference)
    reference = payment.reference
    Payment.objects.update(reference=None, url="", state=State.CREATING, live_slot=None, next_check_at=None)
    body = {
        "reference_id": reference,
        "status": "FILLED",
        "customer_id": payment.customer_id,
        "invoice_id": str(payment.token),
    }
    payram.sandbox.inject_fault(None, "broken")
    with pytest.raises(PayramUnavailable):
        handle_webhook(read_webhook(json.dumps(body).encode()), project=conf.project())
    payram.sandbox.clear_faults()
    list(worker.run())
    assert fresh(payment)[0].is_paid


def test_late_money_that_is_confirming_keeps_the_order_from_a_second_link(payram, order):
    """The page must not say either that nothing was received."""
    payment = pay_for(order)
    payram.sandbox.webhooks = False
    payram.sandbox.expire(payment.reference)
    refresh(payment)
    assert payment.closed_at is not None
    update = Client.fetch
    seen = {"on_chain": True, "confirmations": 1, "confirmations_required": 6}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Client, "fetch", lambda *args, **options: replace(update(*args, **options), **seen))
        refresh(payment)
        assert (payment.is_confirming, payment.status) == (True, "confirming")
        assert pay_for(order) == payment
    refresh(payment)
    assert not payment.is_confirming
    assert pay_for(order) != payment
