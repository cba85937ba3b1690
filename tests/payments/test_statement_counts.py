"""SQL statements of the roads that every payment takes, BEGIN, SAVEPOINT and COMMIT included: they do not grow."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_payram.models import content_type, order_key
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory

KEY = "00112233445566778899aabbccddeeff"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.not_in("databases", reason="these are the statements of one database"),
]


@pytest.fixture
def statements(order):
    """Return the statements that some work needs, each by its first word."""
    content_type(order)  # looked up once in a process

    def of(work):
        with CaptureQueriesContext(connection) as context:
            work()
        return [query["sql"].split()[0].strip(";") for query in context.captured_queries]

    return of


@pytest.fixture
def deliver(settings, order):
    """Deliver a webhook about an order's payment whose payload is trusted."""
    settings.PAYRAM = {"default": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": KEY, "CONFIRM_WEBHOOKS": False}}
    payment = PaymentFactory(
        order_type=content_type(order), order_id=str(order.pk), live_slot=order_key(order).live_slot("")
    )
    body = {"reference_id": payment.reference, "status": "FILLED", "amount": "49.99", "currency": "USD"}
    whole = json.dumps({**body, "filled_amount_in_usd": "49.99"})
    client = Client(headers={"API-Key": KEY})

    def post():
        assert client.post("/payram/webhook/", whole, content_type="application/json").status_code == 200

    return post


def test_a_webhook_that_pays_an_order_needs_nine_statements_its_receivers_one_included(statements, deliver, order):
    assert statements(deliver) == [
        "SELECT",
        "BEGIN",
        "SELECT",
        "UPDATE",
        "INSERT",
        "SAVEPOINT",
        "UPDATE",
        "RELEASE",
        "COMMIT",
    ]
    order.refresh_from_db()
    assert order.times_paid == 1


def test_a_webhook_without_news_needs_one_statement(statements, deliver):
    deliver()
    assert statements(deliver) == ["SELECT"]


def test_a_link_for_a_new_order_needs_eight_statements(statements, payram, order):
    made = statements(lambda: open_payment(order, amount=order.total, email=order.email))
    assert made == ["SELECT", "INSERT", *["BEGIN", "SELECT", "UPDATE", "INSERT", "COMMIT"], "SELECT"]


def test_a_second_click_needs_one_statement(statements, payram, order):
    open_payment(order, amount=order.total, email=order.email)
    assert statements(lambda: open_payment(order, amount=order.total, email=order.email)) == ["SELECT"]
