"""What we remember of payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from django_payram.models import Payment, PaymentEvent, content_type, database, order_key
from django_payram.models.states import Review, State
from django_payram.testing.factories import PaymentFactory
from tests.shop.models import Order, UuidOrder

pytestmark = pytest.mark.django_db


def test_a_reference_is_unique_in_its_project_only():
    """F26, F48."""
    PaymentFactory(reference="x")
    PaymentFactory(reference="x", project="other")
    with pytest.raises(IntegrityError), transaction.atomic(using=database()):
        PaymentFactory(reference="x")


def test_payments_without_a_reference_do_not_collide():
    PaymentFactory.create_batch(2, reference=None, state=State.CREATING)


def test_an_order_has_one_live_slot(order):
    PaymentFactory(live_slot=order_key(order).live_slot(""))
    with pytest.raises(IntegrityError), transaction.atomic(using=database()):
        PaymentFactory(live_slot=order_key(order).live_slot(""))
    PaymentFactory.create_batch(2, live_slot=None)


def test_orders_of_different_models_with_one_key_are_different():
    order, other = Order.objects.create(pk=7), UuidOrder.objects.create()
    assert order_key(order).live_slot("") != order_key(other).live_slot("")
    mine = PaymentFactory(order_type=content_type(order), order_id="7")
    PaymentFactory(order_type=content_type(other), order_id="7")
    assert list(Payment.objects.for_order(order)) == [mine]


def test_nouns():
    now = timezone.now()
    waiting = PaymentFactory(next_check_at=now + timedelta(minutes=1))
    paid = PaymentFactory(paid=True, next_check_at=None)
    held = PaymentFactory(state=State.FILLED, review=Review.AMOUNT, closed_at=now, next_check_at=None)
    due = PaymentFactory(partly_paid=True, next_check_at=now)
    closed = PaymentFactory(
        partly_paid=True,
        closed_at=now,
        undelivered=["payment_paid"],
        next_delivery_at=timezone.now(),
        next_check_at=now - timedelta(1),
    )
    covered = PaymentFactory(partly_paid=True, paid_at=now, next_check_at=None)
    payments = Payment.objects.order_by("pk")
    assert list(payments.open()) == [waiting, due]
    assert list(payments.paid()) == [paid, covered]
    assert list(payments.needing_review()) == [held]
    assert list(payments.undelivered()) == [closed]
    assert list(Payment.objects.due(now)) == [closed, due]
    assert [p for p in payments if p.is_open] == [waiting, due]
    assert [p for p in payments if p.is_held] == [held]


@pytest.mark.parametrize(
    ("fields", "received", "missing", "surplus"),
    [
        ({}, "0", "49.99", "0"),
        ({"partly_paid": True}, "20", "29.99", "0"),
        ({"partly_paid": True, "topped_up_usd": Decimal(5)}, "25", "24.99", "0"),
        ({"paid": True}, "49.99", "0", "0"),
        ({"paid": True, "filled_usd": Decimal(60)}, "60", "0", "10.01"),
        ({"paid": True, "filled_usd": Decimal(49)}, "49", "0", "0"),
        ({"state": State.FILLED}, "49.99", "0", "0"),
        ({"state": State.FILLED, "topped_up_usd": Decimal(1)}, "50.99", "0", "1"),
        ({"state": State.FILLED, "filled_usd": Decimal(40)}, "40", "9.99", "0"),
    ],
)
def test_sums(fields, received, missing, surplus):
    payment = PaymentFactory(**fields)
    assert payment.received_usd == Decimal(received)
    assert payment.missing_usd == Decimal(missing)
    assert payment.surplus_usd == Decimal(surplus)


def test_sums_over_payments_count_top_ups_once():
    """F25."""
    parent = PaymentFactory(partly_paid=True, topped_up_usd=Decimal("29.99"))
    PaymentFactory(parent=parent, state=State.FILLED, filled_usd=Decimal("29.99"))
    PaymentFactory(state=State.FILLED, amount_usd=Decimal(7))
    PaymentFactory()
    assert Payment.objects.all().received_usd() == Decimal("56.99")
    assert Payment.objects.none().received_usd() == 0


def test_a_payment_is_confirming_while_open_and_seen():
    assert PaymentFactory(confirmations=0).is_confirming
    assert not PaymentFactory().is_confirming
    assert not PaymentFactory(confirmations=3, paid=True).is_confirming
    assert not PaymentFactory(confirmations=3, partly_paid=True).is_confirming


def test_a_payment_is_named_by_its_reference_or_token():
    assert str(PaymentFactory(reference="px_1")) == "px_1"
    payment = PaymentFactory(reference=None)
    assert str(payment) == str(payment.token)
    assert str(PaymentEvent(reference="px_1", outcome="paid")) == "px_1 paid"


def test_coin_amounts_keep_eighteen_places():
    """D8."""
    field = Payment._meta.get_field("filled_amount")
    assert (field.max_digits, field.decimal_places) == (36, 18)
    assert PaymentFactory(filled_amount=Decimal("0.000000000000000001")).filled_amount == Decimal("1e-18")


def test_no_migration_names_a_table_of_the_shop():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
    for model in (Payment, PaymentEvent):
        related = {field.related_model._meta.app_label for field in model._meta.get_fields() if field.related_model}
        assert related <= {"django_payram", "contenttypes"}


@pytest.mark.django_db(transaction=True)
def test_every_migration_is_reversible():
    call_command("migrate", "django_payram", "zero", verbosity=0)
    call_command("migrate", "django_payram", verbosity=0)
    assert PaymentFactory().pk


def test_the_claim_reads_the_schedule_by_its_index():
    PaymentFactory.create_batch(3)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table of three rows is quicker read whole, or by any index, and then sorted.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    for query in (Payment.objects.due(timezone.now()), Payment.objects.scheduled()):
        assert "payram_payment_scheduled" in query[:10].explain()


def test_the_check_that_says_what_is_meant_is_left_out():
    assert "models.W037" not in {message.id for message in Payment.check(databases=["default"])}
