"""The mail with the link to the page that shows what became of a payment."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from django.utils import translation

from django_payram.payments import mail_status_link
from django_payram.testing.factories import PaymentFactory
from tests.mails import LOCMEM, Broken, send_by

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop(settings):
    options = {"SHOP_NAME": "Copper & Kettle", "SHOP_URL": "https://shop.example.com", "CONTACT": "help@example.com"}
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], **options}}
    send_by(settings, LOCMEM)


@pytest.mark.parametrize(
    ("fields", "subject", "sentence"),
    [
        (
            {"paid": True, "order_number": "CK & 7"},
            "The payment of your order CK & 7",
            "Your payment of 49.99 USD has arrived. Thank you! This page is your receipt:",
        ),
        ({"order_number": ""}, "Your payment", "This page shows what became of your payment of 49.99 USD:"),
    ],
)
def test_it_has_the_address_and_who_to_ask(fields, subject, sentence):
    payment = PaymentFactory(**fields)
    mail_status_link(payment)
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([payment.customer_email], subject)
    address = "https://shop.example.com" + reverse("payram:status", args=[payment.token])
    for text in (sentence, address, "Questions? help@example.com", "Copper & Kettle"):
        assert f"{text}\n" in sent.body


def test_an_address_of_the_callers_is_taken(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHOP_URL": ""}}
    mail_status_link(PaymentFactory(), status_url="https://other.example/p/1/")
    assert "https://other.example/p/1/" in mail.outbox[0].body


def test_what_is_missing_is_named(settings):
    with pytest.raises(ValueError, match="no e-mail address"):
        mail_status_link(PaymentFactory(customer_email=""))
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHOP_URL": ""}}
    with pytest.raises(ImproperlyConfigured, match=r"PAYRAM\['default'\] needs SHOP_URL"):
        mail_status_link(PaymentFactory())
    assert not mail.outbox


def test_a_number_with_line_ends_adds_no_header():
    mail_status_link(PaymentFactory(order_number="7\nBcc: all@example.org"))
    assert mail.outbox[0].subject == "The payment of your order 7 Bcc: all@example.org"
    assert mail.outbox[0].bcc == []


def test_a_mail_server_that_fails_is_the_callers_to_deal_with(settings):
    send_by(settings, f"{Broken.__module__}.Broken")
    with pytest.raises(OSError, match="no route"):
        mail_status_link(PaymentFactory())


def test_it_is_written_in_the_active_language():
    with translation.override("de"):
        mail_status_link(PaymentFactory(order_number=""))
    assert "49,99" in mail.outbox[0].body
