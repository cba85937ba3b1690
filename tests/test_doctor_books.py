"""What the payments tell: work left lying, and whether news still come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_payram import doctor
from django_payram.doctor.books import left_lying
from django_payram.doctor.traffic import news
from django_payram.lifecycle import open_payment
from django_payram.models import Outcome, Payment, PaymentEvent, Source
from django_payram.states import Review, State
from django_payram.testing.factories import PaymentFactory
from tests.conftest import statements

pytestmark = pytest.mark.django_db

QUIET = {"pending": "ok", "creating": "ok", "unmatched": "ok", "unreadable": "ok", "review": "ok"}


def ago(**span):
    return timezone.now() - timedelta(**span)


def told(part, **options):
    return {finding.check: finding for finding in part(doctor.scope(**options))}


def levels(part, **options):
    return {check: str(finding.level) for check, finding in told(part, **options).items()}


def webhook(**facts):
    return PaymentEvent.objects.create(
        **{"project": "default", "source": Source.WEBHOOK, "outcome": Outcome.RECORDED, **facts}
    )


# Left lying


def test_tidy_books_are_fine():
    PaymentFactory()
    assert levels(left_lying) == QUIET


def test_a_receiver_that_failed_is_a_problem_until_it_succeeds(payram, order, listener):
    listener.fail_on.add("payment_paid")
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.pay(payment)
    assert levels(left_lying) == {**QUIET, "pending": "problem"}
    assert "The receivers of 1 payment failed, 0\xa0minutes ago" in told(left_lying)["pending"].message
    listener.fail_on.clear()
    payram.sandbox.redeliver(payment.reference)
    assert levels(left_lying) == QUIET


def test_the_age_of_pending_announcements_is_that_of_the_oldest():
    PaymentFactory(pending="payment_paid", updated_at=ago(hours=3))
    PaymentFactory(pending="payment_paid", updated_at=ago(days=2))
    assert "The receivers of 2 payments failed, 2\xa0days ago" in told(left_lying)["pending"].message


@pytest.mark.parametrize(("minutes", "level"), [(9, "ok"), (11, "warning")])
def test_an_attempt_without_an_answer_is_a_warning_after_ten_minutes(minutes, level):
    """F20."""
    PaymentFactory(state=State.CREATING, reference=None, next_check_at=None, created_at=ago(minutes=minutes))
    assert levels(left_lying)["creating"] == level


def test_payments_under_review_are_counted_by_reason():
    PaymentFactory(review=Review.AMOUNT)
    PaymentFactory(review=Review.LATE)
    PaymentFactory(review=Review.LATE)
    messages = [finding.message for finding in left_lying(doctor.scope()) if finding.check == "review"]
    assert messages == [
        "1 payment is held up for review: Amount differs. Accept or resolve it in the admin.",
        "2 payments are held up for review: Money after cancellation. Accept or resolve them in the admin.",
    ]


@pytest.mark.parametrize(("outcome", "check"), [(Outcome.UNMATCHED, "unmatched"), (Outcome.UNREADABLE, "unreadable")])
def test_webhooks_that_lead_nowhere_are_a_warning_for_a_week(outcome, check):
    webhook(outcome=outcome, created_at=ago(days=8))
    assert levels(left_lying) == QUIET
    webhook(outcome=outcome)
    assert levels(left_lying) == {**QUIET, check: "warning"}
    assert told(left_lying)[check].message.startswith("1 webhook of the last 7 days")


def test_a_webhook_that_found_its_payment_later_is_none_that_leads_nowhere():
    webhook(outcome=Outcome.UNMATCHED, payment=PaymentFactory())
    assert levels(left_lying) == QUIET


def test_payments_of_a_project_that_is_gone_are_a_problem():
    PaymentFactory(project="old")
    PaymentFactory(project="older", next_check_at=None)
    assert levels(left_lying) == {**QUIET, "missing-project": "problem"}
    assert told(left_lying)["missing-project"].project == "old"


def test_one_project_s_books_can_be_looked_at_alone(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    PaymentFactory(project="eu", pending="payment_paid")
    webhook(project="eu", outcome=Outcome.UNMATCHED)
    assert levels(left_lying, only="default") == QUIET
    assert levels(left_lying, only="eu") == {**QUIET, "pending": "problem", "unmatched": "warning"}


# News


def test_a_new_shop_has_no_news():
    assert told(news)["webhooks"].message == "No webhook has brought news yet."
    assert told(news)["resync"].message == "There was no payment to ask PayRam about yet."


def test_the_age_of_the_last_webhook_is_told():
    """F17."""
    webhook(created_at=ago(days=3))
    webhook(created_at=ago(hours=2))
    webhook(source=Source.RESYNC)
    webhook(project="another")
    assert told(news)["webhooks"].message == "The last webhook with news came 2\xa0hours ago."


def test_a_shop_whose_webhooks_arrive_is_fine(payram, order):
    payram.pay(open_payment(order, amount=order.total, email=order.email))
    assert levels(news) == {"webhooks": "ok", "resync": "ok"}


def test_payments_settled_only_by_polling_are_a_warning():
    """F17, D9."""
    PaymentFactory(paid=True)
    webhook(outcome=Outcome.UNMATCHED)
    PaymentFactory(paid=True, created_at=ago(days=8))
    assert levels(news)["webhooks"] == "warning"
    assert told(news)["webhooks"].message.startswith("1 payment of the last 7 days was paid, and no webhook told")


def test_one_payment_told_by_webhook_is_enough():
    PaymentFactory(paid=True)
    webhook(payment=PaymentFactory(paid=True))
    assert levels(news)["webhooks"] == "ok"


@pytest.mark.parametrize(("minutes", "level"), [(14, "ok"), (16, "problem")])
def test_a_payment_overdue_for_a_quarter_of_an_hour_means_that_resync_does_not_run(minutes, level):
    PaymentFactory(next_check_at=ago(minutes=minutes))
    assert levels(news)["resync"] == level


def test_the_age_of_the_last_resync_is_told():
    PaymentFactory(checked_at=ago(hours=5))
    PaymentFactory(checked_at=ago(hours=1))
    PaymentFactory(checked_at=ago(minutes=1), project="another")
    assert told(news)["resync"].message.endswith("last asked about one 1\xa0hour ago.")


def test_news_are_told_project_by_project(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    PaymentFactory(project="eu", next_check_at=ago(hours=1))
    late = [finding.project for finding in news(doctor.scope()) if finding.level == doctor.Level.PROBLEM]
    assert late == ["eu"]


# The database itself


def test_the_number_of_queries_does_not_depend_on_the_number_of_payments():
    """D6."""
    PaymentFactory()
    counts = []
    for _round in range(2):
        with statements() as heard:
            told(left_lying), told(news)
        counts.append(len(heard))
        PaymentFactory.create_batch(20, pending="payment_paid", paid=True)
    assert abs(counts[1] - counts[0]) <= 1


@pytest.fixture
def without_tables(monkeypatch):
    monkeypatch.setattr(Payment._meta, "db_table", "no_such_table")
    monkeypatch.setattr(PaymentEvent._meta, "db_table", "no_such_table_either")


def test_a_database_without_tables_is_one_problem(without_tables):
    assert levels(left_lying) == {"database": "problem"}
    assert "manage.py migrate" in told(left_lying)["database"].message
    assert levels(news) == {}
