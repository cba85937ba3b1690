"""Whose money it is: one order under all its models, ids that cannot recur, and answers that prove nothing."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from django_payram import conf
from django_payram.exceptions import PayramAlreadyPaid, PayramDataError
from django_payram.gateway.client import client_for
from django_payram.models import Payment, PaymentEvent, Review, State, database, order_type
from django_payram.payments import adopt, open_payment
from django_payram.signals import payment_paid
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import asked, send_webhook
from tests.shop.models import GiftOrder, NumberedOrder, Order, OrderProxy, ShelfOrder

pytestmark = pytest.mark.django_db


def pay_for(order, **options):
    return open_payment(order, amount=Decimal("49.99"), email="buyer@example.org", **options)


def forget(*rows):
    """Delete what a restored backup does not know."""
    PaymentEvent.objects.all().delete()
    for row in rows:
        type(row).objects.filter(pk=row.pk).delete()


# One order, whatever model it was loaded as


@pytest.fixture(params=["child", "child with a key of its own", "proxy"])
def faces(request):
    """The same order loaded as two models."""
    if request.param == "child with a key of its own":
        NumberedOrder.objects.create()
        Order.objects.create()
        numbered = NumberedOrder.objects.create()
        assert numbered.pk != numbered.order_id
        return numbered, Order.objects.get(pk=numbered.order_id)
    if request.param == "child":
        gift = GiftOrder.objects.create()
        return gift, Order.objects.get(pk=gift.pk)
    order = Order.objects.create()
    return OrderProxy.objects.get(pk=order.pk), order


@pytest.mark.parametrize("turn", [False, True])
def test_an_order_has_one_link_under_all_its_models(payram, faces, turn):
    """F61."""
    first, second = reversed(faces) if turn else faces
    assert pay_for(first) == pay_for(second)


def test_an_order_that_is_paid_as_one_model_is_paid_as_the_other(payram, faces):
    """F61."""
    payment = payram.pay(pay_for(faces[0]))
    with pytest.raises(PayramAlreadyPaid) as caught:
        pay_for(faces[1])
    assert caught.value.payment == payment
    assert payment.order == faces[1]
    assert list(Payment.objects.for_order(faces[0])) == list(Payment.objects.for_order(faces[1])) == [payment]


def test_receivers_and_queries_see_the_order_under_any_of_its_models(payram, faces):
    told = []

    def receive(order, payment, **kwargs):
        told.append(order)

    for model in {type(face) for face in faces}:
        payment_paid.on(model)(receive)
    try:
        payment = payram.pay(pay_for(faces[0]))
    finally:
        payment_paid.disconnect(receive)
    assert sorted(told, key=repr) == sorted(faces, key=repr)
    for face in faces:
        rows = type(face).objects.filter(pk=face.pk)
        assert Payment.objects.for_orders(rows).get() == payment
        assert face.payments.get() == payment


@pytest.mark.not_in("databases", reason="payments in another database cannot be joined to orders")
def test_orders_are_filtered_by_payments_under_any_of_their_models(payram, faces):
    payment = pay_for(faces[0])
    for face in faces:
        assert type(face).objects.filter(payments=payment).get() == face


def test_an_order_can_be_set_under_any_of_its_models(faces):
    payment = PaymentFactory(order=faces[0])
    payment.refresh_from_db()
    assert payment.order == faces[1]


@pytest.mark.parametrize("use", [pay_for, Payment.objects.for_order, lambda order: adopt("reference", order=order)])
def test_a_composite_key_is_refused_before_anything_is_written(payram, use):
    """F61."""
    order = ShelfOrder.objects.create(shelf=1, number=2)
    with pytest.raises(ValueError, match="ShelfOrder has a composite primary key"):
        use(order)
    assert not Payment.objects.exists()
    assert asked(payram) == 0


# Customer ids


def test_all_payments_of_an_order_have_the_same_customer_id(payram, order):
    first = pay_for(order)
    for state in (State.CANCELED, State.FAILED):
        Payment.objects.update(live_slot=None, state=state)
        assert pay_for(order).customer_id == first.customer_id


def test_a_customer_id_of_the_shops_own_is_not_kept_for_the_order(payram, order):
    pay_for(order, customer_id="kim")
    Payment.objects.update(live_slot=None, state=State.CANCELED)
    assert pay_for(order).customer_id.startswith(f"shop.order-{order.pk}-")


def test_the_next_owner_of_a_key_has_another_customer_id_and_so_another_deposit_address(payram):
    """F58: PayRam's deposit addresses are permanent for a customer id."""
    order = Order.objects.create()
    key = order.pk
    first = pay_for(order)
    payram.see(first, 1)
    forget(first, order)
    second = pay_for(Order.objects.create(pk=key))
    payram.see(second, 1)
    assert second.customer_id != first.customer_id
    addresses = {payram.sandbox.payment(payment.reference).deposit_address for payment in (first, second)}
    assert len(addresses) == 2


# Money of others


def test_money_of_a_customer_whom_a_restored_backup_forgot_pays_nobody_elses_order(payram):
    """F58."""
    payram.sandbox.webhooks = False
    order = Order.objects.create()
    key = order.pk
    first = pay_for(order)
    payram.sandbox.pay(first.reference)
    forget(first, order)
    order = Order.objects.create(pk=key)
    second = pay_for(order)
    payram.sandbox.webhooks = True
    payram.sandbox.redeliver(first.reference)
    order.refresh_from_db()
    second.refresh_from_db()
    assert (order.status, second.state, second.received_usd) == ("new", State.OPEN, 0)
    assert PaymentEvent.objects.get(reference=first.reference).payment is None


def elsewhere(customer_id, *, invoice_id=None, amount=Decimal("49.99")):
    """Make a payment of the same PayRam project as another installation of the shop would."""
    return client_for(conf.project()).create(
        customer_email="buyer@example.org",
        customer_id=customer_id,
        amount_usd=amount,
        invoice_id=invoice_id or str(uuid.uuid4()),
    )


@pytest.fixture
def partly_paid(payram, order):
    """A payment of which a cent has come, so that PayRam cancels it for nobody else's."""
    payment = pay_for(order, customer_id="kim")
    payram.pay(payment, "0.01")
    return payment


def test_money_for_another_installations_payment_pays_nothing_and_is_reviewed(payram, order, partly_paid, listener):
    """F59: both give the person the same customer id; the invoice id is not ours."""
    theirs = elsewhere("kim", amount=Decimal("49.98"))
    payram.sandbox.pay(theirs.reference)
    assert [done.status for done in payram.deliver() if done.reference == theirs.reference] == [200]
    order.refresh_from_db()
    partly_paid.refresh_from_db()
    assert (order.status, partly_paid.received_usd) == ("new", Decimal("0.01"))
    assert partly_paid.review == Review.UNCLEAR
    assert Payment.objects.count() == 1
    assert listener.names.count("payment_needs_review") == 1


def test_another_installations_payment_without_money_troubles_nobody(payram, partly_paid):
    theirs = elsewhere("kim")
    send_webhook(theirs.reference, State.OPEN, customer_id="kim")
    partly_paid.refresh_from_db()
    assert partly_paid.review == ""


def test_an_invoice_id_of_ours_names_the_payment_that_is_topped_up(payram, order, partly_paid):
    """F63: the missing amount need not be distinguished where PayRam names the payment."""
    other = pay_for(Order.objects.create(), customer_id="kim")
    top_up = elsewhere("kim", invoice_id=str(partly_paid.token), amount=Decimal("5.00"))
    payram.sandbox.pay(top_up.reference)
    payram.deliver()
    child = Payment.objects.get(reference=top_up.reference)
    assert (child.parent, other.top_ups.count()) == (partly_paid, 0)


def test_a_lost_payment_does_not_take_a_reference_with_anothers_invoice_id(payram, order):
    """A webhook may name our invoice id beside a reference that is not its own."""
    payment = pay_for(order, customer_id="kim")
    Payment.objects.update(reference=None, url="", state=State.CREATING)
    theirs = elsewhere("kim")
    payram.sandbox.pay(theirs.reference)
    with pytest.raises(PayramDataError, match="invoice id"):
        send_webhook(theirs.reference, State.FILLED, customer_id="kim", invoice_id=str(payment.token))
    payment.refresh_from_db()
    assert (payment.reference, payment.state) == (None, State.CREATING)


# Several orders of one person


def top_up_of(payram, payment):
    """Top up one of a person's payments, and have the webhook delivered."""
    reference = payram.sandbox.top_up(payment.reference)
    payram.deliver()
    return reference


@pytest.fixture
def two_carts(payram):
    """Two partly paid orders of one person, of which 29.99 and 10.00 are missing."""
    older = payram.pay(pay_for(Order.objects.create(), customer_id="kim"), 20)
    newer = payram.pay(open_payment(Order.objects.create(), amount=50, email="a@example.org", customer_id="kim"), 40)
    return older, newer


@pytest.mark.parametrize("paid", [0, 1])
def test_a_top_up_counts_for_the_payment_whose_missing_amount_it_is(payram, two_carts, paid):
    """F63."""
    reference = top_up_of(payram, two_carts[paid])
    assert Payment.objects.get(reference=reference).parent == two_carts[paid]
    for place, cart in enumerate(two_carts):
        cart.refresh_from_db()
        assert cart.is_paid is (place == paid)


def test_a_top_up_that_may_belong_to_several_payments_is_reviewed_and_counted_for_none(payram, two_carts):
    """F63."""
    child = payram.sandbox.top_up(two_carts[0].reference, "7.77")
    assert [done.status for done in payram.deliver() if done.reference == child] == [200]
    for cart in two_carts:
        cart.refresh_from_db()
    assert [cart.is_paid for cart in two_carts] == [False, False]
    assert [cart.review for cart in two_carts] == ["", Review.UNCLEAR]
    assert PaymentEvent.objects.filter(reference=child, payment=None).exists()


# Orders that are gone


def vanish(order):
    """Delete an order by SQL: no relation keeps its payments."""
    type(order).objects.filter(pk=order.pk)._raw_delete(using="default")


def test_money_for_a_deleted_order_is_reviewed_and_not_announced_as_paid(payram, order, listener):
    """F60."""
    payment = pay_for(order)
    vanish(order)
    payram.pay(payment)
    assert (payment.is_paid, payment.review) == (True, Review.ORPHAN)
    assert "payment_paid" not in listener.names
    assert listener.names.count("payment_needs_review") == 1


@pytest.mark.parametrize("happen", ["see", "pay"])
def test_part_of_the_money_for_a_deleted_order_is_reviewed_as_well(payram, order, happen):
    """F60: on the chain, too."""
    payment = pay_for(order)
    vanish(order)
    getattr(payram, happen)(payment, 20)
    assert payment.review == Review.ORPHAN


def test_a_link_of_a_deleted_order_without_money_is_left_alone(payram, order):
    payment = pay_for(order)
    vanish(order)
    payram.expire(payment)
    assert payment.review == ""


def test_an_order_whose_model_is_gone_is_gone(payram, order):
    """F61: a renamed app."""
    payment = pay_for(order)
    kind = order_type(payment)
    type(kind).objects.using(database()).filter(pk=kind.pk).update(app_label="oldshop")
    type(kind).objects.clear_cache()
    try:
        payram.pay(payment)
        assert (payment.is_paid, payment.review) == (True, Review.ORPHAN)
    finally:
        type(kind).objects.clear_cache()


def test_an_order_in_another_database_is_looked_for_there(payram, order, reads_elsewhere):
    payment = pay_for(order)
    payram.sandbox.pay(payment.reference)
    payram.deliver()
    assert Payment.objects.using(database()).get(pk=payment.pk).review == ""


def test_top_ups_of_a_deleted_order_are_reviewed_on_what_they_top_up(payram, order):
    payment = pay_for(order)
    payram.pay(payment, 20)
    vanish(order)
    payram.sandbox.top_up(payment.reference)
    payram.deliver()
    payment.refresh_from_db()
    assert (payment.is_paid, payment.review) == (True, Review.ORPHAN)


def test_a_payment_without_an_order_is_no_orphan(payram, listener):
    payment = payram.pay(open_payment(amount=5, email="a@example.org"))
    assert (payment.review, "payment_paid" in listener.names) == ("", True)
