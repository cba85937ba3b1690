"""The webhooks of the pretend PayRam: when they are sent, how often, and how they are signed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

import pytest
import requests

from django_payram.sandbox import OutgoingWebhook, Sandbox
from django_payram.sandbox.coins import BY_CODE
from django_payram.sandbox.processor import CreateRequest
from django_payram.sandbox.webhooks import send_by_requests, sign

KEY = "00112233445566778899aabbccddeeff"
START = datetime(2026, 9, 1, 12, tzinfo=timezone.utc)
VECTOR = (
    b'{"customer_id":"order-1042","invoice_id":"INV-1042","reference_id":"6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11",'
    b'"status":"FILLED","amount":"49.99","currency":"USDC","filled_amount":"49.99","filled_amount_in_usd":"49.99",'
    b'"sponsored_amount":"0","sponsored_amount_in_usd":"0","timestamp":1789000000,"payment_info":[{"source_address":'
    b'"0x1111111111111111111111111111111111111111","transaction_hash":'
    b'"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","destination_address":'
    b'"0x2222222222222222222222222222222222222222","block_number":31245678}],'
    b'"confirmation_current":0,"confirmation_required":0}'
)
HOUR = 3600


class Bench:
    """A sandbox with a clock that stands still and a shop that answers as it is set to."""

    def __init__(self, **options):
        self.now, self.sent, self.answer = START, [], (200, "ok")
        self.sandbox = Sandbox(
            **{
                "api_key": KEY,
                "webhook_url": "http://shop/hook",
                "send": self.send,
                "clock": lambda: self.now,
                **options,
            }
        )

    def send(self, webhook):
        self.sent.append(webhook)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def create(self, **changes):
        wanted = {"customer_id": "order-1042", "customer_email": "buyer@example.org", "amount_usd": Decimal("49.99")}
        return self.sandbox.create(CreateRequest(**{**wanted, **changes}), site="http://payram").reference

    def bodies(self):
        self.sandbox.deliver_due(self.now)
        return [json.loads(one.body) for one in self.sent]


def test_the_signature_is_that_of_the_published_vector():
    assert len(VECTOR) == 601
    expected = "sha256=6dfb344684d2d950da54cb0d8659fcadf477721a0eaa05bf6ef7d8e92341aa1b"
    assert sign(VECTOR, key=KEY) == expected


def test_a_webhook_of_2026_has_the_fields_of_the_vector_in_order_and_is_signed():
    bench = Bench()
    bench.sandbox.pay(bench.create(invoice_id="INV-1042"))
    (body,) = bench.bodies()
    model = json.loads(VECTOR)
    assert list(body) == list(model)
    assert list(body["payment_info"][0]) == list(model["payment_info"][0])
    varying = {"reference_id", "timestamp", "payment_info"}
    assert {key: body[key] for key in body if key not in varying} == {
        key: model[key] for key in model if key not in varying
    }
    assert body["timestamp"] == int(START.timestamp())
    (webhook,) = bench.sent
    assert (webhook.method, webhook.url) == ("POST", "http://shop/hook")
    assert webhook.headers == {
        "Content-Type": "application/json",
        "API-KEY": KEY,
        "X-Payram-Signature": sign(webhook.body, key=KEY),
    }


def test_the_key_is_not_in_the_repr_of_a_webhook():
    bench = Bench()
    bench.sandbox.pay(bench.create())
    bench.bodies()
    assert KEY not in repr(bench.sent)


def test_a_webhook_of_the_faq_is_a_get_with_json():
    bench = Bench(api_version="faq")
    reference = bench.create()
    bench.sandbox.pay(reference, 35)
    (body,) = bench.bodies()
    assert body == {
        "reference_id": reference,
        "amount": "49.99",
        "deposit_address": bench.sandbox.payment(reference).deposit_address,
        "payment_state": "PARTIALLY_FILLED",
        "filled_amount": "35",
        "filled_amount_in_usd": "35.00",
    }
    (webhook,) = bench.sent
    assert webhook.method == "GET"
    assert webhook.headers == {"Content-Type": "application/json", "API-Key": KEY}


def test_a_webhook_of_late_2025_has_numbers_in_dollars():
    bench = Bench(api_version="2025-11")
    reference = bench.create()
    bench.sandbox.pay(reference)
    (body,) = bench.bodies()
    assert body == {
        "reference_id": reference,
        "invoice_id": reference,
        "customer_id": "order-1042",
        "customer_email": "buyer@example.org",
        "status": "FILLED",
        "amount": 49.99,
        "filled_amount_in_usd": 49.99,
        "currency": "USD",
    }
    assert bench.sent[0].method == "POST"


def test_a_webhook_of_2024_has_strings_alone():
    bench = Bench(api_version="2024")
    bench.sandbox.pay(bench.create(), "52")
    (body,) = bench.bodies()
    assert (body["status"], body["filled_amount"], body["filled_amount_in_usd"]) == ("OVER_FILLED", "52", "52.00")
    assert body["timestamp"] == str(int(START.timestamp()))


def test_the_states_sent_follow_the_money():
    bench = Bench()
    sandbox, reference = bench.sandbox, bench.create()
    sandbox.pay(reference, 20)
    sandbox.expire(reference)
    assert sandbox.payment(reference).filled_usd == 20
    sandbox.pay(reference)
    sandbox.pay(reference, "0.01")
    sandbox.expire(reference)
    states = [one["status"] for one in bench.bodies()]
    assert states == ["PARTIALLY_FILLED", "CANCELLED", "FILLED", "OVER_FILLED"]


def test_late_money_on_an_untouched_cancelled_payment_fills_it():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.expire(reference)
    bench.sandbox.see(reference)
    assert bench.sandbox.payment(reference).state == "CANCELLED"
    bench.sandbox.confirm(reference, 3)
    assert bench.sandbox.payment(reference).state == "FILLED"


def test_paying_without_a_sum_confirms_what_is_on_the_chain():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.see(reference, 20)
    payment = bench.sandbox.pay(reference)
    assert (payment.state, payment.filled_usd, payment.pending) == ("FILLED", Decimal("49.99"), ())
    with pytest.raises(ValueError, match="Nothing is missing"):
        bench.sandbox.pay(reference)


def test_a_reorganised_chain_takes_confirmed_money_back():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.pay(reference)
    payment = bench.sandbox.confirm(reference, -5)
    assert (payment.state, payment.filled_usd, payment.confirmations) == ("OPEN", 0, 0)
    assert bench.sandbox.confirm(reference, 3).state == "FILLED"


def test_a_coin_cannot_be_changed_once_money_came_in_it():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.pay(reference, 1)
    before = bench.sandbox.payment(reference)
    assert bench.sandbox.choose(reference, coin=BY_CODE["BTC-BTC"]) == before


def test_a_top_up_is_a_new_payment_of_the_same_customer():
    bench = Bench()
    parent = bench.create(invoice_id="INV-1042")
    bench.sandbox.pay(parent, 20)
    child = bench.sandbox.top_up(parent)
    body = bench.bodies()[-1]
    assert child != parent
    assert (body["reference_id"], body["invoice_id"], body["customer_id"]) == (child, child, "order-1042")
    assert (body["status"], body["amount"], body["filled_amount_in_usd"]) == ("FILLED", "29.99", "29.99")
    assert bench.sandbox.payment(parent).state == "PARTIALLY_FILLED"


def test_a_webhook_about_a_confirming_deposit_is_repeated_every_three_seconds():
    bench = Bench()
    bench.sandbox.see(bench.create())
    for seconds in (0, 1, 2, 3, 4, 6):
        bench.sandbox.deliver_due(START + timedelta(seconds=seconds))
    assert [one.at - START for one in bench.sandbox.deliveries] == [timedelta(seconds=n) for n in (0, 3, 6)]
    body = json.loads(bench.sent[-1].body)
    assert (body["status"], body["confirmation_current"], body["confirmation_required"]) == ("OPEN", 0, 3)
    assert body["payment_info"]


@pytest.mark.parametrize("answer", [(500, "no"), (302, ""), (404, ""), requests.ConnectionError(KEY)])
def test_a_final_state_is_tried_for_three_and_a_half_days(answer):
    bench = Bench()
    bench.answer = answer
    bench.sandbox.pay(bench.create())
    waits, at = [], START
    while (done := bench.sandbox.deliver_due(at)) and done[0].next_at:
        waits.append((done[0].next_at - at).total_seconds())
        assert bench.sandbox.deliver_due(done[0].next_at - timedelta(seconds=1)) == []
        at = done[0].next_at
    hours = [0.5, 1, 2, 4, 8, 24, 48]
    assert waits == [2, 4, *[n * HOUR for n in hours]]
    assert done[0].attempt == 10
    assert KEY not in done[0].answer


def test_a_state_that_is_not_final_is_tried_three_times():
    bench = Bench()
    bench.answer = (500, "no")
    bench.sandbox.pay(bench.create(), 1)
    for seconds in (0, 2, 6, 10_000):
        bench.sandbox.deliver_due(START + timedelta(seconds=seconds))
    assert [one.attempt for one in bench.sandbox.deliveries] == [1, 2, 3]


def test_any_2xx_ends_a_delivery():
    bench = Bench()
    bench.answer = (204, "x" * 600)
    bench.sandbox.pay(bench.create())
    (done,) = bench.sandbox.deliver_due(START)
    assert (done.status, done.next_at, len(done.answer)) == (204, None, 500)
    assert bench.sandbox.deliver_due(START + timedelta(days=9)) == []


def test_an_error_of_the_sender_comes_through_and_the_webhook_is_tried_again():
    bench = Bench()
    bench.answer = RuntimeError("a receiver is broken")
    bench.sandbox.pay(bench.create())
    with pytest.raises(RuntimeError, match="broken"):
        bench.sandbox.deliver_due(START)
    bench.answer = (200, "ok")
    (done,) = bench.sandbox.deliver_due(START + timedelta(seconds=2))
    assert (done.attempt, done.status) == (2, 200)


def test_switched_off_nothing_is_queued_and_nothing_sent():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.pay(reference, 1)
    bench.sandbox.webhooks = False
    bench.sandbox.pay(reference, 2)
    assert bench.bodies() == []
    bench.sandbox.webhooks = True
    assert [one["filled_amount_in_usd"] for one in bench.bodies()] == ["1.00"]


def test_sending_again_sends_the_present_state():
    bench = Bench()
    reference = bench.create()
    bench.sandbox.pay(reference)
    bench.bodies()
    done = bench.sandbox.redeliver(reference)
    assert (done.state, done.status, done.next_at) == ("FILLED", 200, None)
    assert len(bench.sent) == 2
    silent = Bench(webhook_url="")
    lonely = silent.create()
    with pytest.raises(ValueError, match="webhook URL"):
        silent.sandbox.redeliver(lonely)


def test_the_payments_can_be_read_while_a_webhook_is_on_its_way():
    arrived, leave = Event(), Event()

    def slow(_webhook):
        arrived.set()
        return (200, "ok") if leave.wait(5) else (500, "stuck")

    bench = Bench(send=slow)
    reference = bench.create()
    bench.sandbox.pay(reference)
    thread = Thread(target=bench.sandbox.deliver_due)
    thread.start()
    assert arrived.wait(5)
    assert bench.sandbox.payment(reference).state == "FILLED"
    assert bench.sandbox.deliver_due(START) == []
    leave.set()
    thread.join()
    assert [one.status for one in bench.sandbox.deliveries] == [200]


@pytest.fixture
def shop():
    """A shop on a real socket that redirects; what it was sent is in ``received``."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.received.append((self.command, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            self.do_GET()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Shop)
    server.received, thread = [], Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_network_carries_the_body_and_follows_no_redirect(shop, method):
    url = f"http://127.0.0.1:{shop.server_port}/hook"
    status, _text = send_by_requests(OutgoingWebhook(method, url, {"API-Key": KEY}, b"{}"))
    assert status == 302
    assert shop.received == [(method, b"{}")]


def test_a_serving_sandbox_goes_on_after_an_error_of_the_sender(caplog):
    arrived, states = Event(), iter([RuntimeError("a receiver is broken"), None])

    def send(_webhook):
        if (fault := next(states)) is not None:
            raise fault
        arrived.set()
        return 200, "ok"

    sandbox = Sandbox(api_key=KEY, webhook_url="http://shop/", send=send)
    with sandbox.serve(deliver=True):
        wanted = CreateRequest(customer_id="a", customer_email="b", amount_usd=Decimal(1))
        sandbox.pay(sandbox.create(wanted, site=sandbox.url).reference)
        assert arrived.wait(8)
    assert "failed to send a webhook" in caplog.text
    assert KEY not in caplog.text


def test_a_serving_sandbox_sends_what_is_due_by_itself():
    arrived = Event()

    def send(_webhook):
        arrived.set()
        return 200, "ok"

    sandbox = Sandbox(api_key=KEY, webhook_url="http://shop/", send=send)
    with sandbox.serve(deliver=True):
        wanted = CreateRequest(customer_id="a", customer_email="b", amount_usd=Decimal(1))
        sandbox.pay(sandbox.create(wanted, site=sandbox.url).reference)
        assert arrived.wait(5)
