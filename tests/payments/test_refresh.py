"""Asking PayRam about one payment."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Outcome, Payment, Source
from django_payram.models.states import State
from django_payram.payments import open_payment, refresh
from django_payram.payments.refresh import fetch_and_apply, refresh_if_stale
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


def test_refresh_records_payrams_answer_and_returns_the_same_instance(payram, payment):
    """F1."""
    payram.pay(payment)
    assert not payment.is_paid
    assert refresh(payment) is payment
    assert payment.is_paid
    assert {event.source for event in payment.events.exclude(source="checkout")} == {Source.RESYNC}


def test_refresh_names_its_source(payram, payment):
    payram.pay(payment)
    refresh(payment, source=Source.ADMIN)
    assert payment.events.filter(source=Source.ADMIN).exists()


def test_refresh_notifies_when_payram_is_down(payram, payment):
    payram.sandbox.inject_fault(None, "gateway")
    with pytest.raises(PayramUnavailable):
        refresh(payment)


def test_a_payment_without_a_reference_cannot_be_asked_about():
    payment = PaymentFactory(reference=None, state=State.CREATING)
    with pytest.raises(PayramDataError, match=str(payment.token)):
        refresh(payment)


class OldServer:
    """Answers as the servers of 2025 do: the state, and no sum in US dollars."""

    def __init__(self):
        self.asked = []

    def fetch(self, reference, *, customer_id):
        self.asked.append((reference, customer_id))
        return PaymentUpdate(state=State.FILLED, word="FILLED")


def test_a_sum_that_only_a_webhook_names_is_taken_down_and_not_counted():
    payment, server = PaymentFactory(), OldServer()
    said = {"state": State.FILLED, "word": "FILLED", "filled_usd": Decimal("49.99")}
    hint = PaymentUpdate(reference=payment.reference, **said, fields={"x": 1})
    recorded = fetch_and_apply(payment, source=Source.WEBHOOK, client=server, hint=hint)
    assert server.asked == [(payment.reference, payment.customer_id)]
    assert (recorded.payment.filled_usd, recorded.payment.webhook_usd) == (None, Decimal("49.99"))
    event = payment.events.get(outcome=Outcome.RECORDED)
    assert (event.source, event.payload) == (Source.WEBHOOK, {"x": 1})


def test_an_answer_that_no_webhook_asked_for_stands_alone():
    payment = PaymentFactory()
    recorded = fetch_and_apply(payment, source=Source.RESYNC, client=OldServer())
    assert recorded.payment.filled_usd is None
    assert payment.events.get(outcome=Outcome.RECORDED).payload is None


def test_a_payment_without_a_reference_takes_that_of_the_webhook():
    payment, server = PaymentFactory(reference=None, state=State.CREATING), OldServer()
    fetch_and_apply(
        payment, source=Source.WEBHOOK, client=server, hint=PaymentUpdate(reference="named", state=State.FILLED)
    )
    payment.refresh_from_db()
    assert server.asked == [("named", payment.customer_id)]
    assert (payment.reference, payment.state) == ("named", State.FILLED)


@pytest.mark.parametrize("kind", ["wrong_reference", "wrong_customer"])
def test_an_answer_about_another_payment_is_refused(payram, payment, kind):
    """F51."""
    payram.sandbox.inject_fault(None, kind)
    with pytest.raises(PayramDataError):
        refresh(payment)


def test_an_answer_in_a_lower_state_unpays_nothing_and_is_flagged(payram, payment):
    """F35."""
    payram.pay(payment)
    refresh(payment)
    payram.sandbox.inject_fault(None, "lower_state")
    refresh(payment)
    assert payment.is_paid
    assert payment.review == "regression"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("html", PayramUnavailable),
        ("redirect", PayramUnavailable),
        ("unauthorized", PayramRefused),
        ("conflict", PayramUnavailable),
        ("throttled", PayramUnavailable),
        ("broken", PayramUnavailable),
        ("gateway", PayramUnavailable),
        ("cut_body", PayramUnavailable),
        ("huge_body", PayramDataError),
        ("not_json", PayramDataError),
        ("wrong_reference", PayramDataError),
        ("wrong_customer", PayramDataError),
    ],
)
def test_each_trouble_has_its_error_and_changes_nothing(payram, payment, kind, error):
    """F19."""
    payram.pay(payment)
    payram.sandbox.inject_fault(None, kind)
    with pytest.raises(error):
        refresh(payment)
    payment.refresh_from_db()
    assert (payment.state, payment.review, payment.is_paid) == (State.OPEN, "", False)
    payram.sandbox.clear_faults()
    assert refresh(payment).is_paid


def test_refresh_does_not_raise_when_a_receiver_does(payram, payment, listener):
    listener.fail_on = {"payment_paid"}
    payram.pay(payment)
    assert refresh(payment).undelivered == ["payment_paid"]


def test_a_page_asks_every_few_seconds_at_most(payram, payment):
    payment = refresh_if_stale(payment)
    assert asked(payram) == 1
    payment = refresh_if_stale(payment)
    assert asked(payram) == 1
    Payment.objects.update(checked_at=timezone.now() - timedelta(seconds=5))
    payment.refresh_from_db()
    payram.pay(payment)
    assert refresh_if_stale(payment).is_paid
    assert asked(payram) == 2


def test_of_two_pages_open_at_once_one_asks(payram, payment):
    one, other = Payment.objects.get(), Payment.objects.get()
    refresh_if_stale(one)
    refresh_if_stale(other)
    assert asked(payram) == 1


def test_a_page_asks_again_whatever_was_read_of_the_last_check(payram, payment):
    """F91: a shop's cache may not know of the last check, and the row decides."""
    cached = Payment.objects.get()
    Payment.objects.update(checked_at=timezone.now() - timedelta(seconds=5))
    refresh_if_stale(cached)
    assert asked(payram) == 1


@pytest.mark.parametrize(
    "fields", [{"paid": True}, {"state": State.FILLED}, {"reference": None, "state": State.CREATING}]
)
def test_a_page_does_not_ask_about_what_is_settled_or_unknown_to_payram(payram, fields):
    payment = PaymentFactory(**fields)
    assert refresh_if_stale(payment) is payment
    assert asked(payram) == 0


def test_a_page_shows_what_is_recorded_when_payram_is_down(payram, payment, caplog):
    payram.sandbox.inject_fault(None, "html")
    assert refresh_if_stale(payment).state == State.OPEN
    (said,) = [record.getMessage() for record in caplog.records if record.name == "django_payram"]
    began = f"PayRam could not be asked for the status page of {payment.token}. 127.0.0.1 answered with a web page"
    assert said.startswith(began)


def test_a_page_asks_a_payram_that_is_down_every_few_seconds_at_most(payram, payment):
    payram.sandbox.inject_fault(None, "html")
    for _ in range(3):
        refresh_if_stale(Payment.objects.get())
    assert asked(payram) == 1


def test_a_page_says_that_a_customer_came_back(payram, payment):
    payram.pay(payment)
    refresh_if_stale(payment)
    assert {event.source for event in payment.events.exclude(source="checkout")} == {Source.RETURN}


def test_a_page_that_asks_takes_no_other_payments_turn(payram, payment):
    other = PaymentFactory()
    refresh_if_stale(payment)
    other.refresh_from_db()
    assert other.checked_at is None


@pytest.mark.usefixtures("reads_elsewhere")
def test_what_was_recorded_is_read_where_it_was_written(payram, payment):
    payram.sandbox.pay(payment.reference)
    assert refresh(payment).is_paid


def test_a_page_does_not_wait_long(payram, payment, monkeypatch, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "DEADLINE": 4}}
    monkeypatch.setattr(sys.modules["django_payram.payments.refresh"], "PAGE_DEADLINE", 0.5)
    payram.sandbox.inject_fault(None, "slow_body")
    before = time.monotonic()
    refresh_if_stale(payment)
    assert time.monotonic() - before < 3


def test_a_page_survives_a_project_that_was_taken_out_of_the_settings(payment):
    Payment.objects.update(project="gone")
    payment.refresh_from_db()
    assert refresh_if_stale(payment) is payment


def test_a_page_notifies_receivers_what_is_undelivered(payram, payment, listener):
    listener.fail_on = {"payment_paid"}
    payram.pay(payment)
    refresh(payment)
    for _ in range(3):
        refresh_if_stale(payment)
    assert payment.events.filter(outcome="not_announced").count() == 1
    listener.fail_on = set()
    Payment.objects.update(checked_at=None)
    refresh_if_stale(Payment.objects.get())
    assert listener.names.count("payment_paid") == 1
