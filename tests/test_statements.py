"""Statements whose SQL is made once say what Django's own would, on every database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type, database
from django_payram.statements import Change, Insertion, Question
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db

by_reference = Question(
    Payment, lambda project, reference: Payment.objects.filter(project=project, reference=reference), "p", "r"
)


def fields_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def full(order):
    """A payment in which no field is empty."""
    moment = timezone.now()
    return PaymentFactory(
        paid=True,
        order_type=content_type(order),
        order_id=str(order.pk),
        filled_amount=Decimal("0.013512000000000000"),
        confirmations=12,
        confirmations_required=12,
        metadata={"basket": ["ä", 1, None]},
        parent=PaymentFactory(),
        live_slot="1:1",
        checked_at=moment,
        next_check_at=moment + timedelta(hours=1),
    )


# Questions


def test_a_question_finds_what_the_queryset_finds(full):
    (found,) = by_reference("default", full.reference, using=database())
    assert fields_of(found) == fields_of(Payment.objects.get(pk=full.pk))
    assert (found._state.adding, found._state.db) == (False, database())


def test_a_question_has_other_values_each_time(full):
    other = PaymentFactory()
    assert by_reference("default", full.reference, using=database()) == [full]
    assert by_reference("default", other.reference, using=database()) == [other]
    assert by_reference("other", other.reference, using=database()) == []


def test_a_question_is_one_statement_made_once(full, django_assert_num_queries):
    asked = []

    def ask(key):
        asked.append(key)
        return Payment.objects.filter(pk=key)

    by_key = Question(Payment, ask, 1)
    with django_assert_num_queries(2):
        assert by_key(full.pk, using=database()) == by_key(full.pk, using=database()) == [full]
    assert asked == [1]


def test_a_question_may_lock_and_order():
    first, second = PaymentFactory(), PaymentFactory()
    locked = Question(
        Payment, lambda project: Payment.objects.select_for_update().filter(project=project).order_by("-pk"), "p"
    )
    with transaction.atomic(using=database()):
        assert locked("default", using=database()) == [second, first]


def test_a_question_takes_moments_as_every_database_keeps_them():
    payment = PaymentFactory()
    since = Question(Payment, lambda moment: Payment.objects.filter(created_at__gte=moment), timezone.now())
    assert since(payment.created_at, using=database()) == [payment]
    assert since(payment.created_at + timedelta(microseconds=1), using=database()) == []


def test_examples_in_another_order_than_in_the_sql_are_refused():
    turned = Question(Payment, lambda b, a: Payment.objects.filter(project=a, reference=b), "r", "p")
    with pytest.raises(ValueError, match="The SQL takes"):
        turned("reference", "default", using=database())


# Lines


def test_lines_are_added_by_one_statement_and_read_back_as_they_are(full, django_assert_num_queries):
    lines = [
        PaymentEvent(
            payment=full,
            project="default",
            reference=full.reference,
            source=Source.WEBHOOK,
            outcome=outcome,
            payload='{"a": "100 %s"}',
        )
        for outcome in (Outcome.RECORDED, Outcome.PAID)
    ]
    with django_assert_num_queries(1):
        Insertion(PaymentEvent)(lines, using=database())
    kept = list(PaymentEvent.objects.order_by("pk"))
    without_key = [{name: value for name, value in fields_of(line).items() if name != "id"} for line in lines]
    assert [{name: value for name, value in fields_of(row).items() if name != "id"} for row in kept] == without_key


def test_no_lines_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        Insertion(PaymentEvent)([], using=database())


# Changes


def test_a_change_writes_the_named_fields_of_its_row_alone(full, django_assert_num_queries):
    other = PaymentFactory()
    before = fields_of(other)
    full.state, full.filled_usd, full.metadata, full.currency = State.OVER_FILLED, Decimal("60.1"), {"b": 1}, "BTC"
    full.parent = None
    full.project = "not named"
    with django_assert_num_queries(1):
        Change(Payment)(full, ["state", "filled_usd", "metadata", "currency", "parent"], using=database())
    kept = Payment.objects.get(pk=full.pk)
    assert (kept.state, kept.filled_usd, kept.metadata) == ("OVER_FILLED", Decimal("60.1"), {"b": 1})
    assert kept.currency == "BTC"
    assert (kept.parent_id, kept.project) == (None, "default")
    assert fields_of(Payment.objects.get(pk=other.pk)) == before


def test_a_change_that_changes_nothing_is_none_the_less_done(full):
    Change(Payment)(full, ["state"], using=database())
    Change(Payment)(full, ["state"], using=database())


def test_a_change_of_a_lost_row_raises(full):
    Payment.objects.filter(pk=full.pk).delete()
    with pytest.raises(DatabaseError, match="not there any more"):
        Change(Payment)(full, ["state"], using=database())


def test_the_connection_used_is_the_one_named(full):
    assert connection.alias == "default"
    with pytest.raises(Exception, match="nowhere"):
        by_reference("default", full.reference, using="nowhere")
