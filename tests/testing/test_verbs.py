"""A verb for each situation that a shop meets."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.http import HttpResponse

from django_payram.exceptions import PayramUnavailable
from django_payram.models import Payment
from django_payram.models.states import Review, Status
from django_payram.payments import open_payment, refresh
from django_payram.sandbox import API_VERSIONS
from django_payram.sandbox.processor import CreateRequest
from django_payram.signals import payment_paid
from django_payram.testing import running_payram
from django_payram.testing.payram import serving
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def status_of_order():
    return Order.objects.get().status


@pytest.mark.parametrize("before", [None, 20])
def test_all_the_money_is_there_and_a_person_has_to_accept_it(payram, payment, before):
    if before:
        payram.pay(payment, before)
    assert payram.hold(payment) is payment
    assert (payment.status, payment.review, payment.missing_usd > 0) == (Status.HELD, Review.AMOUNT, True)
    assert status_of_order() != "paid"
    assert payram.accept(payment) is payment
    assert payment.is_paid
    assert status_of_order() == "paid"


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_server_can_have_a_payment_held(order, version):
    with running_payram(api_version=version) as payram:
        assert payram.hold(open_payment(order, amount=order.total, email=order.email)).status == Status.HELD


def test_money_comes_after_the_link_has_expired(payram, payment):
    assert payram.pay_late(payment) is payment
    assert payment.review == Review.LATE
    assert payment.received_usd == payment.amount_usd


def test_a_part_of_the_money_comes_late(payram, payment):
    assert (payram.pay_late(payment, 5).received_usd, payment.review) == (5, Review.LATE)


def test_money_comes_after_the_shop_has_withdrawn_the_link(payram, payment):
    assert payram.withdraw(payment) is payment
    assert payment.status == Status.WITHDRAWN
    assert payram.pay_late(payment).review == Review.LATE
    assert payram.sandbox.payment(payment.reference).state == "FILLED"


@pytest.mark.parametrize("paid", [False, True])
def test_a_customer_pays_twice(payram, payment, paid, listener):
    if paid:
        payram.pay(payment)
    assert payram.pay_twice(payment) is payment
    assert payment.review == Review.DUPLICATE
    assert payment.received_usd == 2 * payment.amount_usd
    assert listener.names.count("payment_paid") == 1


def test_payram_says_it_twice(payram, payment, listener):
    payram.pay(payment)
    assert payram.repeat(payment) is payment
    assert [one.status for one in payram.sandbox.deliveries] == [200, 200]
    assert listener.names.count("payment_paid") == 1


def test_the_money_is_seen_and_not_yet_there(payram, payment):
    assert payram.see(payment).status == Status.CONFIRMING
    assert status_of_order() != "paid"
    assert payram.confirm(payment, 3).status == Status.PAID


def test_the_money_is_sent_back(payram, payment):
    payram.pay(payment)
    assert payram.refund(payment, 10) is payment
    assert (payment.refunded_usd, payment.status) == (10, Status.PAID)
    assert payram.refund(payment).status == Status.REFUNDED
    with pytest.raises(ValueError, match="nothing"):
        payram.refund(payment)


def test_money_that_has_fractions_of_a_cent_is_sent_back(payram):
    payment = payram.pay(open_payment(amount=20, email="a@example.org"), "20.0051")
    assert payram.refund(payment).refunded_usd == Decimal("20.00")
    assert payment.status == Status.REFUNDED


def test_payram_is_down_and_comes_back(payram, payment):
    with payram.down():
        with pytest.raises(PayramUnavailable):
            open_payment(amount=20, email="a@example.org")
        with pytest.raises(PayramUnavailable):
            refresh(payment)
        assert payram.pay(payment).status == Status.WAITING
        assert payram.deliver() == []
    payment.refresh_from_db()
    assert payment.is_paid
    assert open_payment(amount=20, email="b@example.org").is_open


def test_a_payram_that_is_down_leaves_other_faults_alone(payram, payment):
    payram.sandbox.inject_fault(None, "conflict")
    with pytest.raises(LookupError), payram.down():
        raise LookupError
    with pytest.raises(PayramUnavailable) as failure:
        open_payment(amount=20, email="a@example.org")
    assert failure.value.status == 409
    payram.sandbox.clear_faults()
    assert open_payment(amount=20, email="a@example.org").is_open


def test_a_payram_that_is_down_repeats_nothing(payram, payment):
    with payram.down(), pytest.raises(ValueError, match="down"):
        payram.repeat(payment)


# What the shop answers


class Broken:
    """Middleware of a shop that answers webhooks its own way."""

    answer = (500, "")
    says_key = False

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        status, text = self.answer
        if self.says_key:
            text += request.headers["API-Key"]
        return HttpResponse(text, status=status)


@pytest.fixture
def broken(settings, monkeypatch):
    def answer(status, text="", *, says_key=False):
        monkeypatch.setattr(Broken, "answer", (status, text))
        monkeypatch.setattr(Broken, "says_key", says_key)
        settings.MIDDLEWARE = [f"{__name__}.Broken", *settings.MIDDLEWARE]

    return answer


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "django_payram.testing"]


@pytest.mark.parametrize("status", [302, 403, 500])
@pytest.mark.parametrize("verb", ["pay", "repeat", "deliver"])
def test_a_verb_says_what_the_shop_answered(payram, payment, broken, status, verb, caplog):
    broken(status, "Not\x1b today.\n" + "x" * 1000)
    if verb == "deliver":
        payram.sandbox.pay(payment.reference)
    payram.deliver() if verb == "deliver" else getattr(payram, verb)(payment)
    (words,) = said(caplog)
    assert f"The shop answered {status} to the webhook about {payment.reference}" in words
    assert "Not  today. xxx" in words
    assert len(words) < 700


@pytest.mark.parametrize("before", [0, 190, 480])
def test_no_key_is_in_what_a_verb_says(payram, payment, broken, before, caplog):
    """Also where the text is cut."""
    broken(500, "x" * before, says_key=True)
    payram.pay(payment)
    key = payram.setting()["default"]["API_KEY"]
    assert key[:8] not in "".join(said(caplog))
    assert key[:8] not in str(payram.sandbox.deliveries)


def test_no_key_is_said_of_a_project_with_a_name_of_its_own(payment, broken, caplog):
    """Whoever serves a pretend PayRam need not have it in the setting."""
    broken(500, says_key=True)
    wanted = CreateRequest(customer_id="1", customer_email="a@example.org", amount_usd=Decimal(5))
    with serving(api_key="a-key-that-no-setting-knows") as other:
        created = other.sandbox.create(wanted, site="https://pay.example.com")
        other.sandbox.pay(created.reference)
        other.deliver()
    (words,) = said(caplog)
    assert "answered 500" in words
    assert "a-key-that" not in words


def test_the_sandbox_itself_only_writes_down_what_the_shop_answered(payram, payment, broken):
    broken(500)
    payram.sandbox.pay(payment.reference)
    assert [one.status for one in payram.sandbox.deliver_due()] == [500]


def test_a_receiver_that_raises_is_seen(payram, payment, caplog):
    def fails(sender, payment, **kwargs):
        raise RuntimeError("no")

    payment_paid.connect(fails)
    try:
        payram.pay(payment)
    finally:
        payment_paid.disconnect(fails)
    assert "a receiver of the shop failed" in said(caplog)[0]
    assert Payment.objects.get().is_paid
