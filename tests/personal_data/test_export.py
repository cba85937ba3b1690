"""What is stored of one customer, as the command exports it as an operator types it."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from django_payram.models import PaymentEvent
from django_payram.payments import open_payment, record_refund
from django_payram.personal_data import export as exporting
from django_payram.testing.factories import PaymentFactory
from tests.personal_data.helpers import BUYER, event, kept_webhook, run

pytestmark = pytest.mark.django_db


def export(*args):
    code, said = run("--customer", *args, "--export")
    assert code == 0
    return json.loads(said)


def test_all_that_is_stored_of_a_customer_is_exported(payram, order):
    payment = open_payment(order, amount=order.total, email=BUYER, metadata={"gift": True})
    payram.pay(payment)
    event(payment=PaymentFactory(customer_email="other@example.org"))
    exported = export(BUYER)
    assert exported["customer"] == BUYER
    (one,) = exported["payments"]
    assert one["token"] == str(payment.token)
    assert (one["order"], one["order_id"]) == ("shop.order", str(order.pk))
    assert (one["customer_email"], one["amount_usd"], one["state"]) == (BUYER, "49.99", "FILLED")
    assert one["metadata"] == {"gift": True}
    assert one["paid_at"].startswith(str(timezone.now().year))
    outcomes = list(payment.events.order_by("pk").values_list("outcome", flat=True))
    assert [row["outcome"] for row in exported["events"]] == outcomes
    assert {row["payment"] for row in exported["events"]} == {str(payment.token)}
    assert "other@example.org" not in json.dumps(exported)


def test_refunds_are_exported_with_their_payment():
    """F84."""
    payment = PaymentFactory(customer_email=BUYER, paid=True)
    record_refund(payment, amount_usd="9.99", transaction="0xabc", note="Broken.", actor="kim")
    (one,) = export(BUYER)["payments"]
    (refund,) = one["refunds"]
    assert one["refunded_usd"] == "9.99000000"
    assert (refund["amount_usd"], refund["transaction"], refund["note"]) == ("9.99", "0xabc", "Broken.")
    assert "kim" not in json.dumps(one)


@pytest.mark.parametrize("spelled", ["buyer@example.org", "BUYER@example.ORG", "Buyer@Example.org"])
def test_an_address_is_found_in_upper_and_lower_case(spelled):
    PaymentFactory(customer_email="Buyer@example.org")
    assert len(export(spelled)["payments"]) == 1


def test_payments_are_found_by_customer_id_and_by_what_they_share_it_with():
    mine = PaymentFactory(customer_id="user-7", customer_email=BUYER)
    scrubbed = PaymentFactory(customer_id="user-7", customer_email="")
    elsewhere = PaymentFactory(customer_id="user-7", customer_email="", project="other")
    others = PaymentFactory(customer_id="user-7", customer_email="sister@example.org")
    tokens = {payment["token"] for payment in export(BUYER)["payments"]}
    assert tokens == {str(mine.token), str(scrubbed.token)}
    tokens = {payment["token"] for payment in export("user-7")["payments"]}
    assert tokens == {str(payment.token) for payment in (mine, scrubbed, elsewhere, others)}


def test_kept_webhooks_of_the_customer_are_exported_once():
    PaymentFactory(customer_id="user-7", customer_email=BUYER)
    kept_webhook("user-7"), kept_webhook(BUYER), kept_webhook("user-77"), kept_webhook("")
    assert [row["customer_id"] for row in export("user-7")["events"]] == ["user-7"]
    assert [row["customer_id"] for row in export(BUYER)["events"]] == [BUYER]


def test_one_project_may_be_asked_about():
    PaymentFactory(), PaymentFactory(project="other")
    kept_webhook(BUYER), kept_webhook(BUYER, project="other")
    exported = export(BUYER, "--project", "other")
    assert exported["project"] == "other"
    assert [row["project"] for row in [*exported["payments"], *exported["events"]]] == ["other", "other"]


def test_nothing_stored_is_reported_as_such():
    exported = export("nobody@example.org")
    assert (exported["payments"], exported["events"]) == ([], [])


def test_a_top_up_names_what_it_tops_up():
    parent = PaymentFactory()
    PaymentFactory(parent=parent, customer_id=parent.customer_id)
    assert [payment["tops_up"] for payment in export(BUYER)["payments"]] == [None, str(parent.token)]


def test_more_rows_than_a_page_are_exported(django_assert_max_num_queries):
    payment = PaymentFactory(next_check_at=None)
    PaymentFactory.create_batch(exporting.PAGE + 1, next_check_at=None)
    PaymentEvent.objects.bulk_create(
        PaymentEvent(payment=payment, project="default", source="webhook", outcome="recorded", note=f"{number}")
        for number in range(exporting.PAGE + 1)
    )
    with django_assert_max_num_queries(20):
        exported = export(BUYER)
    assert (len(exported["payments"]), len(exported["events"])) == (exporting.PAGE + 2, exporting.PAGE + 1)
