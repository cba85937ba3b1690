"""The quick PayRam says what the package understands."""

from __future__ import annotations

import json

from benchmarks.rows.facts import OPENED_FROM, PAID_FROM, amount_usd, customer_id, order_of, reference
from benchmarks.stage.quick_payram import QuickPayram, status
from benchmarks.webhook import body
from django_payram.gateway import fields, payloads
from django_payram.models.states import State


def test_a_reference_holds_its_number():
    for number in (1, 999_999, OPENED_FROM + 7, PAID_FROM):
        assert fields.REFERENCE.fullmatch(reference(number))
        assert order_of(reference(number)) == number


def test_its_answers_are_read_as_open_and_as_filled():
    for number, state in ((5, State.OPEN), (OPENED_FROM, State.OPEN), (PAID_FROM, State.FILLED)):
        report = payloads.read_status(json.dumps(status(reference(number))).encode())
        assert (report.state, report.reference, report.customer_id) == (state, reference(number), customer_id(number))
        assert report.requested_usd == amount_usd(number)
        assert report.filled_usd == (amount_usd(number) if state == State.FILLED else None)


def test_it_makes_a_new_payment_each_time():
    payram = QuickPayram(latency=0)
    first, second = (payloads.read_created(payram.answer(b"POST", b"/api/v1/payment")) for _ in range(2))
    assert first.reference != second.reference
    assert payloads.read_status(payram.answer(b"GET", f"/api/v1/payment/reference/{first.reference}".encode())).state


def test_its_latency_is_set_by_an_address_and_nothing_else_is_known():
    payram = QuickPayram(latency=0)
    assert payram.answer(b"GET", b"/latency/0.02") is not None
    assert payram.latency == 0.02
    assert payram.answer(b"GET", b"/health") is None


def test_the_webhooks_that_are_sent_are_read():
    report = payloads.read_webhook(body(7))
    assert (report.state, report.filled_usd, report.reference) == (State.FILLED, amount_usd(7), reference(7))
