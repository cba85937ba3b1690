"""What waits in the database, and whether webhooks arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from django_payram import doctor
from django_payram.doctor.backlog import check_backlog
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.models.states import Review, State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests.conftest import statements
from tests.doctor.serving import levels, messages

pytestmark = pytest.mark.django_db

WAITING = ("undelivered", "unscheduled", "creating", "unmatched", "unreadable", "order-model", "review")


def ago(**span):
    return timezone.now() - timedelta(**span)


def found(**options):
    return list(check_backlog(doctor.Scope(**options)))


def amiss(**options):
    """Return what is not as it should be."""
    return {check: level for check, level in levels(found(**options)).items() if level != "ok"}


def message(check):
    """Return the sentence of a check, with plain spaces."""
    return messages(found())[check].replace("\xa0", " ")


def webhook(**facts):
    return PaymentEvent.objects.create(
        **{"project": "default", "source": Source.WEBHOOK, "outcome": Outcome.RECORDED, **facts}
    )


# What waits


def test_every_check_says_when_nothing_waits():
    PaymentFactory()
    assert levels(found()) == dict.fromkeys((*WAITING, "resync", "webhooks"), "ok")
    assert message("undelivered") == "Payments with undelivered signals: none."


def test_a_receiver_that_failed_is_a_problem_until_it_succeeds(payram, order, listener):
    listener.fail_on.add("payment_paid")
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference)
    payram.sandbox.deliver_due()
    payment.refresh_from_db()
    assert amiss() == {"undelivered": "problem"}
    assert message("undelivered").startswith("Payments with undelivered signals: 1, for 0 minutes at the longest.")
    listener.fail_on.clear()
    payram.sandbox.redeliver(payment.reference)
    assert amiss() == {}


def test_the_age_of_undelivered_signals_is_that_of_the_oldest():
    PaymentFactory(undelivered=["payment_paid"], next_delivery_at=timezone.now(), updated_at=ago(hours=3))
    PaymentFactory(undelivered=["payment_paid"], next_delivery_at=timezone.now(), updated_at=ago(days=2))
    assert "undelivered signals: 2, for 2 days at the longest" in message("undelivered")


@pytest.mark.parametrize(("minutes", "expected"), [(9, {}), (11, {"creating": "warning"})])
def test_an_attempt_without_an_answer_is_a_warning_after_ten_minutes(minutes, expected):
    """F20."""
    PaymentFactory(state=State.CREATING, reference=None, next_check_at=None, created_at=ago(minutes=minutes))
    assert amiss() == expected
    assert not expected or "without PayRam's answer: 1, for 11 minutes at the longest" in message("creating")


@pytest.mark.parametrize("state", [State.OPEN, State.PARTIALLY_FILLED])
def test_an_open_payment_off_the_schedule_is_a_problem(state):
    """F68."""
    PaymentFactory(state=state, created_at=ago(hours=3))
    assert amiss() == {}
    PaymentFactory(state=state, next_check_at=None, created_at=ago(hours=2))
    assert amiss() == {"unscheduled": "problem"}
    assert "off the schedule: 1, for 2 hours at the longest" in message("unscheduled")


def test_a_payment_that_is_done_may_leave_the_schedule():
    """F68."""
    PaymentFactory(paid=True, next_check_at=None)
    PaymentFactory(state=State.CANCELED, closed_at=ago(days=1), next_check_at=None)
    PaymentFactory(state=State.FAILED, reference=None, next_check_at=None)
    assert "unscheduled" not in amiss()


def test_payments_of_a_model_that_is_gone_are_named_with_what_to_do(order):
    """F61: a renamed app."""
    types = ContentType.objects.using(database())
    renamed = types.create(app_label="oldshop", model="order")
    types.create(app_label="neverpaid", model="basket")
    PaymentFactory(order=order)
    assert amiss() == {}
    PaymentFactory(order_type=renamed, order_id="1", created_at=ago(days=2))
    PaymentFactory(order_type=renamed, order_id="2", created_at=ago(days=1))
    assert amiss() == {"order-model": "warning"}
    assert message("order-model") == (
        "Payments of orders whose model is gone (oldshop.order): 2, for 2 days at the longest. "
        "If an app or a model was renamed, rename its old content type; a new one of that name must go first."
    )


def test_following_the_advice_for_a_renamed_app_gives_payments_their_order_back(order):
    """F61: a renamed app."""
    payment = PaymentFactory(order=order)
    types = ContentType.objects.using(database())
    kind = types.get(pk=payment.order_type_id)
    types.filter(pk=kind.pk).update(app_label="oldshop")
    assert amiss() == {"order-model": "warning"}
    types.filter(pk=kind.pk).update(app_label=kind.app_label)
    ContentType.objects.clear_cache()
    assert amiss() == {}
    assert Payment.objects.get().order == order


def test_payments_under_review_are_counted_by_reason():
    PaymentFactory(review=Review.AMOUNT, updated_at=ago(hours=2))
    PaymentFactory(review=Review.LATE, updated_at=ago(days=2))
    PaymentFactory(review=Review.LATE, updated_at=ago(days=3))
    reviews = [finding for finding in found() if finding.check == "review"]
    assert [(str(finding.level), finding.message.replace("\xa0", " ")) for finding in reviews] == [
        ("warning", "Amount differs: 1, for 2 hours at the longest. Accept or resolve them in the admin."),
        ("warning", "Money after cancellation: 2, for 3 days at the longest. Accept or resolve them in the admin."),
    ]


@pytest.mark.parametrize(("outcome", "check"), [(Outcome.UNMATCHED, "unmatched"), (Outcome.UNREADABLE, "unreadable")])
def test_webhooks_without_a_payment_are_a_warning_for_a_week(outcome, check):
    webhook(outcome=outcome, created_at=ago(days=8))
    assert amiss() == {}
    webhook(outcome=outcome, created_at=ago(days=6))
    webhook(outcome=outcome)
    assert amiss() == {check: "warning"}
    assert ": 2, for 6 days at the longest." in message(check)


def test_a_webhook_that_was_matched_later_is_no_warning():
    webhook(outcome=Outcome.UNMATCHED, payment=PaymentFactory())
    assert amiss() == {}


def test_payments_of_a_project_that_is_gone_are_a_problem():
    PaymentFactory(project="old")
    PaymentFactory(project="old")
    PaymentFactory(project="older", paid=True, next_check_at=None)
    assert amiss() == {"missing-project": "problem"}
    (missing,) = [finding for finding in found() if finding.check == "missing-project"]
    assert missing.project == "old"
    assert "not in PAYRAM: 2, for" in missing.message


def test_one_project_can_be_looked_at_alone(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    PaymentFactory(
        project="eu", undelivered=["payment_paid"], next_delivery_at=timezone.now(), next_check_at=ago(hours=1)
    )
    webhook(project="eu", outcome=Outcome.UNMATCHED)
    PaymentFactory(project="old")
    assert amiss(project="default") == {}
    assert amiss(project="eu") == {"undelivered": "problem", "unmatched": "warning", "resync": "problem"}


# Webhooks and polling


def test_a_new_shop_has_no_webhook_and_nothing_overdue():
    assert message("webhooks") == "No webhook has brought news yet."
    assert message("resync") == "Payments overdue for more than 15 minutes: none."


def test_the_age_of_the_last_webhook_is_shown():
    """F17."""
    webhook(created_at=ago(days=3))
    webhook(created_at=ago(hours=2))
    webhook(source=Source.RESYNC)
    webhook(project="another")
    assert message("webhooks") == "The last webhook with news came 2 hours ago."


def test_a_shop_whose_webhooks_arrive_is_fine(payram, order):
    payram.pay(open_payment(order, amount=order.total, email=order.email))
    assert amiss() == {}
    assert message("webhooks") == "The last webhook with news came 0 minutes ago."


def test_payments_settled_only_by_polling_are_a_warning():
    """F17, D9."""
    PaymentFactory(paid=True)
    webhook(outcome=Outcome.UNMATCHED, created_at=ago(days=8))
    PaymentFactory(paid=True, created_at=ago(days=8))
    assert amiss() == {"webhooks": "warning"}
    assert message("webhooks").startswith("Payments settle only by polling: 1 in 7 days.")


def test_one_payment_settled_by_webhook_is_enough():
    PaymentFactory(paid=True)
    webhook(payment=PaymentFactory(paid=True))
    assert amiss() == {}


@pytest.mark.parametrize(("minutes", "expected"), [(14, {}), (16, {"resync": "problem"})])
def test_a_payment_overdue_for_a_quarter_of_an_hour_means_that_resync_does_not_run(minutes, expected):
    PaymentFactory(next_check_at=ago(minutes=minutes))
    assert amiss() == expected
    assert not expected or "overdue for more than 15 minutes: 1, for 16 minutes at the longest" in message("resync")


def test_webhooks_and_polling_are_examined_project_by_project(settings):
    settings.PAYRAM = {**settings.PAYRAM, "eu": {**settings.PAYRAM["default"], "API_KEY": "the-key-of-the-eu-shop"}}
    PaymentFactory(project="eu", paid=True, next_check_at=ago(hours=1))
    late = [(finding.check, finding.project) for finding in found() if finding.level != doctor.Level.OK]
    assert late == [("resync", "eu"), ("webhooks", "eu")]


# The database itself


def test_the_number_of_queries_does_not_depend_on_the_number_of_payments():
    """D6."""
    PaymentFactory(review=Review.LATE)
    counts = []
    for _round in range(2):
        with statements() as executed:
            found()
        counts.append(len(executed))
        PaymentFactory.create_batch(
            20, undelivered=["payment_paid"], next_delivery_at=timezone.now(), paid=True, review=Review.LATE
        )
    assert abs(counts[1] - counts[0]) <= 1


@pytest.fixture
def _without_tables(monkeypatch):
    monkeypatch.setattr(Payment._meta, "db_table", "no_such_table")
    monkeypatch.setattr(PaymentEvent._meta, "db_table", "no_such_table_either")


@pytest.mark.usefixtures("_without_tables")
def test_a_database_without_tables_is_one_problem():
    assert levels(found()) == {"database": "problem"}
    assert "manage.py migrate" in message("database")
