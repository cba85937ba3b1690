"""The mail to the managers: one an hour at most, nothing forgotten, nobody's data in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import timezone as zones

import pytest
import time_machine
from django.core import mail
from django.test import TestCase
from django.utils import timezone

from django_payram.models import Payment, Review, ReviewMail, State, database
from django_payram.polling.worker import notify_undelivered
from django_payram.receivers import mail_managers, send_due_mail
from django_payram.signals import payment_needs_review
from django_payram.testing.factories import PaymentFactory
from tests.mails import LOCMEM, MANAGERS, send_by
from tests.payments.helpers import receive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _managers(settings):
    settings.MANAGERS = MANAGERS


@pytest.fixture
def _connected():
    payment_needs_review.connect(mail_managers)
    yield
    payment_needs_review.disconnect(mail_managers)


def too_little():
    """Have a payment held: less than the tolerance allows has come."""
    payment = PaymentFactory(customer_email="kim@example.org", deposit_address="0xaddress", order_number="CK-1")
    with TestCase.captureOnCommitCallbacks(using=database(), execute=True):
        receive(payment, State.FILLED, "20")
    return payment


def later(**passed):
    """Let time pass since the last mail."""
    ReviewMail.objects.update(sent_at=timezone.now() - timedelta(**passed))


@pytest.mark.usefixtures("_connected")
def test_the_managers_are_told_how_many_payments_wait_for_what():
    payment = too_little()
    (message,) = mail.outbox
    assert message.to == ["manager@example.org"]
    assert "1 payment needs you" in message.subject
    assert "1  Amount differs" in message.body
    for private in (payment.customer_email, payment.deposit_address, payment.customer_id, payment.reference):
        assert private not in message.body + message.subject


@pytest.mark.usefixtures("_connected")
def test_what_comes_within_the_hour_stands_in_the_next_mail_which_polling_sends():
    too_little()
    too_little()
    list(notify_undelivered())
    assert len(mail.outbox) == 1
    later(minutes=61)
    PaymentFactory(review=Review.LATE)
    list(notify_undelivered())
    assert len(mail.outbox) == 2
    assert "3 payments need you" in mail.outbox[1].subject
    assert mail.outbox[1].body.index("2  Amount differs") < mail.outbox[1].body.index("1  Money after cancellation")


@pytest.mark.usefixtures("_connected")
def test_a_review_that_commits_after_a_mail_of_another_process_stands_in_the_next_one():
    """Its event was made before that mail was sent, and could be seen by nobody."""
    too_little()
    receive(PaymentFactory(), State.FILLED, "20")
    ReviewMail.objects.update(sent_at=timezone.now())
    with time_machine.travel(datetime.now(tz=zones.utc) + timedelta(hours=2)):
        assert send_due_mail()
        assert not send_due_mail()
    assert "2 payments need you" in mail.outbox[1].subject


@pytest.mark.usefixtures("_connected")
def test_nothing_new_is_no_mail():
    too_little()
    with time_machine.travel(datetime.now(tz=zones.utc) + timedelta(hours=2)):
        assert not send_due_mail()
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("_connected")
def test_what_was_settled_meanwhile_is_no_mail():
    too_little()
    too_little()
    later(hours=2)
    Payment.objects.update(review="")
    assert not send_due_mail()


@pytest.mark.usefixtures("_connected")
def test_a_clock_that_was_ahead_stops_no_mail():
    too_little()
    ReviewMail.objects.update(sent_at=timezone.now() + timedelta(days=400))
    too_little()
    assert len(mail.outbox) == 2


@pytest.mark.usefixtures("_connected")
def test_a_mail_server_that_fails_is_logged_and_tried_again(settings, caplog):
    send_by(settings, "tests.mails.Broken")
    payment = too_little()
    assert "The managers could not be mailed." in caplog.text
    payment.refresh_from_db()
    assert payment.undelivered == []
    send_by(settings, LOCMEM)
    assert send_due_mail()
    assert len(mail.outbox) == 1


def test_a_shop_that_does_not_connect_it_gets_no_mail():
    too_little()
    assert not send_due_mail()
    assert (mail.outbox, ReviewMail.objects.count()) == ([], 0)
