"""Payments in the admin."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type
from django_payram.models.states import Review, State
from django_payram.payments import open_payment, refresh
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import clerk, text
from tests.conftest import statements
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
REST = "Request the rest, 29.99 USD"


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


ACTIONS = {"ask": "ask_payram_now", "announce": "announce_again"}


def change(payment):
    return f"{LIST}{payment.pk}/change/"


def press(client, payment, button, **data):
    return client.post(f"{LIST}{payment.pk}/{button}/", data, follow=True)


def selects(captured):
    """Return how many statements asked for something; a shop's settings may add savepoints."""
    return len([statement for statement in captured if statement.startswith("SELECT")])


def test_the_list_shows_what_a_merchant_looks_for(admin_client, payment, payram, order):
    payram.pay(payment, 20)
    admin_client.post(f"{LIST}{payment.pk}/ask/")
    shown = text(admin_client.get(LIST))
    for words in (payment.reference, "Partly paid", "49.99 USD", "20.00 USD", payment.customer_email):
        assert words in shown
    assert f'<a href="/admin/shop/order/{order.pk}/change/">{order.pk}</a>' in shown
    assert "0\xa0minutes" in shown


@pytest.mark.parametrize(
    "query",
    [
        "state__exact=OPEN",
        "review__exact=amount",
        "project__exact=default",
        "created_at__gte={yesterday}",
    ],
)
def test_the_list_can_be_filtered(admin_client, payment, query):
    query = query.format(yesterday=quote(str(timezone.now() - timedelta(days=1))))
    assert admin_client.get(f"{LIST}?{query}").status_code == 200


@pytest.mark.parametrize(
    "term",
    [
        "{p.reference}",
        "{p.token}",
        "{p.customer_email}",
        "BUYER@example.org",
        "{p.customer_id}",
        "{p.order_id}",
        "0xabc",
        " {p.reference} ",
    ],
)
def test_the_list_is_searched_by_whole_values(admin_client, payment, term):
    Payment.objects.update(deposit_address="0xabc")
    PaymentFactory(customer_email="other@example.org", order_id="other")
    shown = text(admin_client.get(LIST, {"q": term.format(p=payment)}))
    assert payment.reference in shown
    assert "1 payment" in shown


@pytest.mark.parametrize("term", ["nothing", "\x00", "%"])
def test_a_search_without_a_hit_is_survived(admin_client, payment, term):
    assert admin_client.get(LIST, {"q": term}).status_code == 200


def test_a_search_without_a_hit_says_what_may_be_the_reason(admin_client, payment):
    """The number of an order that nobody went to pay; a filter that was forgotten."""
    shown = text(admin_client.get(LIST, {"q": "R-404"}))
    assert "An order for which nobody has gone to pay has no payment yet" in shown
    assert "Search without them" not in shown
    shown = text(admin_client.get(LIST, {"q": "R&404", "review": "late"}))
    assert '<a href="?q=R%26404">Search without them</a>' in shown
    for query in ({}, {"q": payment.reference}, {"review": "late"}):
        assert "Nothing was found." not in text(admin_client.get(LIST, query))


def test_a_blank_search_shows_everything(admin_client, payment):
    assert payment.reference in text(admin_client.get(LIST, {"q": " "}))


@pytest.mark.parametrize("path", [LIST, "/admin/django_payram/paymentevent/"])
def test_lists_cost_the_same_whatever_the_number_of_rows(admin_client, order, path):
    """D6."""
    counts = []
    for _ in range(2):
        for number in range(20):
            other = Order.objects.create()
            row = PaymentFactory(order_type=content_type(other), order_id=str(other.pk), review=Review.LATE)
            PaymentEvent.objects.create(
                payment=row, project="default", reference=f"r{number}", source="webhook", outcome="paid"
            )
        with statements() as captured:
            text(admin_client.get(path))
        counts.append(selects(captured))
    # The list also counts what waits, and looks for the first and the last payment date.
    assert counts[0] == counts[1] <= 9


def test_a_page_costs_the_same_whatever_the_number_of_events(admin_client, payment):
    """D6."""
    counts = []
    text(admin_client.get(change(payment)))  # Django remembers content types
    for _ in range(2):
        for _ in range(20):
            PaymentEvent.objects.create(payment=payment, project="default", source="webhook", outcome="recorded")
        with statements() as captured:
            text(admin_client.get(change(payment)))
        counts.append(selects(captured))
    assert counts[0] == counts[1] <= 6


def test_a_page_shows_everything_and_lets_nothing_be_edited(admin_client, payment, payram):
    payram.pay(payment, 20)
    press(admin_client, payment, "ask")
    shown = text(admin_client.get(change(payment)))
    for words in (payment.url.replace("&", "&amp;"), "29.99 USD", "Timeline", "Recorded", "Created", "USDC"):
        assert words in shown
    assert 'name="state"' not in shown
    assert 'name="_save"' not in shown
    assert admin_client.post(change(payment), {"state": "FILLED"}).status_code == 403
    payment.refresh_from_db()
    assert payment.state == State.PARTIALLY_FILLED


def panel_of(shown):
    return shown.partition('aria-labelledby="payram-status"')[2].partition("</section>")[0]


def test_the_panel_says_whose_payment_it_is(admin_client, order):
    """The first thing to compare with what a customer says."""
    row = PaymentFactory(order=order, order_number="R-7", customer_email="kim@example.org")
    shown = panel_of(text(admin_client.get(change(row))))
    assert f'Order <a href="{reverse("admin:shop_order_change", args=[order.pk])}">R-7</a>' in shown
    assert "kim@example.org" in shown
    alone = PaymentFactory(customer_email="", customer_id="walk-in")
    shown = panel_of(text(admin_client.get(change(alone))))
    assert "walk-in" in shown
    assert "Order " not in shown


def in_part(**facts):
    facts = {"state": State.PARTIALLY_FILLED, "filled_usd": Decimal(20), "closed_at": timezone.now()} | facts
    return PaymentFactory(**facts, order_number="R-7", customer_email="kim@example.org", review=Review.PARTIAL)


@pytest.mark.parametrize("has_order", [True, False])
def test_the_rest_that_the_advice_speaks_of_is_a_button(admin_client, payram, order, has_order):
    row = in_part(**({"order": order} if has_order else {}))
    shown = panel_of(text(admin_client.get(change(row)))).replace("&amp;", "&")
    (address,) = re.findall(r'href="([^"]+)">Request the rest, 29.99 USD<', shown)
    form = admin_client.get(address).context["form"]
    answers = {name: form[name].value() or "" for name in form.fields}
    text(admin_client.post(f"{LIST}request/", answers, follow=True))
    made = Payment.objects.exclude(pk=row.pk).get()
    assert (made.amount_usd, made.purpose, made.order_number) == (Decimal("29.99"), "rest", "R-7")
    assert (made.order_id, made.customer_email) == (row.order_id, "kim@example.org")


def test_a_rest_that_another_payment_covers_is_no_button(admin_client, order):
    """Like the link on the order's page: of the newest payment, and for a bill that is not paid."""
    paid = PaymentFactory(order=order, paid=True, purpose="deposit")
    row = in_part(order=order)
    assert REST in text(admin_client.get(change(row)))
    Payment.objects.filter(pk=paid.pk).update(purpose=row.purpose)
    assert REST not in text(admin_client.get(change(row)))
    Payment.objects.filter(pk=paid.pk).update(purpose="deposit")
    PaymentFactory(order=order, purpose="rest")
    assert REST not in text(admin_client.get(change(row)))


def test_the_rest_is_a_button_only_for_those_who_may_request(django_user_model):
    row = in_part()
    assert REST not in text(clerk(django_user_model, "view_payment").get(change(row)))


def test_too_much_is_seen_on_the_page_of_the_payment(admin_client, payment, payram):
    """F31: the customer is shown that the shop can see the surplus."""
    payram.pay(payment, 60)
    refresh(payment)
    assert "10.01" in text(admin_client.get(change(payment)))


def test_payments_are_neither_added_nor_deleted(admin_client, payment):
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{payment.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in text(admin_client.get(LIST))
    assert Payment.objects.exists()


def test_each_action_is_really_offered(admin_client, payment):
    """D2."""
    shown = text(admin_client.get(LIST))
    assert 'value="ask_payram_now"' in shown
    assert 'value="announce_again"' in shown


def test_the_action_asks_payram(admin_client, payment, payram):
    payram.pay(payment)
    data = {"action": "ask_payram_now", "_selected_action": [payment.pk]}
    assert "PayRam was asked about 1 payment." in text(admin_client.post(LIST, data, follow=True))
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.events.filter(source=Source.ADMIN).exists()


def test_the_action_names_what_failed(admin_client, payment, payram):
    payram.sandbox.inject_fault(None, "broken")
    data = {"action": "ask_payram_now", "_selected_action": [payment.pk]}
    assert "refused the call with status 500" in text(admin_client.post(LIST, data, follow=True))


def test_the_action_announces_again(admin_client, payment, listener):
    data = {"action": "announce_again", "_selected_action": [payment.pk]}
    assert "were notified" in text(admin_client.post(LIST, data, follow=True))
    assert listener.names == ["payment_updated"]


def test_the_button_asks_payram(admin_client, payment, payram):
    payram.pay(payment)
    assert "its answer is recorded" in text(press(admin_client, payment, "ask"))
    payment.refresh_from_db()
    assert payment.is_paid


def test_the_button_says_what_failed(admin_client, payment, payram):
    payram.sandbox.inject_fault(None, "html")
    assert "BASE_URL" in text(press(admin_client, payment, "ask"))


def test_a_failed_receiver_is_shown_and_notified_again(admin_client, payment, payram, listener):
    """F9, D2, D3."""
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    payram.sandbox.deliver_due()
    payment.refresh_from_db()
    press(admin_client, payment, "ask")
    assert "payment_paid is broken" in text(admin_client.get(change(payment)))
    assert "A receiver of" in text(press(admin_client, payment, "announce"))
    listener.fail_on = set()
    assert "were notified" in text(press(admin_client, payment, "announce"))
    assert listener.names.count("payment_paid") == 1


@pytest.mark.parametrize("button", ["ask", "announce"])
def test_buttons_want_a_post_a_permission_and_a_payment(admin_client, django_user_model, payment, button):
    path = f"{LIST}{payment.pk}/{button}/"
    assert admin_client.get(path).status_code == 405
    assert clerk(django_user_model, "view_payment").post(path).status_code == 403
    assert clerk(django_user_model, "view_payment", "ask_payram", name="other").post(path).status_code == 302
    assert admin_client.post(f"{LIST}9999/{button}/").status_code == 404
    assert Client().post(path).status_code == 302


@pytest.mark.parametrize("button", ["ask", "announce"])
def test_every_button_is_protected_against_forgery(admin_user, payment, button):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(f"{LIST}{payment.pk}/{button}/").status_code == 403


def test_the_timeline_says_what_became_of_notifying_again(admin_client, admin_user, payment, listener):
    listener.fail_on = {"payment_updated"}
    for _ in range(2):
        press(admin_client, payment, "announce")
    listener.fail_on = set()
    press(admin_client, payment, "announce")
    events = payment.events.filter(source=Source.ADMIN).order_by("pk")
    assert [event.outcome for event in events] == ["not_announced", "not_announced", "announced"]
    assert {event.actor for event in events} == {admin_user.get_username()}
    entries = LogEntry.objects.filter(object_id=str(payment.pk)).order_by("pk")
    assert [entry.get_change_message() for entry in entries] == [event.get_outcome_display() for event in events]


def test_only_payments_that_were_looked_at_are_said_to_be(admin_client, payment):
    other = PaymentFactory()
    admin_client.post(LIST, {"action": "ask_payram_now", "_selected_action": [payment.pk]})
    assert set(PaymentEvent.objects.filter(outcome=Outcome.ASKED).values_list("payment", flat=True)) == {payment.pk}
    assert not other.events.exists()


@pytest.mark.parametrize(("button", "outcome"), [("ask", Outcome.ASKED), ("announce", Outcome.ANNOUNCED)])
def test_what_a_person_does_stands_in_the_timeline_and_in_djangos_history(
    admin_client, admin_user, payment, button, outcome
):
    press(admin_client, payment, button)
    admin_client.post(LIST, {"action": ACTIONS[button], "_selected_action": [payment.pk]})
    events = payment.events.filter(outcome=outcome, source=Source.ADMIN)
    assert [event.actor for event in events] == [admin_user.get_username()] * 2
    entries = LogEntry.objects.filter(object_id=str(payment.pk), user=admin_user)
    assert [entry.get_change_message() for entry in entries] == [str(outcome.label)] * 2


def test_a_clerk_without_permissions_sees_no_buttons(django_user_model, payment):
    Payment.objects.update(review=Review.LATE)
    client = clerk(django_user_model, "view_payment")
    shown = text(client.get(change(payment)))
    assert "Ask PayRam now" not in shown
    assert "Resolve" not in shown
    assert "ask_payram_now" not in text(client.get(LIST))


@pytest.mark.parametrize(("permission", "words"), [("ask_payram", "Ask PayRam now"), ("review_payment", "Resolve")])
def test_a_permission_shows_its_buttons(django_user_model, payment, permission, words):
    Payment.objects.update(review=Review.LATE)
    assert words in text(clerk(django_user_model, "view_payment", permission).get(change(payment)))


def test_links_lead_only_where_they_can(admin_client):
    from tests.shop.models import UuidOrder

    other = UuidOrder.objects.create()
    parent = PaymentFactory(
        order_type=content_type(other), order_id=str(other.pk), explorer_url="https://chain.example/tx/1"
    )
    child = PaymentFactory(parent=parent, confirmations=1, filled_amount=Decimal("0.5000"))
    shown = text(admin_client.get(change(parent)))
    assert str(other.pk) in shown
    assert "/admin/shop/uuidorder/" not in shown
    assert 'href="https://chain.example/tx/1" rel="noopener noreferrer"' in shown
    shown = text(admin_client.get(change(child)))
    assert change(parent) in shown
    assert "1 / ?" in shown
    assert ">0.5<" in shown


def test_the_timeline_escapes_what_others_sent(admin_client, payment):
    PaymentEvent.objects.create(
        payment=payment,
        project="default",
        source="webhook",
        outcome="recorded",
        payload="<script>x</script>",
        error="<b>",
        note="<i>",
    )
    shown = text(admin_client.get(change(payment)))
    assert "<script>x" not in shown
    assert "<b>" not in shown


def test_the_link_to_an_order_whose_key_looks_like_an_escape_leads_to_that_order(admin_client, order):
    # The admin reads _10 in an address as the character with that number.
    PaymentFactory(order_type=content_type(order), order_id="SO_10/7")
    assert 'href="/admin/shop/order/SO_5F10_2F7/change/"' in text(admin_client.get(LIST))


def test_the_timeline_is_in_order_and_shows_the_newest(admin_client, payment):
    for number in range(205):
        PaymentEvent.objects.create(
            payment=payment,
            project="default",
            source="webhook",
            outcome="recorded",
            note=f"note-{number:03}-",
            created_at=timezone.now() + timedelta(seconds=number),
        )
    shown = text(admin_client.get(change(payment)))
    assert "note-204-" in shown
    assert "note-004-" not in shown
    assert shown.index("note-005-") < shown.index("note-204-")


def test_events_without_a_payment_can_be_looked_at(admin_client):
    event = PaymentEvent.objects.create(project="default", reference="lost", source="webhook", outcome="unmatched")
    assert "lost" in text(admin_client.get("/admin/django_payram/paymentevent/?q=lost"))
    assert "Unknown reference" in text(
        admin_client.get(reverse("admin:django_payram_paymentevent_change", args=[event.pk]))
    )


def test_a_missing_payment_is_survived(admin_client):
    assert admin_client.get(f"{LIST}424242/change/").status_code == 302


def test_the_report_on_the_connection_is_a_page(admin_client, payment):
    """F17."""
    assert "/admin/django_payram/payment/doctor/" in text(admin_client.get(LIST))
    assert "No webhook has brought news yet." in text(admin_client.get(f"{LIST}doctor/"))


def test_the_actions_of_the_list_hold_no_lock_while_payram_is_asked():
    """F10: ATOMIC_REQUESTS would keep every payment locked until the last one has been asked about."""
    assert set(connections) <= resolve(LIST).func._non_atomic_requests
