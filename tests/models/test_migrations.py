"""Migrations can be reversed, and run beside the code that came before them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, Status, database

FIRST = "0001_initial"


def migrate(name=None):
    """Migrate to the migration of this name, by default to the last, which the tests that follow need."""
    executor = MigrationExecutor(connections[database()])
    targets = [("django_payram", name)] if name else executor.loader.graph.leaf_nodes("django_payram")
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


@pytest.fixture
def at_first(transactional_db):
    yield migrate(FIRST)
    migrate()


def open_one(models, reference):
    facts = {"project": "default", "reference": reference, "customer_id": "kim", "amount_usd": Decimal("49.99")}
    rows = models.get_model("django_payram", "Payment").objects.using(database())
    return rows.create(state="OPEN", **facts)


def test_rows_of_the_code_before_are_read_by_the_code_after_and_the_other_way_round(at_first):
    open_one(at_first, "before")
    migrate()
    # A worker that was not restarted yet goes on inserting without the new columns.
    open_one(at_first, "beside")
    for payment in Payment.objects.using(database()):
        assert (payment.purpose, payment.order_number, payment.refunded_usd) == ("", "", 0)
        assert (payment.price, payment.status) == ((Decimal("49.99"), "USD"), Status.WAITING)
    payment.purpose = "deposit"
    with transaction.atomic(using=database()):
        payment.save(using=database())
    before = migrate(FIRST)
    references = (
        before.get_model("django_payram", "Payment").objects.using(database()).values_list("reference", flat=True)
    )
    assert sorted(references) == ["before", "beside"]


def test_transactions_of_before_are_found_by_their_hash(at_first):
    open_one(at_first, "none")
    rows = at_first.get_model("django_payram", "Payment").objects.using(database())
    links = {
        "ethereum": "https://etherscan.io/tx/0xAbC0123456789",
        "tron": "https://tronscan.org/#/transaction/abcdef0123456789/",
        "bitcoin": "https://mempool.space/tx/0123456789abcdef?mode=details",
    }
    for reference, link in links.items():
        open_one(at_first, reference)
        rows.filter(reference=reference).update(explorer_url=link)
    migrate()
    hashes = dict(Payment.objects.using(database()).values_list("reference", "transaction_hash"))
    assert hashes == {
        "none": "",
        "ethereum": "0xAbC0123456789",
        "tron": "abcdef0123456789",
        "bitcoin": "0123456789abcdef",
    }
    assert {PaymentUpdate(explorer_url=link).transaction_hash for link in links.values()} == {*hashes.values()} - {""}
