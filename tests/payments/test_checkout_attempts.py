"""One live link per order, also while an attempt is under way."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from django_payram.exceptions import (
    PayramAlreadyPaid,
    PayramDataError,
    PayramDisabled,
    PayramRefused,
    PayramUnavailable,
)
from django_payram.gateway.payloads import CreatedPayment
from django_payram.models import Payment, Review, content_type, database, order_key
from django_payram.models.states import State
from django_payram.payments import checkout, open_payment, record_refund, webhooks
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import PaysBeforeAnswering, creates, of_order, pay_for
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def without_patience(monkeypatch):
    monkeypatch.setattr(checkout, "WAIT_SECONDS", 0.3)


# One live link per order


def test_a_second_call_returns_the_open_payment(payram, order):
    """F21, F45."""
    assert pay_for(order) == pay_for(order)
    assert len(creates(payram)) == 1


def test_a_partly_paid_payment_keeps_its_link(payram, order):
    """F45."""
    payment = pay_for(order)
    payram.pay(payment, 10)
    assert pay_for(order) == payment


def test_a_partly_paid_and_closed_payment_gets_a_new_link(payram, order):
    """F25."""
    payment = pay_for(order)
    payram.pay(payment, 10)
    payram.expire(payment)
    again = pay_for(order, "39.99")
    assert again != payment
    assert again.amount_usd == Decimal("39.99")
    assert Payment.objects.for_order(order).received_usd() == 10


def test_another_amount_opens_a_new_payment_and_the_old_one_stays_watched(payram, order, listener):
    """F24."""
    old = pay_for(order)
    new = pay_for(order, "60.00")
    assert new != old
    payram.deliver()
    old.refresh_from_db()
    assert old.state == State.CANCELED
    assert old.next_check_at is not None
    assert "payment_canceled" not in listener.names
    assert pay_for(order, "60.00") == new


@pytest.mark.django_db(transaction=True)
def test_a_cart_that_has_changed_gives_up_the_place_of_its_older_link(payram, order):
    """Outside of any transaction, as in a shop."""
    older, newer = pay_for(order), pay_for(order, "60.00")
    older.refresh_from_db()
    assert older.live_slot is None
    assert newer.live_slot == order_key(order).live_slot("")


def test_a_canceled_payment_whose_money_is_confirming_gets_no_second_link(payram, order):
    """F21: the customer has paid in the last minute."""
    payment = pay_for(order)
    payram.sandbox.see(payment.reference)
    payram.expire(payment)
    payment.refresh_from_db()
    assert (payment.state, payment.is_confirming) == (State.CANCELED, True)
    assert pay_for(order) == payment
    assert len(creates(payram)) == 1


def test_a_canceled_payment_gets_a_new_link(payram, order):
    payment = pay_for(order)
    payram.expire(payment)
    assert pay_for(order) != payment


def test_a_paid_order_gets_no_further_link(payram, order):
    payment = pay_for(order)
    payram.pay(payment)
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(order)
    assert caught.value.payment == payment
    assert str(caught.value) == "The order has been paid already, or its payment is under review."
    assert len(creates(payram)) == 1


def test_an_order_knows_its_payments_where_they_were_written(payram, order, reads_elsewhere):
    """A replica that is behind must not lead to a second link, nor to a second payment."""
    payment = pay_for(order)
    assert pay_for(order) == payment
    payram.sandbox.pay(payment.reference)
    payram.deliver()
    with pytest.raises(PayramAlreadyPaid):
        pay_for(order)


def test_a_held_order_gets_no_further_link_until_its_money_is_sent_back(payram, order):
    payment = pay_for(order)
    payram.sandbox.pay(payment.reference, "49.99")
    Payment.objects.update(amount_usd=Decimal("70.00"))
    payram.deliver()
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(order, "70.00")
    assert caught.value.payment == payment
    record_refund(payment, amount_usd="49.99")
    assert pay_for(order, "70.00") != payment


def test_an_order_is_held_while_all_the_money_is_there_whatever_became_of_its_link(payram, order):
    """A part and a top-up make up the amount, PayRam asked for another one, and the link expired."""
    facts = {"filled_usd": 20, "topped_up_usd": order.total - 20, "review": Review.AMOUNT, "closed_at": timezone.now()}
    payment = PaymentFactory(order=order, amount_usd=order.total, state=State.PARTIALLY_FILLED, **facts)
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(order)
    assert caught.value.payment == payment


def test_a_disabled_project_makes_no_new_links_and_keeps_the_old(payram, order, settings):
    """F39."""
    payment = pay_for(order)
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "ENABLED": False}}
    assert pay_for(order) == payment
    with pytest.raises(PayramDisabled, match="default"):
        pay_for(Order.objects.create())
    payram.pay(payment)
    assert payment.is_paid
    assert Payment.objects.count() == 1


def test_more_than_ten_links_an_hour_are_refused(payram, order):
    """F43."""
    for cents in range(10):
        pay_for(order, f"10.0{cents}")
    with pytest.raises(PayramRefused, match="10 payment links") as caught:
        pay_for(order, "11.00")
    assert caught.value.code == "too_many_links"
    assert caught.value.status is None
    assert len(creates(payram)) == 10
    Payment.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert pay_for(order, "11.00").url


def test_attempts_that_payram_refused_do_not_count_as_links(payram, order):
    payram.sandbox.inject_fault(None, "conflict", times=12)
    for _ in range(12):
        with pytest.raises(PayramUnavailable):
            pay_for(order)
    assert pay_for(order).url


def test_the_thirtieth_attempt_of_an_hour_is_the_last(payram, order):
    for _ in range(29):
        of_order(order, state=State.FAILED, reference=None)
    payram.sandbox.inject_fault(None, "conflict", times=1)
    with pytest.raises(PayramUnavailable):
        pay_for(order)
    with pytest.raises(PayramRefused, match="30 payment links") as caught:
        pay_for(order)
    assert (caught.value.code, len(creates(payram))) == ("too_many_links", 1)


def test_an_order_that_becomes_paid_in_the_last_moment_gets_no_further_link(payram, order, monkeypatch):
    first = pay_for(order)
    real = checkout.lock_order

    def paid_meanwhile(order):
        payram.pay(first)
        return real(order)

    monkeypatch.setattr(checkout, "lock_order", paid_meanwhile)
    with pytest.raises(PayramAlreadyPaid):
        pay_for(order, "60.00")
    assert Payment.objects.count() == 1


def test_a_call_that_finds_its_order_taken_at_the_last_moment_uses_the_other_link(payram, order, monkeypatch):
    first = pay_for(order)
    real, looks = checkout._attempts, []

    def nothing_yet(order):
        looks.append(order)
        return real(order) if len(looks) > 1 else []

    monkeypatch.setattr(checkout, "_attempts", nothing_yet)
    assert pay_for(order) == first
    assert len(creates(payram)) == 1


def test_a_payment_that_cannot_be_saved_for_another_reason_is_an_error_at_last(payram, order, monkeypatch):
    tries = []

    def refuse(self, **options):
        tries.append(self)
        raise IntegrityError("a constraint of the shop")

    monkeypatch.setattr(Payment, "save", refuse)
    with pytest.raises(IntegrityError, match="a constraint of the shop"):
        pay_for(order)
    assert len(tries) == checkout.MOST_CONFLICTS
    assert not creates(payram)


def test_a_link_that_could_not_be_replaced_keeps_its_place(payram, order, monkeypatch):
    first = pay_for(order)

    def refuse(self, **options):
        raise IntegrityError("a constraint of the shop")

    with monkeypatch.context() as patched:
        patched.setattr(Payment, "save", refuse)
        with pytest.raises(IntegrityError):
            pay_for(order, "60.00")
    assert pay_for(order) == first


def test_a_payment_without_an_order_that_cannot_be_saved_is_an_error(payram, monkeypatch):
    taken = PaymentFactory()
    monkeypatch.setattr(uuid, "uuid4", lambda: taken.token)
    with pytest.raises(IntegrityError):
        open_payment(amount=1, email="a@example.org")
    assert not creates(payram)


def test_a_reference_that_payram_names_twice_is_refused_and_frees_the_order(payram, order):
    taken = open_payment(amount=1, email="a@example.org")

    class NamesItAgain:
        def create(self, **fields):
            return CreatedPayment(reference=taken.reference, url="https://pay.example.com/")

    with pytest.raises(PayramDataError, match=taken.reference) as caught:
        pay_for(order, client=NamesItAgain())
    assert caught.value.reference == taken.reference
    attempt = Payment.objects.for_order(order).get()
    assert (attempt.state, attempt.reference, attempt.live_slot) == (State.CREATING, None, None)


def test_a_refused_page_with_a_taken_reference_is_survived(payram, order):
    taken = open_payment(amount=1, email="a@example.org")

    class Confused:
        def create(self, **fields):
            raise PayramDataError("no page", reference=taken.reference)

    with pytest.raises(PayramDataError, match="no page"):
        pay_for(order, client=Confused())
    assert Payment.objects.for_order(order).get().reference is None


def test_a_top_up_that_came_while_a_link_was_being_made_is_taken_in_afterwards(payram, order):
    old = pay_for(order)
    payram.sandbox.webhooks = False

    class TopsUpMeanwhile(PaysBeforeAnswering):
        def create(self, **fields):
            created = self.real.create(**fields)
            payram.sandbox.webhooks = True
            self.reference = payram.sandbox.top_up(old.reference, 5)
            payram.deliver()
            assert not Payment.objects.filter(reference=self.reference).exists()
            return created

    client = TopsUpMeanwhile(payram, order)
    new = pay_for(order, "60.00", client=client)
    assert Payment.objects.get(reference=client.reference).parent in (old, new)


def test_an_early_webhook_that_cannot_be_confirmed_costs_no_link(payram, order, caplog):
    old = pay_for(order)
    payram.sandbox.webhooks = False

    class TopsUpAndFallsSilent(PaysBeforeAnswering):
        def create(self, **fields):
            created = self.real.create(**fields)
            payram.sandbox.webhooks = True
            payram.sandbox.top_up(old.reference, 5)
            payram.deliver()
            payram.sandbox.inject_fault(None, "broken")
            return created

    new = pay_for(order, "60.00", client=TopsUpAndFallsSilent(payram, order))
    assert new.url
    said = f"Early webhooks of the customer of {new.token} could not be confirmed. PayRam at 127.0.0.1 refused"
    assert any(message.startswith(said) for message in caplog.messages)


def test_early_webhooks_that_meet_a_busy_database_cost_no_link(payram, order, monkeypatch, caplog):
    def busy(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr(webhooks, "may_be_about", lambda payment: True)
    monkeypatch.setattr(webhooks, "retry_kept_of_customer", busy)
    payment = pay_for(order)
    assert payment.url
    said = f"Early webhooks of the customer of {payment.token} could not be confirmed. database is locked"
    assert said in caplog.messages


def test_a_reference_of_another_project_is_not_taken(payram, order, reads_elsewhere):
    PaymentFactory(project="other", reference="same")

    class RefusesThePage:
        def create(self, **fields):
            raise PayramDataError("no page", reference="same")

    with pytest.raises(PayramDataError, match="no page"):
        pay_for(order, client=RefusesThePage())
    assert Payment.objects.using(database()).for_order(order).get().reference == "same"


def attempt(order, age=timedelta(0), **fields):
    return Payment.objects.create(
        project="default",
        order_type=content_type(order),
        order_id=str(order.pk),
        live_slot=order_key(order).live_slot(""),
        customer_id="x",
        amount_usd=Decimal("49.99"),
        created_at=timezone.now() - age,
        **fields,
    )


# An attempt under way


def test_a_second_click_waits_and_then_says_that_the_link_did_not_come(payram, order, without_patience):
    attempt(order)
    before = time.monotonic()
    with pytest.raises(PayramUnavailable) as caught:
        pay_for(order)
    said = "The payment link that was being made for this order did not come. Try again."
    assert str(caught.value) == said
    assert 0.25 < time.monotonic() - before < 3
    assert creates(payram) == []


def test_a_second_click_waits_also_when_a_webhook_was_faster_than_the_link(payram, order, without_patience):
    """F21: PayRam has reported that the payment is open, and the call that asked for it is still under way."""
    attempt(order, state=State.OPEN, reference="early")
    with pytest.raises(PayramUnavailable, match="did not come"):
        pay_for(order)
    assert creates(payram) == []


def test_a_second_click_shares_the_fate_of_the_first(payram, order, monkeypatch, reads_elsewhere):
    first = attempt(order)
    monkeypatch.setattr(checkout, "POLL_SECONDS", 0)
    monkeypatch.setattr(checkout.time, "sleep", lambda _seconds: Payment.objects.update(live_slot=None))
    with pytest.raises(PayramUnavailable, match="did not come"):
        pay_for(order)
    assert creates(payram) == []
    assert Payment.objects.using(database()).get() == first


def test_an_attempt_left_by_a_crash_bars_its_order_for_two_minutes_at_most(payram, order, without_patience):
    crashed = attempt(order, age=timedelta(minutes=2, seconds=1))
    payment = pay_for(order)
    assert payment != crashed
    assert payment.live_slot == order_key(order).live_slot("")
    crashed.refresh_from_db()
    assert crashed.live_slot is None
    assert crashed.state == State.CREATING


def test_an_attempt_of_almost_two_minutes_still_bars(payram, order, without_patience):
    attempt(order, age=timedelta(minutes=1, seconds=55))
    with pytest.raises(PayramUnavailable):
        pay_for(order)


@pytest.mark.parametrize("link", ["https://old.example.com/payments?reference_id=1", "javascript:alert(1)"])
def test_a_link_that_the_setting_of_now_does_not_allow_is_replaced(payram, order, link):
    """F80: the shop has moved to another PayRam host, or to https, since the link was made."""
    old = pay_for(order)
    Payment.objects.update(url=link)
    new = pay_for(order)
    assert (new != old, new.url.startswith(payram.sandbox.url)) == (True, True)
    old.refresh_from_db()
    assert (old.live_slot, old.is_open) == (None, True)


def test_late_money_that_is_confirming_is_what_a_call_returns(payram, order):
    payment = pay_for(order)
    Payment.objects.update(state=State.CANCELED, closed_at=timezone.now(), live_slot=None, confirmations=1)
    assert pay_for(order) == payment
