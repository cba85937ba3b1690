"""Many tabs and clicks at once on a payment in the shop, with real threads on a database that locks rows."""

from __future__ import annotations

import pytest
from django.test import Client

from django_payram.models import PaymentQuote
from django_payram.payments import open_payment
from tests.conftest import in_threads

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def choose(payram, order):
    """Return a click on a coin, which returns the status and the text of the page that it leads to."""
    payment = open_payment(order, amount=order.total, email=order.email)
    address = f"/payram/payments/{payment.token}/pay/"
    Client().get(address)

    def click(method):
        answer = Client().post(address, {"method": method}, follow=True)
        return answer.status_code, answer.content.decode()

    return click


@pytest.fixture
def address_calls(payram):
    return lambda: len([call for call in payram.sandbox.calls if "deposit-address" in call.path])


def test_clicks_at_once_ask_once_for_an_address_and_all_get_it(choose, address_calls):
    answers = in_threads(*[lambda: choose("USDC-BASE")] * 6)
    assert [(status, "Send USDC on Base" in text) for status, text in answers] == [(200, True)] * 6
    assert address_calls() == 1


@pytest.mark.parametrize("fault", ["broken", "unauthorized", "slow_headers"])
def test_clicks_at_once_share_the_failure_of_one_call(payram, choose, address_calls, fault):
    with payram.sandbox.faulty(fault):
        answers = in_threads(*[lambda: choose("USDC-BASE")] * 6)
    assert [(status, "payram-problem" in text) for status, text in answers] == [(503, True)] * 6
    assert address_calls() == 1


def test_clicks_at_once_on_several_networks_lose_no_address(choose, address_calls):
    answers = in_threads(*[lambda code=code: choose(code) for code in ("USDC-BASE", "BTC-BTC", "ETH-ETH", "USDC-BASE")])
    assert [status for status, _text in answers] == [200] * 4
    assert PaymentQuote.objects.get().addresses.keys() == {"BASE", "BTC", "ETH"}
    assert address_calls() == 3
