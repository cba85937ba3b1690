"""Migrations can be reversed, and run beside the code that came before them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from django_payram.models import Payment, Status, database

FIRST, LAST = ("django_payram", "0001_initial"), ("django_payram", "0002_life_of_an_order")


def migrate(target):
    executor = MigrationExecutor(connections[database()])
    executor.migrate([target])
    return executor.loader.project_state([target]).apps


@pytest.fixture
def at_first(transactional_db):
    yield migrate(FIRST)
    migrate(LAST)


def open_one(models, reference):
    facts = {"project": "default", "reference": reference, "customer_id": "kim", "amount_usd": Decimal("49.99")}
    rows = models.get_model("django_payram", "Payment").objects.using(database())
    return rows.create(state="OPEN", **facts)


def test_rows_of_the_code_before_are_read_by_the_code_after_and_the_other_way_round(at_first):
    open_one(at_first, "before")
    migrate(LAST)
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
