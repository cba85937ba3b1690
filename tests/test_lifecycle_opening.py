"""Asking for money."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from django_payram.exceptions import (
    PayramAlreadyPaid,
    PayramDataError,
    PayramDisabled,
    PayramRefused,
    PayramUnavailable,
)
from django_payram.lifecycle import open_payment, opening, resolve, siblings, wish
from django_payram.lifecycle.wish import read_wish
from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type, database, slot
from django_payram.states import State
from django_payram.testing import running_payram
from django_payram.testing.factories import PaymentFactory
from django_payram.wire import Created
from tests.servers import raw_server
from tests.shop.models import Order, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db


def pay_for(order, amount="49.99", **options):
    return open_payment(order, amount=Decimal(amount), email="buyer@example.org", **options)


def creates(payram):
    return [call for call in payram.sandbox.calls if call.method == "POST"]


@pytest.fixture
def without_patience(monkeypatch):
    monkeypatch.setattr(opening, "WAIT_SECONDS", 0.3)


def test_a_payment_comes_back_saved_with_a_link(payram, order, listener):
    """F27."""
    payment = pay_for(order, metadata={"cart": 7})
    payment.refresh_from_db()
    assert (payment.state, payment.told_state) == (State.OPEN, State.OPEN)
    assert payment.url.startswith(payram.sandbox.url)
    assert payment.order == order
    assert (payment.order_type_id, payment.order_id) == (content_type(order).pk, str(order.pk))
    assert payment.customer_id == f"shop.order-{order.pk}"
    assert payment.customer_email == "buyer@example.org"
    assert payment.amount_usd == Decimal("49.99")
    assert payment.metadata == {"cart": 7}
    assert payment.project == "default"
    assert payment.next_check_at is not None
    assert [event.outcome for event in payment.events.all()] == [Outcome.CREATED]
    assert listener.names == [], "the caller knows that a link was opened"


def test_payram_is_told_amount_customer_and_our_token(payram, order):
    payment = pay_for(order)
    known = payram.sandbox.payment(payment.reference)
    assert known.amount_usd == Decimal("49.99")
    assert known.customer_id == payment.customer_id
    assert known.customer_email == "buyer@example.org"
    assert known.invoice_id == str(payment.token)


@pytest.mark.parametrize("make", [Order, UuidOrder, lambda: SlugOrder(pk="2026/A-1")])
def test_orders_may_have_int_uuid_and_str_keys(payram, make):
    order = make()
    order.save()
    payment = pay_for(order)
    assert Payment.objects.for_order(order).get() == payment
    assert Payment.objects.get(pk=payment.pk).order == order
    assert pay_for(order) == payment


def test_a_payment_needs_no_order(payram):
    payment = open_payment(amount=5, email="buyer@example.org")
    assert payment.order is None
    assert payment.customer_id == f"payment-{payment.token}"
    named = open_payment(amount="5.50", email="buyer@example.org", customer_id="kim")
    assert (named.customer_id, named.amount_usd) == ("kim", Decimal("5.50"))


def test_the_prefix_tells_staging_from_production(payram, order, settings):
    """F26."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CUSTOMER_ID_PREFIX": "staging-"}}
    assert pay_for(order).customer_id == f"staging-shop.order-{order.pk}"
    assert open_payment(amount=1, email="a@example.org").customer_id.startswith("staging-payment-")


# Wrong arguments


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-1",
        "0.001",
        "1.999",
        "NaN",
        "Infinity",
        "-Infinity",
        "",
        "twelve",
        "1,50",
        "10000000000000",
        Decimal("NaN"),
    ],
)
def test_a_wrong_amount_raises_before_anything_is_written(payram, order, amount):
    """F33."""
    with pytest.raises(ValueError, match="amount"):
        open_payment(order, amount=amount, email="buyer@example.org")
    assert not Payment.objects.exists()
    assert creates(payram) == []


@pytest.mark.parametrize("amount", [1.5, True, None, [1], b"1"])
def test_an_amount_of_another_type_raises(order, amount):
    """F33."""
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=amount, email="buyer@example.org")
    assert str(caught.value) == f"amount must be a Decimal, an int or a str, not {type(amount).__name__}."
    assert not Payment.objects.exists()


def test_a_large_amount_arrives_exactly(payram):
    payment = open_payment(amount="87654321.09", email="buyer@example.org")
    assert payram.sandbox.payment(payment.reference).amount_usd == Decimal("87654321.09")


def test_an_amount_with_trailing_zeros_is_fine(payram):
    assert open_payment(amount=Decimal("12.500"), email="buyer@example.org").amount_usd == Decimal("12.50")


def test_the_largest_amount_has_thirteen_digits_before_the_point():
    asked_for = {"email": "buyer@example.org", "customer_id": None, "project": "default", "metadata": None}
    assert read_wish(None, amount="9999999999999.99", **asked_for).amount_usd == Decimal("9999999999999.99")
    with pytest.raises(ValueError, match="at most 13 digits before the point"):
        read_wish(None, amount="10000000000000", **asked_for)


def email_of(length):
    return f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.".ljust(length - 4, "e") + ".org"


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("", "email must be the customer's e-mail address: PayRam requires one."),
        (None, "email must be the customer's e-mail address: PayRam requires one."),
        (["@"], "email must be the customer's e-mail address: PayRam requires one."),
        (b"buyer@example.org", "email must be the customer's e-mail address: PayRam requires one."),
        ("nobody", "email must be the customer's e-mail address: PayRam requires one."),
        ("a@b", "email must be the customer's e-mail address: PayRam requires one."),
        (email_of(255), "email must have at most 254 characters."),
    ],
)
def test_a_wrong_email_raises_before_anything_is_written(order, email, said):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email=email)
    assert str(caught.value) == said
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("customer_id", "said"),
    [
        ("", "customer_id must be a string of printable characters."),
        ("  ", "customer_id must be a string of printable characters."),
        ("a\nb", "customer_id must be a string of printable characters."),
        (" kim", "customer_id must not begin or end with white space, which PayRam may not give back."),
        ("kim ", "customer_id must not begin or end with white space, which PayRam may not give back."),
        ("x" * 256, "customer_id must have at most 255 characters."),
        (5, "customer_id must be a string of printable characters."),
        (b"kim", "customer_id must be a string of printable characters."),
    ],
)
def test_a_wrong_customer_id_raises(order, customer_id, said):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email="buyer@example.org", customer_id=customer_id)
    assert str(caught.value) == said


def test_the_longest_email_and_customer_id_are_fine(payram):
    payment = open_payment(amount=1, email=email_of(254), customer_id="x" * 255)
    assert (len(payment.customer_email), len(payment.customer_id)) == (254, 255)


@pytest.mark.parametrize("metadata", [{"when": timezone.now()}, {"x": float("nan")}, "text", 7])
def test_metadata_that_json_cannot_hold_raises(order, metadata):
    with pytest.raises(ValueError, match="metadata"):
        open_payment(order, amount=1, email="buyer@example.org", metadata=metadata)


@pytest.mark.parametrize(
    "metadata",
    [{"note": "a\x00b"}, {"a\x00": 1}, {"lines": [{"note": "\\\x00"}]}, {"note": "\ud800"}, {"\udfff": 1}],
)
def test_metadata_that_a_database_cannot_hold_raises_before_anything_is_written(payram, order, metadata):
    """PostgreSQL keeps neither a NUL nor half of a surrogate pair."""
    with pytest.raises(ValueError, match="metadata"):
        open_payment(order, amount=1, email="buyer@example.org", metadata=metadata)
    assert not Payment.objects.exists()
    assert creates(payram) == []


def test_the_refusal_of_a_nul_character_says_why(order):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email="buyer@example.org", metadata={"note": "a\x00b"})
    assert str(caught.value) == "metadata must not hold a NUL character: PostgreSQL keeps none."


def test_metadata_may_hold_any_text(payram, order):
    metadata = {"path": "C:\\u0000", "note": '\\"\n\t\x01\x7f\\', "smile": "\U0001f600", "é": ["\\\\u0000"]}
    payment = pay_for(order, metadata=metadata)
    payment.refresh_from_db()
    assert payment.metadata == metadata


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (5, "order must be a saved model instance or None, not int."),
        ("1042", "order must be a saved model instance or None, not str."),
        (Order, "order must be a saved model instance or None, not ModelBase."),
    ],
)
def test_an_order_that_is_no_model_instance_raises(wrong, said):
    with pytest.raises(ValueError) as caught:
        pay_for(wrong)
    assert str(caught.value) == said


def saved_with(key):
    order = SlugOrder(pk=key)
    order._state.adding = False
    return order


ASKED_FOR = {"amount": 1, "email": "buyer@example.org", "customer_id": None, "project": "default", "metadata": None}


def test_an_order_whose_key_is_too_long_raises():
    assert read_wish(saved_with("x" * 200), **ASKED_FOR).order.pk == "x" * 200
    with pytest.raises(ValueError) as caught:
        pay_for(saved_with("x" * 201), customer_id="kim")
    assert str(caught.value) == "order must have a key of at most 200 characters."


def test_an_order_whose_own_customer_id_is_too_long_needs_another(monkeypatch, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CUSTOMER_ID_PREFIX": "staging-"}}
    monkeypatch.setattr(wish, "content_type", lambda _order: ContentType(app_label="shop", model="m" * 100))
    longest = 255 - len("staging-shop.-") - 100
    assert len(read_wish(saved_with("x" * longest), **ASKED_FOR).customer_id) == 255
    with pytest.raises(ValueError) as caught:
        pay_for(saved_with("x" * (longest + 1)))
    assert str(caught.value) == "customer_id must be given: the order's own would have more than 255 characters."
    assert read_wish(saved_with("x" * (longest + 1)), **{**ASKED_FOR, "customer_id": "kim"}).customer_id == "kim"


@pytest.mark.parametrize("make", [Order, lambda: UuidOrder(id=uuid.uuid4())])
def test_an_unsaved_order_raises(make):
    with pytest.raises(ValueError) as caught:
        pay_for(make())
    assert str(caught.value) == "The order must be saved before a payment is opened for it."


def test_an_unknown_project_is_named(order):
    with pytest.raises(ImproperlyConfigured, match="'other'"):
        pay_for(order, project="other")


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
    assert newer.live_slot == slot(order)


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


def test_a_held_order_gets_no_further_link_until_it_is_resolved(payram, order):
    payment = pay_for(order)
    payram.sandbox.pay(payment.reference, "49.99")
    Payment.objects.update(amount_usd=Decimal("70.00"))
    payram.deliver()
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(order, "70.00")
    assert caught.value.payment == payment
    resolve(payment, reason="Refunded.", actor="kim")
    assert pay_for(order, "70.00") != payment


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
    payram.sandbox.misbehave(None, "conflict", times=12)
    for _ in range(12):
        with pytest.raises(PayramUnavailable):
            pay_for(order)
    assert pay_for(order).url


def test_an_order_that_becomes_paid_in_the_last_moment_gets_no_further_link(payram, order, monkeypatch):
    first = pay_for(order)
    real = opening._lock

    def paid_meanwhile(wish):
        payram.pay(first)
        return real(wish)

    monkeypatch.setattr(opening, "_lock", paid_meanwhile)
    with pytest.raises(PayramAlreadyPaid):
        pay_for(order, "60.00")
    assert Payment.objects.count() == 1


def test_a_call_that_finds_its_order_taken_at_the_last_moment_uses_the_other_link(payram, order, monkeypatch):
    first = pay_for(order)
    real, looks = siblings.of_order, []

    def nothing_yet(order):
        looks.append(order)
        return real(order) if len(looks) > 1 else []

    monkeypatch.setattr(siblings, "of_order", nothing_yet)
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
    assert len(tries) == opening.LOST_RACES
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
            return Created(reference=taken.reference, url="https://pay.example.com/")

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

    class TopsUpMeanwhile(_PaysBeforeAnswering):
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

    class TopsUpAndFallsSilent(_PaysBeforeAnswering):
        def create(self, **fields):
            created = self.real.create(**fields)
            payram.sandbox.webhooks = True
            payram.sandbox.top_up(old.reference, 5)
            payram.deliver()
            payram.sandbox.misbehave(None, "broken")
            return created

    new = pay_for(order, "60.00", client=TopsUpAndFallsSilent(payram, order))
    assert new.url
    said = f"Early webhooks of the customer of {new.token} could not be confirmed. PayRam at 127.0.0.1 refused"
    assert any(message.startswith(said) for message in caplog.messages)


def test_early_webhooks_that_meet_a_busy_database_cost_no_link(payram, order, monkeypatch, caplog):
    def busy(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr(opening, "came_early", lambda payment: True)
    monkeypatch.setattr(opening, "hear_kept", busy)
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


# An attempt under way


def attempt(order, age=timedelta(0), **fields):
    return Payment.objects.create(
        project="default",
        order_type=content_type(order),
        order_id=str(order.pk),
        live_slot=slot(order),
        customer_id="x",
        amount_usd=Decimal("49.99"),
        created_at=timezone.now() - age,
        **fields,
    )


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
    """F21: PayRam has told that the payment is open, and the call that asked for it is still under way."""
    attempt(order, state=State.OPEN, reference="early")
    with pytest.raises(PayramUnavailable, match="did not come"):
        pay_for(order)
    assert creates(payram) == []


def test_a_second_click_shares_the_fate_of_the_first(payram, order, monkeypatch, reads_elsewhere):
    first = attempt(order)
    monkeypatch.setattr(opening, "POLL_SECONDS", 0)
    monkeypatch.setattr(opening.time, "sleep", lambda _seconds: Payment.objects.update(live_slot=None))
    with pytest.raises(PayramUnavailable, match="did not come"):
        pay_for(order)
    assert creates(payram) == []
    assert Payment.objects.using(database()).get() == first


def test_an_attempt_left_by_a_crash_bars_its_order_for_two_minutes_at_most(payram, order, without_patience):
    crashed = attempt(order, age=timedelta(minutes=2, seconds=1))
    payment = pay_for(order)
    assert payment != crashed
    assert payment.live_slot == slot(order)
    crashed.refresh_from_db()
    assert crashed.live_slot is None
    assert crashed.state == State.CREATING


def test_an_attempt_of_almost_two_minutes_still_bars(payram, order, without_patience):
    attempt(order, age=timedelta(minutes=1, seconds=55))
    with pytest.raises(PayramUnavailable):
        pay_for(order)


# What PayRam's answer means


@pytest.mark.parametrize(
    ("kind", "error", "state"),
    [
        ("unauthorized", PayramRefused, State.FAILED),
        ("code5", PayramUnavailable, State.FAILED),
        ("conflict", PayramUnavailable, State.FAILED),
        ("throttled", PayramUnavailable, State.FAILED),
        ("broken", PayramUnavailable, State.CREATING),
        ("gateway", PayramUnavailable, State.CREATING),
        ("html", PayramUnavailable, State.CREATING),
        ("redirect", PayramUnavailable, State.CREATING),
        ("not_json", PayramDataError, State.CREATING),
        ("cut_body", PayramUnavailable, State.CREATING),
        ("foreign_url", PayramDataError, State.CREATING),
    ],
)
def test_an_outcome_is_definite_or_unknown(payram, order, kind, error, state):
    payram.sandbox.misbehave(None, kind)
    with pytest.raises(error) as caught:
        pay_for(order)
    payment = Payment.objects.get()
    assert payment.state == state
    assert payment.live_slot is None
    assert payment.url == ""
    assert len(creates(payram)) == 1, "the create call is never repeated"
    event = payment.events.get()
    assert event.outcome == (Outcome.REFUSED if state == State.FAILED else Outcome.UNKNOWN)
    assert event.error == str(caught.value)
    assert event.source == Source.CHECKOUT


def test_the_next_try_after_a_failure_makes_a_new_payment_of_the_same_customer(payram, order):
    """F20."""
    payram.sandbox.misbehave(None, "broken", times=1)
    with pytest.raises(PayramUnavailable):
        pay_for(order)
    payment = pay_for(order)
    assert payment.url
    assert set(Payment.objects.values_list("customer_id", flat=True)) == {payment.customer_id}


def test_a_refused_connection_is_definite(order, settings):
    settings.PAYRAM = {"default": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "x" * 32}}
    with pytest.raises(PayramUnavailable) as caught:
        pay_for(order)
    assert caught.value.definite
    assert Payment.objects.get().state == State.FAILED


def test_silence_behind_a_proxy_is_not_taken_for_no_payment(order, settings, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    project = {"BASE_URL": "http://pay.example.org", "ALLOW_HTTP": True, "API_KEY": "x" * 32, "TIMEOUT": (2, 0.3)}
    settings.PAYRAM = {"default": project}
    with raw_server(lambda _: proxy.closing.wait(5)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(PayramUnavailable) as caught:
            pay_for(order)
        assert len(proxy.requests) == 1
    assert not caught.value.definite
    assert Payment.objects.get().state == State.CREATING


def test_a_payment_whose_page_was_refused_keeps_its_reference_and_is_watched(payram, order):
    payram.sandbox.misbehave(None, "foreign_url")
    with pytest.raises(PayramDataError, match="CHECKOUT_HOSTS"):
        pay_for(order)
    payment = Payment.objects.get()
    assert payment.reference
    assert payment.next_check_at is not None


def test_a_webhook_that_overtakes_the_answer_is_matched_when_the_reference_is_saved(order, listener):
    """F3."""
    with running_payram(vintage="2025-11") as payram:
        client = _PaysBeforeAnswering(payram, order)
        payment = pay_for(order, client=client)
        assert client.early.state == State.CREATING
    assert payment.is_paid
    assert PaymentEvent.objects.filter(payment=None).count() == 0
    assert payment.events.filter(outcome=Outcome.UNMATCHED, payment=payment).exists()
    assert listener.names.count("payment_paid") == 1


class _PaysBeforeAnswering:
    """The real client of a shop whose create answer is slow: the customer's webhook comes first."""

    def __init__(self, payram, order):
        from django_payram import conf
        from django_payram.client import client_for

        self.payram, self.real = payram, client_for(conf.project())

    def create(self, **fields):
        created = self.real.create(**{**fields, "invoice_id": "another"})
        self.payram.sandbox.pay(created.reference)
        self.payram.deliver()
        self.early = Payment.objects.get()
        return created

    def fetch(self, reference, **options):
        return self.real.fetch(reference, **options)


def test_catching_up_with_an_early_webhook_may_fail_without_losing_the_link(payram, order):
    client = _PaysBeforeAnswering(payram, order)
    client.fetch = _unavailable
    payment = pay_for(order, client=client)
    assert payment.url
    assert payment.state == State.OPEN


def _unavailable(reference, **options):
    raise PayramUnavailable("down")


def test_no_key_is_logged_while_a_payment_is_opened(payram, order, caplog, settings):
    """F42."""
    key = settings.PAYRAM["default"]["API_KEY"]
    with caplog.at_level(logging.DEBUG):
        pay_for(order)
    assert key not in caplog.text
