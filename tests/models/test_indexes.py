"""Texts are found in any case, and by an index, on every database."""

from __future__ import annotations

import pytest
from django.db import connections

from django_payram.models import Payment, database
from django_payram.models.indexes import starts_with
from django_payram.models.statuses import RARE_STATUSES
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def found(name, beginning):
    rows = Payment.objects.filter(starts_with(name, beginning, using=database()))
    return set(rows.values_list(name, flat=True))


@pytest.fixture
def _customers():
    for address in (
        "Kim@Example.org",
        "kimberly@example.org",
        "k_m@example.org",
        "tim@example.org",
        "k%@example.org",
        "Élan@é.org",
    ):
        PaymentFactory(customer_email=address)


@pytest.mark.usefixtures("_customers")
@pytest.mark.parametrize(
    ("beginning", "addresses"),
    [
        ("kim", {"Kim@Example.org", "kimberly@example.org"}),
        ("KIM@", {"Kim@Example.org"}),
        ("kim@example.org", {"Kim@Example.org"}),
        ("im", set()),
        # What LIKE reads as a pattern is a letter like any other.
        ("k_", {"k_m@example.org"}),
        ("k%", {"k%@example.org"}),
        ("k\\", set()),
        ("Éla", {"Élan@é.org"}),
        (
            "",
            {
                "Élan@é.org",
                "Kim@Example.org",
                "kimberly@example.org",
                "k_m@example.org",
                "tim@example.org",
                "k%@example.org",
            },
        ),
    ],
)
def test_a_text_is_found_by_its_beginning_in_any_case(beginning, addresses):
    assert found("customer_email", beginning) == addresses


@pytest.mark.postgresql
@pytest.mark.parametrize("status", sorted(RARE_STATUSES))
def test_an_index_serves_a_status_that_few_payments_have(status):
    """MariaDB knows no partial indexes, and SQLite does not see through values that are bound."""
    PaymentFactory.create_batch(20)
    with connections[database()].cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # Among few rows another index may seem as good.
        for index in Payment._meta.indexes:
            if index.name != "payram_payment_rare":
                cursor.execute(f"DROP INDEX {index.name}")
    assert "payram_payment_rare" in Payment.objects.with_status(status).order_by("-created_at").explain()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("customer_email", "payram_payment_anyemail"),
        ("deposit_address", "payram_payment_anyaddress"),
        ("transaction_hash", "payram_payment_transaction"),
        ("order_number", "payram_payment_number"),
    ],
)
def test_an_index_serves_the_question(name, index):
    connection = connections[database()]
    PaymentFactory.create_batch(20)
    rows = Payment.objects.filter(starts_with(name, "0xAb", using=database()), **{f"{name}__gt": ""}).order_by()
    if connection.vendor == "postgresql":
        # With few rows nothing is quicker than reading them all.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in rows.explain()
