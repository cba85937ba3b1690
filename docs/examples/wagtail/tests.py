from decimal import Decimal

import pytest
from wagtail.models import Locale, Page, Site

from django_payram.models import Payment
from tickets.models import Ticket, TicketPage


@pytest.fixture
def page(db):
    Locale.objects.create(language_code="en")
    page = Page.add_root(title="Root", slug="root").add_child(instance=TicketPage(title="A play", price="12.50"))
    Site.objects.create(hostname="testserver", root_page=page, is_default_site=True)
    return page


@pytest.fixture
def buy(client, payram, page):
    """Return a function that presses the button as a browser does, and returns the last answer."""

    def press():
        answer = client.post(page.url, {"email": "visitor@example.org"})
        assert answer.status_code == 307
        return client.post(answer.url, {"email": "visitor@example.org"})

    return press


@pytest.fixture
def payment(buy):
    buy()
    return Payment.objects.get()


@pytest.fixture
def ticket(payment):
    return payment.order


def test_the_button_leads_to_payram(client, page, buy):
    assert "Pay 12.50 USD" in client.get(page.url).content.decode()
    answer, payment = buy(), Payment.objects.get()
    assert (answer.status_code, answer.url) == (303, payment.url)
    assert (payment.amount_usd, payment.customer_email) == (Decimal("12.50"), "visitor@example.org")


def test_nothing_is_sold_to_a_wrong_address(client, page):
    answer = client.post(page.url, {"email": "visitor"})
    assert "Enter a valid email address." in answer.content.decode()
    assert not Ticket.objects.exists()


def test_a_paid_ticket_is_sent_once(client, payram, payment, ticket, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        payram.pay(payment)
        payram.repeat(payment)
        payram.pay_twice(payment)
    assert [mail.to for mail in mailoutbox] == [["visitor@example.org"]]
    assert str(ticket.token) in mailoutbox[0].body
    assert "is paid" in client.get(ticket.get_absolute_url()).content.decode()
    assert payment.review == "duplicate"


def test_an_expired_link_is_followed_by_another_and_late_money_pays_the_ticket(client, payram, payment, ticket):
    payram.expire(payment)
    assert "Pay 12.50 USD" in client.get(ticket.get_absolute_url()).content.decode()
    assert client.post(ticket.get_absolute_url()).url not in ("", payment.url)
    payram.pay(payment)
    ticket.refresh_from_db()
    assert ticket.is_paid


def test_a_ticket_is_kept_while_payram_is_down(client, payram, buy):
    with payram.down():
        assert buy().status_code == 503
    ticket = Ticket.objects.get()
    assert client.post(ticket.get_absolute_url()).url == Payment.objects.for_order(ticket).last().url
