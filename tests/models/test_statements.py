"""Statements whose SQL is compiled once say what Django's own would, on every database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import post_init, post_save, pre_save
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type, database
from django_payram.models.statements import CompiledQuery, insert, update
from django_payram.models.states import State
from django_payram.payments import transitions
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import apply, update_of

pytestmark = pytest.mark.django_db

by_reference = CompiledQuery(
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


def test_what_was_not_read_is_read_when_it_is_asked_for(full, django_assert_num_queries):
    some = CompiledQuery(Payment, lambda key: Payment.objects.filter(pk=key).only("state"), 1)
    (found,) = some(full.pk, using=database())
    assert found.get_deferred_fields() == {field.attname for field in Payment._meta.concrete_fields} - {"id", "state"}
    with django_assert_num_queries(1):
        assert found.reference == full.reference


def test_whoever_listens_to_rows_that_are_read_sees_them(full):
    seen = []

    def watch(sender, instance, **kwargs):
        seen.append(fields_of(instance))

    post_init.connect(watch, sender=Payment)
    try:
        (found,) = by_reference("default", full.reference, using=database())
    finally:
        post_init.disconnect(watch, sender=Payment)
    assert seen == [fields_of(full)]
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

    by_key = CompiledQuery(Payment, ask, 1)
    with django_assert_num_queries(2):
        assert by_key(full.pk, using=database()) == by_key(full.pk, using=database()) == [full]
    assert asked == [1]


def test_a_question_may_lock_and_order():
    first, second = PaymentFactory(), PaymentFactory()
    locked = CompiledQuery(
        Payment, lambda project: Payment.objects.select_for_update().filter(project=project).order_by("-pk"), "p"
    )
    with transaction.atomic(using=database()):
        assert locked("default", using=database()) == [second, first]


def test_a_question_takes_moments_as_every_database_keeps_them():
    payment = PaymentFactory()
    since = CompiledQuery(Payment, lambda moment: Payment.objects.filter(created_at__gte=moment), timezone.now())
    assert since(payment.created_at, using=database()) == [payment]
    assert since(payment.created_at + timedelta(microseconds=1), using=database()) == []


def test_examples_in_another_order_than_in_the_sql_are_refused():
    turned = CompiledQuery(Payment, lambda b, a: Payment.objects.filter(project=a, reference=b), "r", "p")
    with pytest.raises(ValueError, match="The SQL takes"):
        turned("reference", "default", using=database())


# Lines


def test_lines_are_added_by_one_statement_and_read_back_as_they_are(full, django_assert_num_queries):
    lines = [
        {
            "payment_id": full.pk,
            "project": "default",
            "reference": full.reference,
            "source": Source.WEBHOOK,
            "outcome": outcome,
            "payload": {"a": "100 %s"},
            "created_at": timezone.now(),
        }
        for outcome in (Outcome.RECORDED, Outcome.PAID)
    ]
    with django_assert_num_queries(1):
        insert(PaymentEvent, lines, using=database())
    kept = list(PaymentEvent.objects.order_by("pk"))
    without_key = [
        {name: value for name, value in fields_of(PaymentEvent(**line)).items() if name != "id"} for line in lines
    ]
    assert [{name: value for name, value in fields_of(row).items() if name != "id"} for row in kept] == without_key


def test_no_lines_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert(PaymentEvent, [], using=database())


# Changes


def test_a_change_writes_the_named_fields_of_its_row_alone(full, django_assert_num_queries):
    other = PaymentFactory()
    before = fields_of(other)
    full.state, full.filled_usd, full.metadata, full.currency = State.OVER_FILLED, Decimal("60.1"), {"b": 1}, "BTC"
    full.parent = None
    full.project = "not named"
    with django_assert_num_queries(1):
        update(full, ["state", "filled_usd", "metadata", "currency", "parent"], using=database())
    kept = Payment.objects.get(pk=full.pk)
    assert (kept.state, kept.filled_usd, kept.metadata) == ("OVER_FILLED", Decimal("60.1"), {"b": 1})
    assert kept.currency == "BTC"
    assert (kept.parent_id, kept.project) == (None, "default")
    assert fields_of(Payment.objects.get(pk=other.pk)) == before


def test_a_change_that_changes_nothing_is_none_the_less_done(full):
    update(full, ["state"], using=database())
    update(full, ["state"], using=database())


def test_a_change_of_a_lost_row_raises(full):
    Payment.objects.filter(pk=full.pk).delete()
    with pytest.raises(DatabaseError, match="not there any more"):
        update(full, ["state"], using=database())


def test_the_connection_used_is_the_one_named(full):
    assert connection.alias == "default"
    with pytest.raises(Exception, match="nowhere"):
        by_reference("default", full.reference, using="nowhere")


# What Django guards is guarded here as well


@pytest.mark.django_db(transaction=True)
def test_rows_cannot_be_locked_outside_a_transaction():
    """On every database: Django itself says nothing on SQLite, which locks no rows."""
    payment = PaymentFactory()
    with pytest.raises(TransactionManagementError, match="select_for_update cannot be used outside"):
        transitions.lock(payment)
    with transaction.atomic(using=database()):
        assert transitions.lock(payment).payment == payment


@pytest.fixture
def seen():
    """What listeners to the signals of models are sent of payments and their events."""
    sent = []

    def receiver(sender, instance, signal, update_fields=None, **kwargs):
        name = "pre" if signal is pre_save else "post"
        sent.append((name, sender, instance.pk, update_fields and set(update_fields), kwargs.get("created")))

    for signal in (pre_save, post_save):
        for model in (Payment, PaymentEvent):
            signal.connect(receiver, sender=model)
    yield sent
    for signal in (pre_save, post_save):
        for model in (Payment, PaymentEvent):
            signal.disconnect(receiver, sender=model)


def test_listeners_to_the_signals_of_models_see_every_change(full, seen):
    """F91."""
    full.state = State.OVER_FILLED
    update(full, ["state"], using=database())
    assert seen == [("pre", Payment, full.pk, {"state"}, None), ("post", Payment, full.pk, {"state"}, False)]
    assert Payment.objects.get(pk=full.pk).state == State.OVER_FILLED
    seen.clear()
    event = {"payment_id": full.pk, "project": "default", "source": Source.WEBHOOK, "outcome": Outcome.PAID}
    insert(PaymentEvent, [event], using=database())
    assert [(name, created) for name, _sender, _key, _fields, created in seen] == [("pre", None), ("post", True)]
    assert PaymentEvent.objects.get().payment == full


def test_listeners_to_other_models_change_nothing(full, django_assert_num_queries):
    """F91."""

    def receiver(**_kwargs):
        pass

    post_save.connect(receiver, sender=ContentType)
    try:
        with django_assert_num_queries(1):
            update(full, ["state"], using=database())
    finally:
        post_save.disconnect(receiver, sender=ContentType)


def test_a_transition_notifies_listeners_of_the_row_and_of_its_events(full, seen):
    """F91."""
    payment = PaymentFactory()
    seen.clear()
    apply(payment, update_of(State.FILLED, payment.amount_usd))
    assert [sender for name, sender, *_rest in seen if name == "post"] == [Payment, PaymentEvent, PaymentEvent]
    (changed,) = [fields for name, sender, _key, fields, _created in seen if (name, sender) == ("post", Payment)]
    assert {"state", "paid_at", "filled_usd", "closed_at"} <= changed


def test_a_change_of_a_lost_row_raises_beside_listeners_as_well(full, seen):
    Payment.objects.filter(pk=full.pk).delete()
    with pytest.raises(DatabaseError):
        update(full, ["state"], using=database())
