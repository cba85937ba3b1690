"""What is undelivered and no longer true is not sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_payram.models import Outcome
from django_payram.models.states import State
from django_payram.payments import rules, transitions
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import apply, of_order, receive, resolve, top_up, update_of
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def test_a_cancellation_that_was_not_delivered_is_not_sent_once_the_payment_is_paid(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_canceled"}
    receive(payment, State.CANCELED)
    listener.fail_on = set()
    receive(payment, State.FILLED, "49.99")
    assert "payment_canceled" not in listener.names
    assert payment.undelivered == []


def test_a_cancellation_that_was_not_delivered_is_not_sent_once_the_order_is_paid(listener, order):
    canceled, other = of_order(order), of_order(order, state=State.CANCELED, closed_at=timezone.now())
    listener.fail_on = {"payment_canceled"}
    receive(canceled, State.CANCELED)
    listener.fail_on = set()
    receive(other, State.FILLED, "49.99")
    transitions.notify(canceled)
    assert "payment_canceled" not in listener.names


def test_a_paid_announcement_that_was_not_delivered_is_sent_although_a_second_payment_came(listener, order):
    first, second = of_order(order), of_order(order)
    listener.fail_on = {"payment_paid"}
    receive(first, State.FILLED, "49.99")
    listener.fail_on = set()
    receive(second, State.FILLED, "49.99")
    assert "payment_paid" not in listener.names
    transitions.notify(first)
    transitions.notify(second)
    assert [payment.pk for name, payment, _ in listener.received if name == "payment_paid"] == [first.pk]


def test_a_resolved_review_that_was_not_delivered_is_not_sent(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_needs_review"}
    receive(payment, State.OPEN, requested_usd=10)
    resolve(payment, reason="The customer was told.", actor="kim")
    listener.fail_on = set()
    transitions.notify(payment)
    assert "payment_needs_review" not in listener.names


@pytest.mark.parametrize("own", [State.OPEN, State.PARTIALLY_FILLED])
def test_the_link_of_a_payment_that_its_top_ups_paid_may_expire_quietly(listener, own):
    parent = PaymentFactory()
    receive(parent, own, "20" if own == State.PARTIALLY_FILLED else None)
    receive(
        top_up(
            parent,
        ),
        State.FILLED,
        "49.99",
    )
    receive(parent, State.CANCELED)
    assert parent.is_paid
    assert parent.review == ""
    assert "payment_canceled" not in listener.names
    listener.received.clear()
    transitions.notify_again(parent)
    assert set(listener.names) == {"payment_paid", "payment_updated"}


def test_a_cancellation_while_money_confirms_is_not_sent_again_on_request(listener):
    payment = PaymentFactory()
    receive(payment, State.CANCELED, on_chain=True, confirmations=1, confirmations_required=12)
    assert payment.is_confirming
    assert payment.next_check_at - timezone.now() <= timedelta(minutes=1)
    listener.received.clear()
    transitions.notify_again(payment)
    assert listener.names == ["payment_updated"]


def test_a_link_whose_replacement_never_came_to_be_is_canceled_after_all(listener, order):
    """F36."""
    old = of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    receive(old, State.CANCELED)
    assert "payment_canceled" not in listener.names
    apply(new, rules.CreateFailure(Outcome.REFUSED, "no"))
    old.refresh_from_db()
    assert old.undelivered == ["payment_canceled"]
    transitions.notify(old)
    assert listener.names.count("payment_canceled") == 1


def test_a_link_whose_replacement_failed_stays_quiet_while_another_is_open(listener, order):
    old, _open = of_order(order), of_order(order)
    new = of_order(order, state=State.CREATING, reference=None, live_slot="slot")
    receive(old, State.CANCELED)
    apply(new, rules.CreateFailure(Outcome.UNKNOWN, "no"))
    old.refresh_from_db()
    assert old.undelivered == []


def test_a_cancellation_that_was_sent_is_not_sent_again_when_another_attempt_fails(listener, order):
    receive(of_order(Order.objects.create()), State.CANCELED)
    other = Order.objects.create()
    superseded, _open = of_order(other), of_order(other)
    receive(superseded, State.CANCELED)
    old = of_order(order)
    receive(old, State.CANCELED)
    apply(of_order(order, state=State.CREATING, reference=None), rules.CreateFailure(Outcome.REFUSED, "no"))
    old.refresh_from_db()
    assert old.undelivered == []


def test_a_cancellation_beside_a_link_with_money_on_it_stays_quiet_when_another_attempt_fails(listener, order):
    old, partial = of_order(order), of_order(order, partly_paid=True)
    receive(old, State.CANCELED)
    receive(partial, State.CANCELED, "20")
    apply(of_order(order, state=State.CREATING, reference=None), rules.CreateFailure(Outcome.REFUSED, "no"))
    transitions.notify(old)
    assert "payment_canceled" not in listener.names


def test_a_failed_attempt_is_asked_about_only_if_its_reference_is_known():
    later = timezone.now() + timedelta(days=1)
    unknown, named, known = (
        PaymentFactory(state=State.CREATING, reference=reference, notified_state="", next_check_at=later)
        for reference in (None, None, "known")
    )
    for payment, reference in ((unknown, None), (named, "named"), (known, "other")):
        apply(payment, rules.CreateFailure(Outcome.REFUSED, "no", reference))
        payment.refresh_from_db()
        assert (payment.state, payment.notified_state) == (State.FAILED, State.FAILED)
    assert [payment.reference for payment in (unknown, named, known)] == [None, "named", "known"]
    assert [payment.next_check_at == later for payment in (unknown, named, known)] == [True, False, True]


def due_at(moment, **fields):
    return PaymentFactory(paid=True, undelivered=["payment_paid"], next_delivery_at=moment, **fields)


def test_what_is_undelivered_of_a_project_that_is_gone_is_sent(listener):
    """F9: PayRam is not asked for it."""
    transitions.notify(due_at(timezone.now(), project="gone"))
    assert listener.names == ["payment_paid"]


def test_an_update_sends_what_is_undelivered_at_once_unless_it_is_to_keep_the_pause(listener):
    """F70."""
    payment = due_at(timezone.now() + timedelta(hours=1))
    apply(payment, update_of(State.FILLED, "49.99"), retry=False)
    assert listener.names == []
    apply(payment, update_of(State.FILLED, "49.99"))
    assert listener.names == ["payment_paid"]
