"""What is stored of one customer: telling it and erasing it, by the command as an operator types it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram import erasing
from django_payram.lifecycle import open_payment, refresh
from django_payram.models import Payment, PaymentEvent, content_type
from django_payram.testing.factories import PaymentFactory
from tests.test_prune import event, run, settled

pytestmark = pytest.mark.django_db

BUYER = "buyer@example.org"


def export(*args):
    code, said = run("--customer", *args, "--export")
    assert code == 0
    return json.loads(said)


def erase(*args):
    code, said = run("--customer", *args, "--erase", "--json")
    first, _newline, _rest = said.partition("\n")
    return code, json.loads(first)


def webhook(**fields):
    return json.dumps({"reference_id": "r", "status": "FILLED", "amount": "49.990", **fields})


def everything():
    """Return all that is stored, as text."""
    return json.dumps([list(model.objects.values()) for model in (Payment, PaymentEvent)], default=str)


# Telling


def test_all_that_is_stored_of_a_customer_is_told(payram, order):
    payment = open_payment(order, amount=order.total, email=BUYER, metadata={"gift": True})
    payram.pay(payment)
    stranger = PaymentFactory(customer_email="other@example.org")
    event(payment=stranger, payload=webhook(customer_email="other@example.org"))
    told = export(BUYER)
    assert told["customer"] == BUYER
    (one,) = told["payments"]
    assert one["token"] == str(payment.token)
    assert (one["order"], one["order_id"]) == ("shop.order", str(order.pk))
    assert (one["customer_email"], one["amount_usd"], one["state"]) == (BUYER, "49.99", "FILLED")
    assert one["metadata"] == {"gift": True}
    assert one["paid_at"].startswith(str(timezone.now().year))
    assert [line["outcome"] for line in told["events"]] == list(
        payment.events.order_by("pk").values_list("outcome", flat=True)
    )
    assert {line["payment"] for line in told["events"]} == {str(payment.token)}
    assert "other@example.org" not in json.dumps(told)


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


def test_events_without_a_payment_and_of_others_are_told_when_they_name_the_customer():
    other = PaymentFactory(customer_email="other@example.org")
    unmatched = event(outcome="unmatched", payload=webhook(customer_email=BUYER.upper()))
    query = event(outcome="unreadable", payload="customer_email=buyer%40example.org")
    foreign = event(payment=other, error="payment_paid: nobody at buyer@example.org")
    by_id = event(outcome="unmatched", payload=webhook(customer_id="user-7"))
    event(outcome="unmatched", payload=webhook(customer_email="a.buyer@example.org"))
    event(outcome="unmatched", payload=webhook(amount="user-7"))
    assert [line["payload"] for line in export(BUYER)["events"]] == [unmatched.payload, query.payload, foreign.payload]
    assert [line["payload"] for line in export("user-7")["events"]] == [by_id.payload]


def test_an_event_is_told_once():
    payment = PaymentFactory()
    event(payment=payment, payload=webhook(customer_email=BUYER))
    assert len(export(BUYER)["events"]) == 1


def test_one_project_may_be_asked_about():
    PaymentFactory(), PaymentFactory(project="other")
    event(payload=webhook(customer_email=BUYER)), event(payload=webhook(customer_email=BUYER), project="other")
    told = export(BUYER, "--project", "other")
    assert told["project"] == "other"
    assert [row["project"] for row in [*told["payments"], *told["events"]]] == ["other", "other"]


def test_nothing_stored_is_told_as_such():
    told = export("nobody@example.org")
    assert (told["payments"], told["events"]) == ([], [])


def test_a_top_up_names_what_it_tops_up():
    parent = PaymentFactory()
    PaymentFactory(parent=parent, customer_id=parent.customer_id)
    assert [payment["tops_up"] for payment in export(BUYER)["payments"]] == [None, str(parent.token)]


def test_more_rows_than_a_page_are_told_and_erased(monkeypatch, django_assert_max_num_queries):
    payment = PaymentFactory(next_check_at=None)
    PaymentFactory.create_batch(erasing.PAGE + 1, next_check_at=None)
    PaymentEvent.objects.bulk_create(
        PaymentEvent(payment=payment, project="default", source="webhook", outcome="recorded", note=f"{number}")
        for number in range(erasing.PAGE + 1)
    )
    with django_assert_max_num_queries(20):
        told = export(BUYER)
    assert (len(told["payments"]), len(told["events"])) == (erasing.PAGE + 2, erasing.PAGE + 1)
    assert erase(BUYER)[1]["payments"] == erasing.PAGE + 2


# Erasing


def test_a_customer_is_erased_everywhere_and_the_money_stays(order):
    by_order = {"order_type": content_type(order), "order_id": str(order.pk), "customer_id": f"shop.order-{order.pk}"}
    payment = settled(customer_email="Buyer@example.org", announce_error=f"mail to {BUYER} failed", **by_order)
    event(payment=payment, payload=webhook(customer_email="Buyer@example.org", customer_id=payment.customer_id))
    event(payment=payment, payload='{"customerEmail":"second@example.org"}', note=f"called {BUYER}")
    event(outcome="unmatched", payload="customer_email=buyer%40example.org")
    assert erase(BUYER) == (0, {"dry_run": False, "payments": 1, "events": 3, "kept_customer_ids": []})
    assert "example.org" not in everything().lower()
    payment.refresh_from_db()
    assert (payment.filled_usd, payment.is_paid, payment.customer_id) == (
        Decimal("49.99"),
        True,
        by_order["customer_id"],
    )
    assert PaymentEvent.objects.filter(payload=webhook(customer_email="", customer_id=payment.customer_id)).exists()


def test_erasing_is_idempotent_and_a_dry_run_foretells_it():
    settled(customer_id="user-7"), settled(customer_id="user-7", customer_email="")
    event(payment=Payment.objects.first(), payload=webhook(customer_email=BUYER, customer_id="user-7"))
    event(payload=webhook(customer_id="user-7"), outcome="unmatched")
    before = everything()
    for name in (BUYER, "user-7"):
        foretold = json.loads(run("--customer", name, "--erase", "--dry-run", "--json")[1])
        assert everything() == before
        code, done = erase(name)
        assert (code, done) == (0, {**foretold, "dry_run": False})
        assert done["payments"] + done["events"] > 0
        before = everything()
        assert erase(name) == (0, {"dry_run": False, "payments": 0, "events": 0, "kept_customer_ids": []})
        assert everything() == before
    assert "user-7" not in before


def test_a_chosen_customer_id_goes_once_payram_is_no_longer_asked():
    done = settled(customer_id="user-7", customer_email=BUYER)
    event(payment=done, payload='{"customerID":"user-7","customer_id":"user-7"}')
    watched = PaymentFactory(customer_id="user-8", customer_email=BUYER)
    event(payment=watched, payload='{"customerId":"user-8"}')
    code, sums = erase(BUYER)
    assert (code, sums["kept_customer_ids"]) == (1, ["user-8"])
    assert "user-7" not in everything()
    watched.refresh_from_db()
    assert (watched.customer_id, watched.customer_email) == ("user-8", "")
    assert "user-8" in watched.events.get().payload
    Payment.objects.update(next_check_at=None)
    assert erase("user-8") == (0, {"dry_run": False, "payments": 1, "events": 1, "kept_customer_ids": []})
    assert "user-8" not in everything()


def test_a_webhook_that_waits_for_its_payment_keeps_an_address_that_is_a_customer_id():
    """PayRam may name a payment's reference before we know it: only the customer id tells whose it is."""
    watched = PaymentFactory(customer_id=BUYER, customer_email=BUYER)
    waiting = event(outcome="unmatched", payload=webhook(customer_id=BUYER))
    event(outcome="unmatched", payload=webhook(customer_email=BUYER))
    assert erase(BUYER) == (1, {"dry_run": False, "payments": 1, "events": 1, "kept_customer_ids": [BUYER]})
    waiting.refresh_from_db()
    assert waiting.payload == webhook(customer_id=BUYER)
    Payment.objects.filter(pk=watched.pk).update(next_check_at=None)
    assert erase(BUYER) == (0, {"dry_run": False, "payments": 1, "events": 1, "kept_customer_ids": []})
    assert BUYER not in everything()


def test_what_is_kept_is_said():
    PaymentFactory(customer_id="user-8")
    code, said = run("--customer", BUYER, "--erase")
    assert code == 1
    assert said.splitlines()[0] == "Erased what is personal in 1 payments and 0 events."
    assert "Erase them by the id later: user-8." in said
    assert run("--customer", BUYER, "--erase", "--dry-run")[1].startswith("Would erase what is personal in 0 payments")


@pytest.mark.parametrize("with_order", [True, False])
def test_ids_that_payments_are_given_by_default_are_not_personal(payram, order, settings, with_order):
    settings.PAYRAM["default"]["CUSTOMER_ID_PREFIX"] = "staging-"
    payment = open_payment(order if with_order else None, amount=5, email=BUYER)
    Payment.objects.update(next_check_at=None)
    assert not erasing.has_personal_id(payment)
    assert erase(BUYER)[0] == 0
    assert Payment.objects.get().customer_id == payment.customer_id
    assert erasing.has_personal_id(PaymentFactory.build(customer_id="user-7"))
    assert not erasing.has_personal_id(PaymentFactory.build(customer_id=""))


def test_an_erased_customer_can_still_pay(payram, order):
    payram.sandbox.webhooks = False
    payment = open_payment(order, amount=order.total, email=BUYER, customer_id="user-7")
    assert erase(BUYER)[0] == 1
    payram.pay(payment)
    assert refresh(Payment.objects.get()).is_paid
    order.refresh_from_db()
    assert order.times_paid == 1


def test_a_settled_payment_that_lost_its_customer_id_can_still_be_asked_about(payram, order):
    payment = open_payment(order, amount=order.total, email=BUYER, customer_id="user-7")
    payram.pay(payment)
    Payment.objects.update(next_check_at=None)
    erase(BUYER)
    again = refresh(Payment.objects.get())
    assert (again.customer_id, again.is_paid, again.review) == ("", True, "")


def test_metadata_is_the_shops_own_and_emptied_on_request_only():
    payment = settled(metadata={"phone": "123"})
    erase(BUYER)
    payment.refresh_from_db()
    assert payment.metadata == {"phone": "123"}
    settled(metadata={"phone": "123"}), settled(metadata={"phone": "456"}, customer_email="other@example.org")
    assert erase(BUYER, "--metadata")[1]["payments"] == 1
    assert [payment.metadata for payment in Payment.objects.order_by("pk")] == [{"phone": "123"}, {}, {"phone": "456"}]


def test_other_people_are_left_alone():
    others = settled(customer_email="a.buyer@example.org", customer_id="user-77")
    event(payment=others, payload=webhook(customer_email="a.buyer@example.org", customer_id="user-77"))
    event(outcome="unmatched", payload=webhook(customer_email="other@example.org", note=f"of {BUYER}"))
    before = Payment.objects.values().get()
    assert (
        erase("user-7")[1] == erase("7")[1] == {"dry_run": False, "payments": 0, "events": 0, "kept_customer_ids": []}
    )
    assert erase(BUYER)[1]["events"] == 1
    assert Payment.objects.values().get() == before
    left = everything()
    assert left.count("a.buyer@example.org") == 2
    assert "other@example.org" in left
    assert f"of {BUYER}" not in left


def test_only_one_project_is_erased_when_asked():
    settled(), settled(project="other")
    assert erase(BUYER, "--project", "other")[1]["payments"] == 1
    assert list(Payment.objects.order_by("pk").values_list("customer_email", flat=True)) == [BUYER, ""]


def test_a_run_that_was_broken_off_is_finished_by_the_next(monkeypatch):
    monkeypatch.setattr(erasing, "change_payments", lambda *_: 1 / 0)
    payment = settled(customer_id="user-7")
    event(payment=payment, payload=webhook(customer_email=BUYER, customer_id="user-7"))
    with pytest.raises(ZeroDivisionError):
        erase(BUYER)
    monkeypatch.undo()
    erase(BUYER)
    assert "user-7" not in everything()
    assert BUYER not in everything()


def test_memory_does_not_grow_with_the_number_of_events(tmp_path):
    import tracemalloc

    payment = settled()

    def peak(number):
        PaymentEvent.objects.bulk_create(
            (
                PaymentEvent(payment=payment, project="default", source="webhook", outcome="recorded", payload=text)
                for text in [webhook(customer_email=BUYER, filler="x" * 500)] * number
            ),
            batch_size=500,
        )
        tracemalloc.start()
        try:
            erase(BUYER)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            PaymentEvent.objects.all().delete()
            Payment.objects.update(customer_email=BUYER, updated_at=timezone.now() - timedelta(days=1))

    peak(10)
    assert peak(1200) < 2 * peak(300)
