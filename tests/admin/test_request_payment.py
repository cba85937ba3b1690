"""A link made by hand, in the admin and by payram_request."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import resolve
from django.utils import timezone, translation

from django_payram.admin.words import refusal
from django_payram.exceptions import InvalidPaymentRequest, PayramUnavailable
from django_payram.models import Outcome, Payment, Source, State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import clerk, text
from tests.mails import send_by
from tests.payments.helpers import creates
from tests.shop.models import UuidOrder

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
REQUEST = f"{LIST}request/"


def fields(**changed):
    return {
        "email": "kim@example.org",
        "amount": "20.50",
        "currency": "USD",
        "project": "default",
        "key": str(uuid.uuid4()),
        **changed,
    }


@contextmanager
def registered(model):
    admin.site.register(model)
    try:
        yield
    finally:
        admin.site.unregister(model)


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


def test_a_form_that_is_corrected_makes_another_link(admin_client, payram):
    """As by the browser's Back: the form comes again with all that was in it."""
    sent = fields()
    admin_client.post(REQUEST, sent)
    shown = text(admin_client.post(REQUEST, {**sent, "amount": "30"}, follow=True))
    assert "The link is made." in shown
    assert sorted(Payment.objects.values_list("amount_usd", flat=True)) == [Decimal("20.50"), Decimal(30)]


def test_a_form_can_be_sent_again_when_payram_did_not_answer(admin_client, payram, settings):
    sent, working = fields(note="For the repair."), settings.PAYRAM
    for _ in range(2):
        settings.PAYRAM = {"default": {**working["default"], "BASE_URL": "http://127.0.0.1:9"}}
        shown = text(admin_client.post(REQUEST, sent))
        assert "could not be asked" in shown
        assert "For the repair." in shown
    settings.PAYRAM = working
    assert "The link is made." in text(admin_client.post(REQUEST, sent, follow=True))
    assert "This was asked for before" in text(admin_client.post(REQUEST, sent, follow=True))
    assert len(creates(payram)) == Payment.objects.exclude(url="").count() == 1


def test_a_form_whose_sending_was_cut_off_can_be_sent_again(admin_client, payram):
    sent = fields()
    admin_client.post(REQUEST, sent)
    long_ago = timezone.now() - timedelta(minutes=3)
    Payment.objects.update(url="", reference=None, state=State.CREATING, created_at=long_ago)
    assert "The link is made." in text(admin_client.post(REQUEST, sent, follow=True))
    assert Payment.objects.count() == 2


def test_the_note_is_kept_when_a_link_is_used_again(admin_client, payram, order):
    for note in ("Asked by phone.", "Write to kim@example.org."):
        admin_client.post(REQUEST, fields(order_model="shop.order", order_key=str(order.pk), note=note))
    payment = Payment.objects.get()
    notes = payment.events.filter(outcome=Outcome.REQUESTED).order_by("pk").values_list("note", flat=True)
    assert payment.metadata == {"note": "Asked by phone."}
    assert notes[0] == "Asked by phone."
    assert notes[1].startswith("Write to")
    assert "kim@example.org" not in notes[1]


def test_payram_is_asked_outside_of_transactions():
    """With ATOMIC_REQUESTS a crash between PayRam's answer and the commit would forget the payment."""
    for address in (REQUEST, f"{LIST}1/ask/", f"{LIST}1/mail/", f"{LIST}1/accept/"):
        assert resolve(address).func._non_atomic_requests == set(connections)


def test_a_kind_of_order_without_payments_can_be_asked_for(admin_client, payram, order):
    """An order's own page leads here."""
    PaymentFactory(order=order)
    wanted = UuidOrder.objects.create()
    address = f"{REQUEST}?order_model=shop.uuidorder&order_key={wanted.pk}"
    with registered(UuidOrder):
        assert '<option value="shop.uuidorder" selected>' in text(admin_client.get(address))
        admin_client.post(address, fields(order_model="shop.uuidorder", order_key=str(wanted.pk)))
    assert Payment.objects.for_order(wanted).exists()


def test_an_address_cannot_choose_the_key_of_the_form(admin_client):
    key = str(uuid.uuid4())
    assert key not in text(admin_client.get(f"{REQUEST}?key={key}"))


def test_a_rate_that_is_none_is_said_and_nothing_is_lost(admin_client, payram, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "RATES": f"{__name__}.no_rate"}}
    shown = text(admin_client.post(REQUEST, fields(currency="EUR", note="For the repair.")))
    assert "must return a Decimal above zero" in shown
    assert "For the repair." in shown


def no_rate(currency):
    return 0.9


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
        ({"purpose": "\u200b"}, "Only printable characters can stand here, and no white space at the ends."),
        ({"amount": "0"}, "greater than or equal to 0.01"),
        ({"amount": "much"}, "Enter a number."),
        ({"currency": "EUR"}, "A price in this currency needs exchange rates: the option RATES of the project."),
        ({"order_model": "shop.order"}, "Please say which order."),
        ({"order_key": "1"}, "Please say which kind of order."),
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


def test_what_is_wrong_is_said_in_the_readers_language():
    """F98."""
    with translation.override("de"):
        said = refusal(InvalidPaymentRequest("currency", "is EUR"))
        other = refusal(PayramUnavailable("PayRam is away."))
    assert "Wechselkurse" in said
    assert other.endswith(": PayRam is away.")
    assert not other.startswith("This")


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
    assert "The link was sent to kim@example.org." in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["kim@example.org"], "Your payment for R-7")
    assert payment.url in message.body
    assert f"/payram/payments/{payment.token}/" in message.body
    assert "20.50 USD" in message.body
    assert payment.events.get(outcome=Outcome.MAILED).actor == admin_user.get_username()


def test_one_page_sends_one_mail(admin_client, payment):
    """A second press on the same page sends nothing; on the page that comes next it is meant."""
    for number in (1, 2):
        page = text(admin_client.get(f"{LIST}{payment.pk}/change/"))
        (seen,) = re.findall(r'name="seen" value="(\d+)"', page)
        for said in (f"The link was sent to {payment.customer_email}.", "The link was sent just now."):
            assert said in text(admin_client.post(f"{LIST}{payment.pk}/mail/", {"seen": seen}, follow=True))
            assert len(mail.outbox) == number


@pytest.mark.parametrize("seen", ["x", "-1", "9" * 400, ""])
def test_a_page_that_does_not_say_what_it_showed_sends_the_mail(admin_client, payment, seen):
    admin_client.post(f"{LIST}{payment.pk}/mail/", {"seen": seen})
    admin_client.post(f"{LIST}{payment.pk}/mail/", {"seen": seen})
    assert len(mail.outbox) == 2


def test_the_mail_for_a_payment_in_part_asks_for_the_rest(admin_client, payram, payment):
    payram.pay(payment, "5")
    admin_client.post(f"{LIST}{payment.pk}/mail/")
    assert "5.00 USD has come. Please pay the rest, 15.50 USD, here:" in mail.outbox[0].body


def test_a_shop_may_write_the_mail(admin_client, payment, settings, tmp_path):
    """A subject of several lines is one line, and not an error."""
    (tmp_path / "django_payram").mkdir()
    for name, written in {
        "request_mail_subject": "Pay {{ payment.order_number }}\nnow\n",
        "request_mail": "{{ url }}",
    }.items():
        (tmp_path / f"django_payram/{name}.txt").write_text(written)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    admin_client.post(f"{LIST}{payment.pk}/mail/")
    (message,) = mail.outbox
    assert (message.subject, message.body) == ("Pay R-7 now", payment.url)


def test_what_cannot_be_mailed_is_said(admin_client, payment, settings):
    send_by(settings, "tests.mails.Broken")
    assert "no route to host" in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    Payment.objects.update(state=State.CANCELED)
    assert "cannot be sent" in text(admin_client.post(f"{LIST}{payment.pk}/mail/", follow=True))
    assert not payment.events.filter(outcome=Outcome.MAILED).exists()


# The command


def requested(*arguments):
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
    recorded = payment.events.filter(source=Source.SHOP).order_by("pk").values_list("outcome", flat=True)
    assert list(recorded) == [Outcome.REQUESTED, Outcome.MAILED]


def test_the_command_prints_the_link_although_the_mail_cannot_be_sent(payram, settings):
    send_by(settings, "tests.mails.Broken")
    out = StringIO()
    with pytest.raises(CommandError, match="the mail could not be sent: no route to host") as caught:
        call_command("payram_request", "--email", "kim@example.org", "--amount", "5", "--mail", stdout=out)
    assert caught.value.returncode == 1
    assert Payment.objects.get().url in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--amount", "0"], "--amount must be more than zero", 2),
        (["--expires-in", "0"], "--expires-in", 1),
        (["--site", "shop"], "--site: must be an address such as", 1),
        (["--note", "x" * 501], "--note must have at most 500 characters", 2),
        (["--note", "\udcff"], "--note must be a dict", 2),
        (["--customer-id", " "], "--customer-id must be a string", 2),
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
