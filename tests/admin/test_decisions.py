"""What a person decides about a payment in the admin, each on a page of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from django_payram.admin.decisions import DECISIONS
from django_payram.models import Outcome, Payment, Review, State, Status
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import clerk, text
from tests.payments.helpers import of_order

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
ANSWERS = {
    "accept": {"reason": "Agreed by phone.", "confirm": "on"},
    "resolve": {"reason": "Seen."},
    "withdraw": {"reason": "Paid by card."},
    "refund": {"amount_usd": "20", "transaction": "0xabc", "note": "Sent back."},
}
PERMISSIONS = {
    "accept": "review_payment",
    "resolve": "review_payment",
    "withdraw": "withdraw_payment",
    "refund": "refund_payment",
    "assign": "assign_payment",
}


def page(payment, decision=""):
    return f"{LIST}{payment.pk}/{decision or 'change'}/"


def decide(client, payment, decision, **answers):
    return client.post(page(payment, decision), answers or ANSWERS[decision], follow=True)


def held(**facts):
    return PaymentFactory(state=State.FILLED, filled_usd=40, review=Review.AMOUNT, reviews_raised=["amount"], **facts)


MAKE = {
    "accept": held,
    "resolve": lambda: PaymentFactory(review=Review.LATE, reviews_raised=["late"]),
    "withdraw": PaymentFactory,
    "refund": lambda: PaymentFactory(paid=True),
    "assign": PaymentFactory,
}


# Each decision


def test_a_held_payment_is_accepted_with_a_reason_and_a_confirmation(admin_client, admin_user, listener):
    """F32."""
    payment = held()
    assert "please confirm" in text(decide(admin_client, payment, "accept", reason="Fine.")).lower()
    assert "give a reason" in text(decide(admin_client, payment, "accept", reason=" ", confirm="on"))
    assert not Payment.objects.get().is_paid
    assert "The payment counts as paid." in text(decide(admin_client, payment, "accept"))
    payment.refresh_from_db()
    assert payment.is_paid
    event = payment.events.get(outcome=Outcome.ACCEPTED)
    assert (event.note, event.actor) == ("Agreed by phone.", admin_user.get_username())
    assert "payment_paid" in listener.names
    assert "Agreed by phone." in text(admin_client.get(page(payment)))


def test_enter_alone_accepts_nothing(admin_client):
    """F100: in a field of several lines Enter begins a new one, and the box has to be ticked."""
    shown = text(admin_client.get(page(held(), "accept")))
    assert "<textarea" in shown
    assert 'type="checkbox" name="confirm" required' in shown
    assert 'type="text"' not in shown.partition('class="payram-decision"')[2]


def test_a_review_is_resolved_with_a_reason(admin_client):
    payment = PaymentFactory(review=Review.LATE, reviews_raised=["late"])
    assert "The review is resolved." in text(decide(admin_client, payment, "resolve"))
    payment.refresh_from_db()
    assert payment.review == ""


def test_a_link_is_withdrawn(admin_client, admin_user):
    payment = PaymentFactory()
    assert "The link is withdrawn." in text(decide(admin_client, payment, "withdraw"))
    payment.refresh_from_db()
    event = payment.events.get(outcome=Outcome.WITHDRAWN)
    assert (payment.status, event.note, event.actor) == (Status.WITHDRAWN, "Paid by card.", admin_user.get_username())


def test_a_refund_is_recorded(admin_client, admin_user):
    payment = PaymentFactory(paid=True)
    assert "The refund is recorded." in text(decide(admin_client, payment, "refund"))
    refund = payment.refunds.get()
    assert (refund.amount_usd, refund.transaction, refund.note) == (20, "0xabc", "Sent back.")
    assert refund.actor == admin_user.get_username()
    shown = text(admin_client.get(page(payment)))
    assert "0xabc" in shown
    assert "29.99 USD" in shown


@pytest.mark.parametrize(
    ("facts", "offered"),
    [
        ({"filled_usd": Decimal("60.5")}, "10.51"),
        ({}, "49.99"),
        ({"paid_at": None, "filled_usd": Decimal("20.019"), "state": State.PARTIALLY_FILLED}, "20.01"),
    ],
)
def test_the_surplus_or_all_is_offered_to_be_sent_back(admin_client, facts, offered):
    payment = PaymentFactory(paid=True, **{"paid_at": timezone.now(), **facts})
    assert f'name="amount_usd" value="{offered}"' in text(admin_client.get(page(payment, "refund")))


@pytest.mark.parametrize(
    ("amount", "said"), [("50", "less than or equal to 49.99"), ("0", "greater"), ("much", "number")]
)
def test_a_wrong_amount_is_named_at_its_field_and_nothing_is_recorded(admin_client, amount, said):
    payment = PaymentFactory(paid=True)
    shown = text(decide(admin_client, payment, "refund", amount_usd=amount))
    assert said in shown
    assert not payment.refunds.exists()


def test_a_transaction_that_is_recorded_with_another_amount_is_said(admin_client):
    payment = PaymentFactory(paid=True)
    decide(admin_client, payment, "refund")
    shown = text(decide(admin_client, payment, "refund", amount_usd="10", transaction="0xabc"))
    assert "is recorded already" in shown
    assert payment.refunds.count() == 1


def test_a_payment_is_assigned_to_an_order(admin_client, order):
    payment = PaymentFactory(paid=True)
    answers = {"order_model": "shop.order", "order_key": str(order.pk)}
    assert "The payment is assigned to the order." in text(decide(admin_client, payment, "assign", **answers))
    payment.refresh_from_db()
    assert payment.order == order


@pytest.mark.parametrize("key", ["nothing", "424242", "x" * 200])
def test_an_order_that_is_not_there_is_named_at_its_field(admin_client, key):
    payment = PaymentFactory(paid=True)
    shown = text(decide(admin_client, payment, "assign", order_model="shop.order", order_key=key))
    assert "There is no such order." in shown
    payment.refresh_from_db()
    assert payment.order is None


def test_only_orders_that_the_user_may_view_are_offered(django_user_model, order):
    payment = of_order(order)
    shown = text(clerk(django_user_model, "view_payment", "assign_payment").get(page(payment, "assign")))
    assert "shop.order" not in shown
    django_user_model.objects.all().delete()
    shown = text(clerk(django_user_model, "view_payment", "assign_payment", "view_order").get(page(payment, "assign")))
    assert '<option value="shop.order">Order</option>' in shown


# All decisions


def test_to_resolve_is_the_last_button(admin_client):
    """The advice of a duplicate is to send the money back; whoever resolves it first loses it from sight."""
    payment = PaymentFactory(paid=True, review=Review.DUPLICATE)
    shown = text(admin_client.get(page(payment)))
    places = [shown.index(f'href="{page(payment, name)}"') for name in ("refund", "assign", "resolve")]
    assert places == sorted(places)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_says_whose_payment_it_is_about(admin_client, decision):
    payment = MAKE[decision]()
    Payment.objects.update(order_number="R-7", customer_email="kim@example.org")
    shown = text(admin_client.get(page(payment, decision)))
    assert "Order R-7" in shown
    assert "kim@example.org" in shown


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_is_offered_where_it_can_be_taken(admin_client, decision):
    payment = MAKE[decision]()
    assert page(payment, decision) in text(admin_client.get(page(payment)))
    assert str(DECISIONS[decision].explanation) in text(admin_client.get(page(payment, decision)))


@pytest.mark.parametrize(
    ("decision", "facts"),
    [
        ("accept", {}),
        ("resolve", {}),
        ("resolve", {"state": State.FILLED, "filled_usd": 40, "review": Review.AMOUNT}),
        ("withdraw", {"paid": True}),
        ("refund", {}),
    ],
)
def test_what_cannot_be_decided_is_not_offered_and_is_refused(admin_client, decision, facts):
    payment = PaymentFactory(**facts)
    before = Payment.objects.values().get()
    assert page(payment, decision) not in text(admin_client.get(page(payment)))
    assert "cannot be decided in this way any more" in text(admin_client.get(page(payment, decision), follow=True))
    if decision != "refund":
        assert "cannot be decided in this way any more" in text(decide(admin_client, payment, decision))
    assert Payment.objects.values().get() == before


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_wants_its_own_permission_and_a_payment(admin_client, django_user_model, decision):
    payment = MAKE[decision]()
    others = {permission for permission in PERMISSIONS.values() if permission != PERMISSIONS[decision]}
    client = clerk(django_user_model, "view_payment", *others)
    assert page(payment, decision) not in text(client.get(page(payment)))
    assert [client.get(page(payment, decision)).status_code, client.post(page(payment, decision)).status_code] == [
        403
    ] * 2
    django_user_model.objects.filter(is_superuser=False).delete()
    client = clerk(django_user_model, "view_payment", PERMISSIONS[decision])
    assert page(payment, decision) in text(client.get(page(payment)))
    assert client.get(page(payment, decision)).status_code == 200
    assert admin_client.get(f"{LIST}9999/{decision}/").status_code == 404
    assert Client().get(page(payment, decision)).status_code == 302


@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision_is_protected_against_forgery(admin_user, decision):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(page(MAKE[decision](), decision), ANSWERS.get(decision, {})).status_code == 403


@pytest.mark.parametrize("decision", ANSWERS)
def test_a_decision_stands_in_djangos_history(admin_client, admin_user, decision):
    payment = MAKE[decision]()
    decide(admin_client, payment, decision)
    (entry,) = LogEntry.objects.filter(object_id=str(payment.pk), user=admin_user)
    assert entry.get_change_message() == str(DECISIONS[decision].done)


def test_what_happened_meanwhile_is_said(admin_client, payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.pay(payment)
    assert "cannot be decided in this way any more" in text(decide(admin_client, payment, "withdraw"))
