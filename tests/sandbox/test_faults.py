"""The ways in which the pretend PayRam can be made to fail."""

from __future__ import annotations

import time

import pytest
import requests

from django_payram.sandbox import FAULTS, Sandbox

KEY = "00112233445566778899aabbccddeeff"
ORDER = {"customerEmail": "buyer@example.org", "customerId": "order-1042", "amountInUSD": 49.99}


class Shop:
    def __init__(self, sandbox):
        self.sandbox, self.http = sandbox, requests.Session()
        self.http.headers["API-Key"] = KEY

    def create(self, **kwargs):
        url = f"{self.sandbox.url}/api/v1/payment"
        return self.http.post(url, json=ORDER, timeout=5, allow_redirects=False, **kwargs)

    def ask(self, reference, **kwargs):
        url = f"{self.sandbox.url}/api/v1/payment/reference/{reference}"
        return self.http.get(url, timeout=5, allow_redirects=False, **kwargs)


@pytest.fixture
def shop():
    with Sandbox(api_key=KEY).serve() as sandbox:
        shop = Shop(sandbox)
        yield shop
        shop.http.close()


@pytest.fixture
def reference(shop):
    reference = shop.create().json()["reference_id"]
    shop.sandbox.pay(reference)
    return reference


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("html", 200, "<div id="),
        ("redirect", 302, ""),
        ("unauthorized", 401, "UNAUTHORIZED"),
        ("conflict", 409, "CONFLICT"),
        ("throttled", 429, "RATE_LIMITED"),
        ("broken", 500, "Failed to get payment request"),
        ("gateway", 502, "502 Bad Gateway"),
        ("not_json", 200, '{"reference_id": '),
    ],
)
def test_an_answer_can_be_replaced(shop, reference, kind, status, words):
    shop.sandbox.inject_fault(None, kind)
    for answer in (shop.create(), shop.ask(reference)):
        assert answer.status_code == status
        assert words in answer.text
    shop.sandbox.clear_faults()
    assert shop.ask(reference).json()["paymentState"] == "FILLED"


def test_a_throttled_answer_says_when_to_come_back(shop):
    shop.sandbox.inject_fault(None, "throttled")
    assert shop.create().headers["Retry-After"] == "7"


def test_a_redirect_leads_to_another_host_where_a_follower_is_seen(shop, reference):
    shop.sandbox.inject_fault(reference, "redirect", times=1)
    target = shop.ask(reference).headers["Location"]
    assert target.startswith("http://localhost:")
    before = len(shop.sandbox.calls)
    assert requests.get(target, timeout=5).status_code == 401
    assert len(shop.sandbox.calls) == before + 1


def test_code_5_comes_in_a_200_and_opens_nothing(shop):
    shop.sandbox.inject_fault(None, "code5")
    answer = shop.create()
    assert (answer.status_code, answer.json()["code"]) == (200, 5)
    assert shop.sandbox.payments() == []


@pytest.mark.parametrize(("kind", "opened"), [("gateway", 1), ("cut_body", 1), ("html", 0), ("conflict", 0)])
def test_some_failures_come_after_the_payment_was_opened(shop, kind, opened):
    shop.sandbox.inject_fault(None, kind)
    try:
        shop.create()
    except requests.RequestException:
        assert kind == "cut_body"
    assert len(shop.sandbox.payments()) == opened


def test_a_body_can_end_in_its_middle(shop, reference):
    shop.sandbox.inject_fault(None, "cut_body", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        shop.ask(reference)
    assert shop.ask(reference).status_code == 200


def test_a_body_can_be_huge_and_still_json(shop, reference):
    shop.sandbox.inject_fault(None, "huge_body")
    answer = shop.ask(reference)
    assert len(answer.content) > 2 * 1024 * 1024
    assert answer.json()["paymentState"] == "FILLED"


def test_a_body_can_be_slow(shop, reference):
    shop.sandbox.inject_fault(None, "slow_body")
    begun = time.monotonic()
    with shop.ask(reference, stream=True) as answer:
        assert answer.raw.read(2) == b'{"'
    assert 0.8 < time.monotonic() - begun < 4


def test_headers_can_be_slow_and_closing_does_not_wait_for_them():
    with Sandbox(api_key=KEY, faults=["slow_headers"]).serve() as sandbox:
        shop = Shop(sandbox)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{sandbox.url}/api/v1/health", timeout=0.3)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    shop.http.close()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("wrong_reference", "referenceID"), ("wrong_customer", "customerID"), ("lower_state", "paymentState")],
)
def test_an_answer_about_a_payment_can_be_wrong(shop, reference, kind, name):
    correct = shop.ask(reference).json()
    shop.sandbox.inject_fault(reference, kind)
    wrong = shop.ask(reference).json()
    assert list(wrong) == list(correct)
    assert wrong[name] != correct[name]
    assert wrong["amountInUSD"] == correct["amountInUSD"]


def test_a_lowered_state_hides_the_money(shop, reference):
    shop.sandbox.inject_fault(reference, "lower_state")
    body = shop.ask(reference).json()
    assert (body["paymentState"], body["filledAmountInUSD"]) == ("OPEN", None)


@pytest.mark.parametrize(
    ("kind", "site"), [("foreign_url", "https://checkout.elsewhere.example/"), ("localhost_url", "http://localhost/")]
)
def test_a_checkout_link_can_lead_elsewhere(shop, kind, site):
    shop.sandbox.inject_fault(None, kind)
    body = shop.create().json()
    assert body["url"] == f"{site}payments?reference_id={body['reference_id']}"


def test_a_fault_can_be_for_one_payment_and_a_number_of_times(shop, reference):
    other = shop.create().json()["reference_id"]
    shop.sandbox.inject_fault(reference, "broken", times=2)
    assert shop.ask(other).status_code == 200
    assert [shop.ask(reference).status_code for _ in range(3)] == [500, 500, 200]


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="slow_body"):
        Sandbox(api_key=KEY, faults=["nonsense"])
    assert len(FAULTS) == 19
