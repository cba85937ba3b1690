"""A link made by hand, in the admin and by payram_request."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from django_payram.models import Outcome, Payment, State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import creates

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
REQUEST = f"{LIST}request/"


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def fields(**changed):
    return {
        "email": "kim@example.org",
        "amount": "20.50",
        "currency": "USD",
        "project": "default",
        "key": str(uuid.uuid4()),
        **changed,
    }


def clerk(django_user_model, *permissions):
    user = django_user_model.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_a_link_is_made_and_shown(admin_client, admin_user, payram):
    shown = text(admin_client.post(REQUEST, fields(note="For the repair.", order_number="R-7", hours=24), follow=True))
    payment = Payment.objects.get()
    assert (payment.amount_usd, payment.customer_email, payment.order) == (Decimal("20.50"), "kim@example.org", None)
    assert (payment.metadata, payment.order_number) == ({"note": "For the repair."}, "R-7")
    assert payment.expires_at is not None
    assert "The link is made." in shown
    for address in (payment.url.replace("&", "&amp;"), f"/payram/payments/{payment.token}/"):
        assert address in shown
    event = payment.events.get(outcome=Outcome.REQUESTED)
    assert event.actor == admin_user.get_username()
    assert LogEntry.objects.filter(object_id=str(payment.pk)).exists()


def test_a_form_that_is_sent_twice_makes_one_link(admin_client, payram):
    sent = fields()
    for _ in range(2):
        admin_client.post(REQUEST, sent)
    assert len(creates(payram)) == 1
    admin_client.post(REQUEST, fields())
    assert len(creates(payram)) == 2


def test_a_link_for_an_order_is_the_orders_own(admin_client, payram, order):
    for _ in range(2):
        admin_client.post(REQUEST, fields(order_model="shop.order", order_key=str(order.pk), purpose="repair"))
    payment = Payment.objects.get()
    assert (payment.order, payment.purpose) == (order, "repair")
    assert open_payment(order, amount="20.50", email="kim@example.org", purpose="repair") == payment


def test_the_form_can_be_filled_in_by_the_address(admin_client, order):
    PaymentFactory(order=order)
    shown = text(admin_client.get(f"{REQUEST}?order_model=shop.order&order_key={order.pk}&amount=29.99&purpose=rest"))
    for part in ('value="29.99"', 'value="rest"', '<option value="shop.order" selected>'):
        assert part in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"purpose": "\u200b"}, "purpose must be a string of printable characters."),
        ({"amount": "0"}, "amount must be more than zero."),
        ({"amount": "much"}, "Enter a number."),
        ({"currency": "EUR"}, "currency is EUR"),
        ({"order_model": "shop.order"}, "Please say which order."),
        ({"order_model": "shop.order", "order_key": "nothing"}, "There is no such order."),
        ({"hours": "0"}, "greater than or equal to 1"),
        ({"project": "nothing"}, "Select a valid choice."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(admin_client, payram, order, changed, said):
    PaymentFactory(order=order)
    before = Payment.objects.count()
    assert said in text(admin_client.post(REQUEST, fields(**changed))).replace("&#x27;", "'")
    assert Payment.objects.count() == before


def test_a_payram_that_cannot_be_asked_is_said(admin_client, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "http://127.0.0.1:9"}}
    assert "could not be asked" in text(admin_client.post(REQUEST, fields()))


def test_a_bill_that_is_paid_is_not_asked_for_again(admin_client, payram, order):
    payment = payram.pay(open_payment(order, amount=order.total, email=order.email))
    sent = fields(order_model="shop.order", order_key=str(order.pk))
    answer = admin_client.post(REQUEST, sent, follow=True)
    assert "Another bill needs another purpose." in text(answer)
    assert answer.redirect_chain[-1][0].endswith(f"/{payment.pk}/change/")


def test_a_broken_setting_is_said(admin_client, settings):
    settings.PAYRAM = {"default": {}}
    assert "PAYRAM" in text(admin_client.get(REQUEST, follow=True))


def test_the_page_wants_its_permission(django_user_model, admin_client):
    client = clerk(django_user_model, "view_payment")
    assert client.get(REQUEST).status_code == client.post(REQUEST, fields()).status_code == 403
    assert "Request a payment" not in text(client.get(LIST))
    assert "Request a payment" in text(admin_client.get(LIST))
    django_user_model.objects.filter(is_superuser=False).delete()
    assert clerk(django_user_model, "view_payment", "request_payment").get(REQUEST).status_code == 200
    assert Client().get(REQUEST).status_code == 302


# The mail


@pytest.fixture
def payment(payram):
    return open_payment(None, amount="20.50", email="kim@example.org", order_number="R-7")


def test_the_link_is_mailed(admin_client, admin_user, payment):
    assert "was sent to the customer" in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["kim@example.org"], "Your payment for R-7")
    assert payment.url in message.body
    assert f"/payram/payments/{payment.token}/" in message.body
    assert "20.50 USD" in message.body
    assert payment.events.get(outcome=Outcome.MAILED).actor == admin_user.get_username()


def test_what_cannot_be_mailed_is_said(admin_client, payment, settings):
    settings.EMAIL_BACKEND = "tests.test_receivers.Broken"
    assert "no route to host" in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    Payment.objects.update(state=State.CANCELED)
    assert "cannot be sent" in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    assert not payment.events.filter(outcome=Outcome.MAILED).exists()


# The command


def requested(*arguments):
    from io import StringIO

    out = StringIO()
    call_command("payram_request", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_link_and_the_status_page(payram, order):
    printed = requested(
        *(
            "--email",
            "kim@example.org",
            "--amount",
            "20.50",
            "--order",
            f"shop.order:{order.pk}",
            "--purpose",
            "repair",
        ),
        *("--note", "For the repair.", "--site", "https://shop.example/"),
    )
    payment = Payment.objects.get()
    assert printed.split() == [payment.url, f"https://shop.example/payram/payments/{payment.token}/"]
    assert (payment.order, payment.purpose, payment.metadata) == (order, "repair", {"note": "For the repair."})


def test_the_command_speaks_json_and_mails(payram):
    arguments = ("--email", "kim@example.org", "--amount", "5", "--json", "--mail")
    facts = json.loads(requested(*arguments))
    payment = Payment.objects.get()
    assert facts["url"] == payment.url
    assert facts["token"] == str(payment.token)
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--amount", "0"], "--amount must be more than zero", 2),
        (["--expires-in", "0"], "--expires-in", 1),
        (["--order", "shop.order"], "--order must be APP.MODEL:KEY", 2),
        (["--order", "shop.slugorder:424242"], "There is no shop.slugorder", 1),
        (["--project", "nothing"], "no project 'nothing'", 1),
        (["--currency", "EUR"], "--currency is EUR", 2),
    ],
)
def test_a_wrong_argument_of_the_command_is_named(payram, arguments, said, code):
    with pytest.raises(CommandError, match=said) as caught:
        requested("--email", "kim@example.org", "--amount", "5", *arguments)
    assert caught.value.returncode == code
