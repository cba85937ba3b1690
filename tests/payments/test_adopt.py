"""Payments made in PayRam's own dashboard."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_payram.exceptions import PayramRefused
from django_payram.models import Outcome, Payment, PaymentEvent, Source
from django_payram.payments import adopt, open_payment
from django_payram.testing import running_payram
from tests.payments.helpers import keep_webhook
from tests.servers import http, raw_server
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


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
    payment = adopt(foreign, order=order, actor="lee")
    assert payment.is_paid
    assert (payment.amount_usd, payment.customer_id, payment.order) == (30, "kim", order)
    assert listener.names.count("payment_paid") == 1
    assert not PaymentEvent.objects.filter(payment=None).exists()
    assert payment.events.get(outcome=Outcome.PAID).actor == "lee"
    assert adopt(foreign) == payment


def test_a_known_reference_is_only_asked_about(payram, order):
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference)
    assert adopt(payment.reference, order=order) == payment
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.events.get(outcome=Outcome.PAID).source == Source.ADMIN
    assert Payment.objects.count() == 1


def test_a_known_reference_is_not_given_to_another_order(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    calls = len(payram.sandbox.calls)
    with pytest.raises(ValueError) as caught:
        adopt(payment.reference, order=Order.objects.create())
    assert str(caught.value) == f"{payment.reference} is known already and belongs to another order or to none."
    assert len(payram.sandbox.calls) == calls


def test_a_known_reference_is_moved_to_another_order_on_request(payram, order, listener):
    """F85."""
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.pay(payment)
    other = Order.objects.create()
    moved = adopt(payment.reference, order=other, move=True, actor="lee")
    assert (moved.pk, moved.order) == (payment.pk, other)
    assert payment.events.get(outcome=Outcome.ASSIGNED).actor == "lee"
    assert listener.names.count("payment_paid") == 2


def test_a_payment_of_no_order_and_no_customer_is_adopted_as_it_is(db, settings):
    answered = {"paymentState": "OPEN", "amountInUSD": "30.004"}
    with raw_server(http(body=answered)) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        payment = adopt("from-the-dashboard")
    assert (payment.reference, payment.customer_id, payment.amount_usd) == ("from-the-dashboard", "", 30)
    assert (payment.order_type, payment.order_id, payment.order) == (None, "", None)
    assert payment.checked_at is not None
    assert {event.actor for event in payment.events.all()} == {""}


def test_a_payment_without_a_known_amount_cannot_be_adopted():
    with running_payram(api_version="faq") as payram:
        payment = open_payment(amount=30, email="a@example.org")
        payment.delete()
        with pytest.raises(ValueError, match="in US dollars"):
            adopt(payment.reference)
        assert payram


def test_an_unknown_payment_cannot_be_adopted(payram):
    with pytest.raises(PayramRefused):
        adopt("nobody")
    assert not Payment.objects.exists()


def adopt_by_command(*args):
    out = StringIO()
    call_command("payram_adopt", *args, stdout=out)
    return out.getvalue().strip()


def test_the_command_adopts(foreign, order):
    assert adopt_by_command(foreign, "--order", f"shop.order:{order.pk}") == f"{foreign}: FILLED, 30.00 USD"
    assert Payment.objects.get().order == order


def test_the_command_moves_a_payment(payram, order):
    payment = open_payment(amount=30, email="a@example.org")
    with pytest.raises(CommandError, match="another order or to none"):
        adopt_by_command(payment.reference, "--order", f"shop.order:{order.pk}")
    adopt_by_command(payment.reference, "--order", f"shop.order:{order.pk}", "--move")
    payment.refresh_from_db()
    assert payment.order == order


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--move"], "--move needs --order"),
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
        adopt_by_command(*arguments)


def test_what_was_kept_without_a_customer_is_not_asked_about_when_a_payment_without_one_is_adopted(settings):
    kept = keep_webhook(reference="somebodys", customer_id="")
    with raw_server(http(body={"paymentState": "OPEN", "amountInUSD": "30", "referenceID": "found"})) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        assert adopt("found").customer_id == ""
    kept.refresh_from_db()
    assert kept.next_retry_at is None
