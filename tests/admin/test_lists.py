"""Lists of the admin: quick whatever the number of rows."""

from __future__ import annotations

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_payram.admin import lists
from django_payram.admin.lists import BoundedPaginator
from django_payram.admin.payments import PaymentAdmin
from django_payram.models import Outcome, Payment, PaymentEvent, Source, Status, database
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import text

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
EVENTS = "/admin/django_payram/paymentevent/"
CUT = "are listed. Search or filter to reach the others."


@pytest.fixture
def _short_lists(monkeypatch):
    monkeypatch.setattr(lists, "LISTED", 3)


def add_event(**facts):
    PaymentEvent.objects.create(**{"project": "default", "source": Source.WEBHOOK, "outcome": Outcome.PAID, **facts})


# Counting


@pytest.mark.usefixtures("_short_lists")
@pytest.mark.parametrize(("rows", "count", "is_cut"), [(0, 0, False), (3, 3, False), (4, 3, True), (9, 3, True)])
def test_no_more_is_counted_than_is_listed(rows, count, is_cut):
    PaymentFactory.create_batch(rows)
    paginator = BoundedPaginator(Payment.objects.order_by("-created_at"), 2)
    assert (paginator.count, paginator.is_cut) == (count, is_cut)


@pytest.mark.usefixtures("_short_lists")
def test_rows_are_looked_for_once_with_a_limit():
    PaymentFactory.create_batch(5)
    paginator = BoundedPaginator(Payment.objects.order_by("-created_at"), 2)
    with CaptureQueriesContext(connections[database()]) as context:
        assert (paginator.count, paginator.is_cut, paginator.num_pages) == (3, True, 2)
    (query,) = context.captured_queries
    assert "LIMIT 4" in query["sql"]


def test_the_condition_of_a_filter_is_asked_once(admin_client):
    PaymentFactory.create_batch(2, partly_paid=True)
    with CaptureQueriesContext(connections[database()]) as context:
        assert len(admin_client.get(LIST, {"status": "partly_paid"}).context["cl"].result_list) == 2
    assert sum('topped_up_usd" >' in query["sql"] or "topped_up_usd` >" in query["sql"] for query in context) == 1


def test_pages_have_all_rows_once_in_their_order(admin_client, monkeypatch):
    monkeypatch.setattr(PaymentAdmin, "list_per_page", 2)
    payments = [payment.pk for payment in reversed(PaymentFactory.create_batch(5))]

    def listed(**query):
        return [row.pk for row in admin_client.get(LIST, query).context["cl"].result_list]

    assert [listed(p=page) for page in (1, 2, 3)] == [payments[:2], payments[2:4], payments[4:]]
    assert listed(all="") == payments
    monkeypatch.setattr(PaymentAdmin, "list_per_page", 50)
    assert listed(p=7) == payments


@pytest.mark.usefixtures("_short_lists")
def test_a_list_that_is_cut_says_so(admin_client):
    payments = PaymentFactory.create_batch(4)
    shown = text(admin_client.get(LIST))
    assert f"Only the first 3 {CUT}" in shown
    payments[0].delete()
    assert CUT not in text(admin_client.get(LIST))


@pytest.mark.usefixtures("_short_lists")
def test_the_events_that_are_cut_say_so(admin_client):
    for _ in range(4):
        add_event()
    assert CUT in text(admin_client.get(EVENTS))


# Rows


def test_each_row_can_be_chosen_for_an_action(admin_client):
    payment = PaymentFactory(reference="a<b")
    box = f'name="_selected_action" value="{payment.pk}" aria-label="Select this object for an action - a&lt;b"'
    assert f'<input type="checkbox" {box} class="action-select">' in text(admin_client.get(LIST))


# Filters


@pytest.mark.parametrize("address", [LIST, EVENTS])
def test_projects_are_offered_when_there_are_two(admin_client, address):
    PaymentFactory()
    assert "project__exact" not in text(admin_client.get(address))
    PaymentFactory(project="other")
    shown = text(admin_client.get(address))
    assert "?project__exact=default" in shown
    assert "?project__exact=other" in shown


def test_a_chosen_project_is_listed_alone(admin_client):
    ours, theirs = PaymentFactory(), PaymentFactory(project="other")
    shown = text(admin_client.get(f"{LIST}?project__exact=other"))
    assert theirs.reference in shown
    assert ours.reference not in shown
    add_event(reference="ours")
    add_event(reference="theirs", project="other")
    shown = text(admin_client.get(f"{EVENTS}?project__exact=other"))
    assert ("theirs" in shown, "ours" in shown) == (True, False)


def test_projects_are_found_by_one_look_each(django_assert_num_queries):
    for project in ("b", "a", "b", "c", "a"):
        PaymentFactory(project=project)
    with django_assert_num_queries(4):
        assert Payment.objects.projects() == ["a", "b", "c"]
    with django_assert_num_queries(1):
        assert Payment.objects.none().projects() == Payment.objects.filter(project="").projects() == []


# Statements


@pytest.mark.parametrize(
    "address",
    [
        LIST,
        f"{LIST}?state__exact=OPEN",
        f"{LIST}?review__exact=late",
        f"{LIST}?q=buyer@example.org",
        f"{LIST}?q=nobody",
        EVENTS,
        f"{EVENTS}?outcome__exact=paid",
        f"{EVENTS}?q=nobody",
    ],
)
def test_the_statements_of_a_list_do_not_grow_with_its_rows(admin_client, address):
    def statements():
        with CaptureQueriesContext(connection) as context:
            text(admin_client.get(address))
        return len(context)

    statements()
    add_event(payment=PaymentFactory(review="late"))
    few = statements()
    for payment in PaymentFactory.create_batch(20, review="late"):
        add_event(payment=payment)
    # Surroundings, as ATOMIC_REQUESTS, may add statements of their own.
    assert statements() == few <= 12


@pytest.mark.parametrize("status", Status)
def test_the_list_is_filtered_by_status(admin_client, status):
    """The words are those of pages and JSON; an unknown one chooses nothing."""
    payments = [PaymentFactory(), PaymentFactory(paid=True), PaymentFactory(withdrawn_at=timezone.now())]
    shown = admin_client.get("/admin/django_payram/payment/", {"status": status}).context["cl"].result_list
    assert set(shown) == {payment for payment in payments if payment.status == status}
    everything = admin_client.get("/admin/django_payram/payment/", {"status": "settled"}).context["cl"].result_list
    assert len(everything) == len(payments)
