"""An order's payments: found, joined and prefetched by keys of any kind, and never deleted with the order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.utils import NestedObjects
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models, transaction
from django.db.models import Count, ProtectedError, Sum
from django.utils import timezone

from django_payram.conf import checks
from django_payram.exceptions import PayramAlreadyPaid
from django_payram.models import (
    DETACH,
    PROTECT,
    Payment,
    PaymentEvent,
    PaymentsRelation,
    Review,
    State,
)
from django_payram.models.databases import database
from django_payram.models.orders import content_type
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests.conftest import in_threads
from tests.payments.helpers import receive
from tests.shop.models import GiftOrder, LooseOrder, Order, OrderProxy, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db
one_database = pytest.mark.not_in("databases", reason="payments in another database cannot be joined to orders")


def loose():
    return LooseOrder.objects.create(pk=f"L-{LooseOrder.objects.count()}")


MAKERS = {
    "Order": Order.objects.create,
    "UuidOrder": UuidOrder.objects.create,
    "LooseOrder": loose,
    "GiftOrder": GiftOrder.objects.create,
}


@pytest.fixture(params=MAKERS)
def orders(request):
    """Three orders of one model: the first is paid, the second under review, the third has no payment.

    Payments of other models have the same keys, and keys that are no numbers.
    """
    made = [MAKERS[request.param]() for _ in range(3)]
    PaymentFactory(order=made[0], paid=True)
    PaymentFactory(order=made[0], state=State.CANCELED)
    PaymentFactory(order=made[1], review=Review.LATE)
    for order in made:
        PaymentFactory(order_type=content_type(SlugOrder), order_id=str(order.pk), paid=True)
    PaymentFactory(order_type=content_type(SlugOrder), order_id="no number")
    return made


def same(found, expected):
    return sorted(map(str, found)) == sorted(map(str, expected))


# Finding


def test_an_order_has_its_payments(orders):
    assert [order.payments.count() for order in orders] == [2, 1, 0]
    assert same(orders[0].payments.all(), Payment.objects.for_order(orders[0]))
    assert orders[0].payments.paid().count() == 1
    assert orders[0].payments.received_usd() == Decimal("49.99")


def test_payments_are_prefetched_by_one_query(orders, django_assert_num_queries):
    assert orders[0].payments.exists()  # content types are looked up once in a process
    with django_assert_num_queries(2):
        found = {order.pk: order.payments.all() for order in type(orders[0]).objects.prefetch_related("payments")}
    assert [len(found[order.pk]) for order in orders] == [2, 1, 0]


@one_database
def test_orders_are_filtered_by_their_payments(orders):
    of_model = type(orders[0]).objects
    assert same(of_model.filter(payments__review=Review.LATE), orders[1:2])
    assert same(of_model.filter(payments__paid_at__isnull=False), orders[:1])
    assert same(of_model.filter(payments=None), orders[2:])
    assert same(of_model.filter(payments__state=State.CANCELED, payments__paid_at=None), orders[:1])


@one_database
def test_orders_are_excluded_by_their_payments(orders):
    of_model = type(orders[0]).objects
    assert same(of_model.exclude(payments__paid_at__isnull=False), orders[1:])
    assert same(of_model.exclude(payments__review=Review.LATE), [orders[0], orders[2]])


@one_database
def test_payments_are_counted_and_summed_with_their_orders(orders):
    counted = type(orders[0]).objects.annotate(number=Count("payments"), received=Sum("payments__filled_usd"))
    found = {order.pk: (order.number, order.received) for order in counted}
    assert [found[order.pk] for order in orders] == [(2, Decimal("49.99")), (1, None), (0, None)]


def test_the_payments_of_many_orders_are_one_question(orders):
    queryset = type(orders[0]).objects.exclude(pk=orders[1].pk).order_by("pk")
    assert same(Payment.objects.for_orders(queryset), Payment.objects.for_order(orders[0]))
    assert Payment.objects.for_orders(queryset).paid().count() == 1


def test_orders_that_declare_nothing_are_asked_about_as_well():
    order = SlugOrder.objects.create(pk="S-1")
    payment = PaymentFactory(order=order)
    assert list(Payment.objects.for_orders(SlugOrder.objects.all())) == [payment]


@one_database
def test_a_child_and_a_proxy_have_the_payments_of_the_order_that_they_are():
    gift = GiftOrder.objects.create()
    payment = PaymentFactory(order=gift)
    faces = [gift, Order.objects.get(pk=gift.pk), OrderProxy.objects.get(pk=gift.pk)]
    assert [list(face.payments.all()) for face in faces] == [[payment]] * 3
    for model in (GiftOrder, Order, OrderProxy):
        assert model.objects.filter(payments=payment).count() == 1


@pytest.mark.parametrize("act", ["clear", "remove", "set"])
def test_payments_cannot_be_taken_away_from_their_order(act):
    order = Order.objects.create()
    payment = PaymentFactory(order=order)
    arguments = {"clear": [], "remove": [payment], "set": [[]]}[act]
    with pytest.raises(TypeError), transaction.atomic(database()):
        getattr(order.payments, act)(*arguments)
    assert order.payments.get() == payment


# Deleting


WITH_MONEY = {
    "open": {},
    "partly paid": {"partly_paid": True},
    "paid": {"paid": True},
    "held": {"state": State.FILLED, "review": Review.AMOUNT},
    "confirming": {"state": State.CANCELED, "confirmations": 1},
    "canceled with a part": {"state": State.CANCELED, "closed_at": timezone.now(), "filled_usd": 1},
}


@pytest.mark.parametrize("fields", WITH_MONEY.values(), ids=WITH_MONEY)
@pytest.mark.parametrize("way", ["instance", "queryset", "admin"])
def test_an_order_whose_payment_is_open_or_has_money_is_not_deleted(fields, way):
    """F62."""
    order = Order.objects.create()
    payment = PaymentFactory(order=order, **fields)
    if way == "admin":
        collector = NestedObjects(using="default", origin=order)
        collector.collect([order])
        assert collector.protected == {payment}
    else:
        with pytest.raises(ProtectedError):
            order.delete() if way == "instance" else Order.objects.all().delete()
    assert Order.objects.count() == 1
    payment.refresh_from_db()
    assert payment.order == order


def test_looking_at_what_a_deletion_would_delete_changes_nothing():
    """F62: the admin asks first."""
    order = Order.objects.create()
    payment = PaymentFactory(order=order, state=State.FAILED, reference=None)
    collector = NestedObjects(using="default", origin=order)
    collector.collect([order])
    assert (collector.protected, collector.nested()) == (set(), [order])
    payment.refresh_from_db()
    assert payment.order == order


def test_a_dead_payment_lets_its_order_go_and_stays():
    """F62."""
    order = Order.objects.create()
    key = order.pk
    payment = PaymentFactory(order=order, state=State.CANCELED, closed_at=timezone.now())
    order.delete()
    payment.refresh_from_db()
    assert (payment.order, payment.order_id, payment.order_gone) == (None, "", True)
    event = payment.events.get()
    assert (event.source, event.outcome, event.note) == ("shop", "detached", f"shop.order {key}")


@pytest.mark.parametrize("way", ["instance", "queryset"])
def test_payments_are_left_behind_where_the_shop_says_so(way):
    """F62."""
    order = loose()
    payments = [PaymentFactory(order=order, paid=True), PaymentFactory(order=order, live_slot="slot")]
    order.delete() if way == "instance" else LooseOrder.objects.all().delete()
    for payment in payments:
        payment.refresh_from_db()
        assert (payment.order, payment.live_slot, payment.order_gone, payment.review) == (None, None, True, "")
    assert not LooseOrder.objects.exists()


@pytest.mark.not_in("databases", reason="two databases have no common transaction")
def test_a_deletion_that_is_rolled_back_leaves_payments_with_their_order(payram):
    order = loose()
    payment = PaymentFactory(order=order)

    def fail(**kwargs):
        raise RuntimeError("The shop changes its mind.")

    models.signals.post_delete.connect(fail, sender=LooseOrder)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            order.delete()
    finally:
        models.signals.post_delete.disconnect(fail, sender=LooseOrder)
    payment.refresh_from_db()
    assert (payment.order_id, payment.order_gone) == ("L-0", False)


def test_deleting_as_a_child_leaves_the_payments_of_the_parents_row():
    gift = GiftOrder.objects.create()
    payment = PaymentFactory(order=gift, state=State.FAILED, reference=None)
    gift.delete()
    payment.refresh_from_db()
    assert (payment.order_gone, payment.events.count()) == (True, 1)


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("again", range(3))
def test_money_that_comes_while_an_order_is_being_deleted_keeps_the_order_or_is_reviewed(again):
    """F60, F62: whichever is first."""
    order = Order.objects.create()
    payment = PaymentFactory(order=order, state=State.CANCELED, closed_at=timezone.now())
    payment.refresh_from_db()
    results = in_threads(order.delete, lambda: receive(payment, State.FILLED, "49.99"))
    payment.refresh_from_db()
    assert payment.is_paid, results
    if Order.objects.exists():
        assert (payment.order_gone, Order.objects.get().status) == (False, "paid")
    else:
        assert (payment.order_gone, payment.review) == (True, Review.ORPHAN)


# A key that is used again


def test_the_next_owner_of_a_key_gets_neither_link_nor_page_of_the_first(payram):
    """F60."""
    first = open_payment(loose(), amount=10, email="alice@example.org")
    LooseOrder.objects.get().delete()
    second = open_payment(loose(), amount=10, email="bob@example.org")
    assert second.order_id == "L-0"
    assert (second.pk != first.pk, second.customer_id != first.customer_id) == (True, True)


def test_the_next_owner_of_a_key_may_pay_although_the_first_has_paid(payram):
    """F60."""
    order = loose()
    payram.pay(open_payment(order, amount=10, email="alice@example.org"))
    with pytest.raises(PayramAlreadyPaid):
        open_payment(order, amount=10, email="alice@example.org")
    order.delete()
    assert open_payment(loose(), amount=10, email="bob@example.org").url


def test_late_money_of_the_first_owner_is_reviewed_and_pays_nobody(payram, listener):
    """F60."""
    order = loose()
    first = open_payment(order, amount=10, email="alice@example.org")
    order.delete()
    second = open_payment(loose(), amount=10, email="bob@example.org")
    payram.pay(first)
    second.refresh_from_db()
    assert (first.is_paid, first.review, second.received_usd) == (True, Review.ORPHAN, 0)
    assert listener.names.count("payment_paid") == 0


# Declaring


def test_only_two_choices_keep_payments():
    with pytest.raises(ValueError, match="PROTECT or DETACH"):
        PaymentsRelation(on_delete=models.CASCADE)
    assert PROTECT is models.PROTECT
    assert DETACH is not PROTECT


def test_a_generic_relation_that_would_delete_payments_is_an_error(monkeypatch):
    """F62."""
    assert checks.check_relations() == []
    wrong = GenericRelation(Payment, content_type_field="order_type", object_id_field="order_id")
    wrong.name, wrong.model = "bills", SlugOrder
    monkeypatch.setattr(SlugOrder._meta, "private_fields", [wrong])
    (error,) = checks.check_relations()
    assert (error.id, error.msg) == (
        "django_payram.E007",
        "shop.SlugOrder.bills would delete the payments of an order together with it.",
    )


def test_events_stay_with_their_payment():
    order = loose()
    payment = PaymentFactory(order=order, paid=True)
    PaymentEvent.objects.create(payment=payment, project="default", source="webhook", outcome="paid")
    order.delete()
    assert payment.events.count() == 2
