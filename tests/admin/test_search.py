"""The list finds what people say on the phone, and asks an index for each (F99)."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from django_payram.admin import search
from django_payram.admin.search import matching
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, State, database
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import receive

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
FACTS = {
    "reference": "Ref-1234567890",
    "customer_id": "shop.order-7-0123456789ab",
    "customer_email": "Kim.Lee@Example.org",
    "order_id": "7",
    "order_number": "CK-00042",
    "deposit_address": "0xAbCd000000000000000000000000000000001234",
    "transaction_hash": "0xFeEd00000000000000000000000000000000000000000000000000000000beef",
}


@pytest.fixture
def payment():
    PaymentFactory(order_number="CK-000421", customer_email="tim@example.org", order_id="77")
    return PaymentFactory(**FACTS)


@pytest.mark.parametrize(
    "term",
    [
        "Ref-1234567890",
        "shop.order-7-0123456789ab",
        "7",
        "CK-00042",
        "ck-00042",
        "#CK-00042",
        "kim.lee@example.org",
        "KIM.LEE@EXAMPLE.ORG",
        "kim.l",
        "Kim",
        "0xabcd000000000000000000000000000000001234",
        "0XABCD000000000000000000000000000000001234",
        "0xfeed00000000000000000000000000000000000000000000000000000000BEEF",
        " CK-00042 ",
    ],
)
def test_a_payment_is_found(admin_client, payment, term):
    """F99: mixed case, parts of an e-mail, hashes and numbers, as people say them."""
    assert list(admin_client.get(LIST, {"q": term}).context["cl"].result_list) == [payment]


def test_a_payment_is_found_by_its_token(admin_client, payment):
    for term in (str(payment.token), payment.token.hex, str(payment.token).upper()):
        assert list(admin_client.get(LIST, {"q": term}).context["cl"].result_list) == [payment]


@pytest.mark.parametrize("term", ["CK-0004", "lee@example.org", "0xabcd", "0xfeed", "Ref-123", "k%", "_im", "nobody"])
def test_nothing_else_is_found(admin_client, payment, term):
    assert list(admin_client.get(LIST, {"q": term}).context["cl"].result_list) == []


def test_a_search_keeps_the_filters(admin_client, payment):
    assert list(admin_client.get(LIST, {"q": "kim", "status": "paid"}).context["cl"].result_list) == []


def test_a_search_that_finds_more_than_a_list_shows_leaves_out_none_that_the_filters_keep(admin_client, monkeypatch):
    monkeypatch.setattr(search, "LISTED", 2)
    for name in ("kim.a", "kim.b", "kim.c", "kim.d"):
        PaymentFactory(customer_email=f"{name}@example.org")
    wanted = PaymentFactory(customer_email="kim.z@example.org", withdrawn_at=now())
    assert list(admin_client.get(LIST, {"q": "kim", "status": "withdrawn"}).context["cl"].result_list) == [wanted]
    assert len(admin_client.get(LIST, {"q": "kim"}).context["cl"].result_list) == 3


def test_of_too_many_payments_by_one_address_the_newest_are_found(admin_client, monkeypatch):
    monkeypatch.setattr(search, "LISTED", 2)
    payments = PaymentFactory.create_batch(5, customer_email="kim@example.org", customer_id="kim@example.org")
    newest = {payment.pk for payment in payments[-3:]}
    for term in ("kim@example.org", "KIM@example.org"):
        assert {row.pk for row in admin_client.get(LIST, {"q": term}).context["cl"].result_list} == newest


@pytest.mark.parametrize(("listed", "statements"), [(500, 1), (0, 2)])
def test_a_search_is_a_statement_or_two_whose_every_part_an_index_serves(payment, monkeypatch, listed, statements):
    """F99."""
    monkeypatch.setattr(search, "LISTED", listed)
    connection = connections[database()]
    with CaptureQueriesContext(connection) as captured:
        rows = matching(Payment.objects.using(database()), "Kim")
    assert list(rows) == [payment]
    plan = ""
    assert len(captured) == statements
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # With two rows nothing is quicker than reading them.
            cursor.execute("SET LOCAL enable_seqscan = off")
        for found in captured.captured_queries:
            cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {found['sql']}")
            plan += str(cursor.fetchall())
    assert "SCAN django_payram_payment" not in plan
    # SQLite names the index of a constraint by itself.
    for index in (
        *(["reference"] if connection.vendor != "sqlite" else []),
        "customer",
        "order",
        "anyemail",
        "anyaddress",
        "transaction",
        "number",
    ):
        assert f"payram_payment_{index}" in plan, plan


def test_the_hash_of_a_transaction_comes_with_payrams_link():
    payment = PaymentFactory()
    link = "https://tronscan.org/#/transaction/5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060"
    receive(payment, State.FILLED, Decimal("49.99"), explorer_url=link)
    payment.refresh_from_db()
    assert payment.transaction_hash == link.rpartition("/")[2]
    assert PaymentUpdate(explorer_url="https://example.org").transaction_hash == ""


# Dates of payment


@pytest.fixture
def _paid(settings):
    for moment in ("2024-12-31 23:30", "2026-01-05", "2026-11-02 12:00", "2026-11-20 08:00"):
        zone = timezone.utc if settings.USE_TZ else None
        PaymentFactory(paid=True, paid_at=datetime.fromisoformat(moment).replace(tzinfo=zone))


@pytest.mark.usefixtures("_paid")
@pytest.mark.parametrize(
    ("query", "count", "offered"),
    [
        ({}, 4, ["2024", "2025", "2026"]),
        ({"paid_at__year": "2026"}, 3, ["January 2026", "November 2026"]),
        ({"paid_at__year": "2026", "paid_at__month": "11"}, 2, ["November 2", "November 20"]),
        ({"paid_at__year": "2026", "paid_at__month": "11", "paid_at__day": "20"}, 1, ["November 20"]),
    ],
)
def test_the_list_goes_down_into_dates_of_payment(admin_client, settings, query, count, offered):
    settings.TIME_ZONE = "UTC"
    response = admin_client.get(LIST, query)
    assert response.context["cl"].result_count == count
    for title in offered:
        assert f">{title}<" in response.content.decode().replace("\n", "").replace("  ", "")
    assert ">November 21<" not in response.content.decode()
