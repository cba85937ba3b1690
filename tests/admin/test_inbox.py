"""The page of all payments that wait for a person."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from django_payram.admin.words import ADVICE, REASONS, SENTENCES
from django_payram.models import Outcome, Payment, Review, State, Status
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import clerk, text
from tests.conftest import statements

pytestmark = pytest.mark.django_db

INBOX = "/admin/django_payram/payment/inbox/"
INDEX = "/admin/django_payram/"


def waiting(review, **facts):
    return PaymentFactory(review=review, reviews_raised=[review], **facts)


def held():
    return waiting(Review.AMOUNT, state=State.FILLED, filled_usd=40)


def test_the_weightiest_stand_first_and_the_oldest_of_one_reason(admin_client):
    rows = [waiting(review) for review in reversed(Review)]
    older = waiting(Review.LATE, updated_at=timezone.now() - timezone.timedelta(days=1))
    PaymentFactory()
    shown = admin_client.get(INBOX).context["rows"]
    expected = [*reversed(rows)]
    expected.insert(expected.index(next(row for row in rows if row.review == Review.LATE)), older)
    assert [payment for payment, _advice in shown] == expected


@pytest.mark.parametrize("review", Review)
def test_each_reason_says_what_to_do(admin_client, review):
    waiting(review)
    assert escape(str(ADVICE[review])) in text(admin_client.get(INBOX))


def test_every_status_and_reason_has_its_words():
    assert set(SENTENCES) == set(Status)
    assert set(ADVICE) == set(REASONS) == set(Review)


def test_an_empty_inbox_says_so(admin_client):
    PaymentFactory()
    assert "Nothing waits for you." in text(admin_client.get(INBOX))


def test_chosen_payments_are_resolved_with_one_reason(admin_client, admin_user):
    late, partial, other = waiting(Review.LATE), waiting(Review.PARTIAL), waiting(Review.LATE)
    answer = admin_client.post(INBOX, {"payment": [late.pk, partial.pk], "reason": "Seen."}, follow=True)
    assert "2 reviews are resolved." in text(answer)
    assert list(Payment.objects.needing_review()) == [other]
    for payment in (late, partial):
        event = payment.events.get(outcome=Outcome.RESOLVED)
        assert (event.note, event.actor) == ("Seen.", admin_user.get_username())
        assert LogEntry.objects.filter(object_id=str(payment.pk), user=admin_user).count() == 1


def test_what_is_held_cannot_be_chosen_and_is_not_resolved(admin_client):
    payment = held()
    assert 'type="checkbox" name="payment"' not in text(admin_client.get(INBOX))
    answer = text(admin_client.post(INBOX, {"payment": payment.pk, "reason": "Seen."}, follow=True))
    assert "they have to be decided one by one" in answer
    assert str(payment) in answer
    assert Payment.objects.needing_review().exists()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"reason": "Seen."}, "Nothing was chosen."),
        ({"payment": "x", "reason": "Seen."}, "Nothing was chosen."),
        ({"payment": "1", "reason": " "}, "Please give a reason"),
    ],
)
def test_a_form_that_is_not_filled_in_is_said_and_resolves_nothing(admin_client, answers, said):
    waiting(Review.LATE)
    assert said in text(admin_client.post(INBOX, answers, follow=True))
    assert Payment.objects.needing_review().exists()


def test_a_clerk_may_look_and_only_with_permission_resolve(django_user_model):
    waiting(Review.LATE)
    client = clerk(django_user_model, "view_payment")
    shown = text(client.get(INBOX))
    assert "Money after cancellation" in shown
    assert "<textarea" not in shown
    assert client.post(INBOX, {"payment": "1", "reason": "Seen."}).status_code == 403
    django_user_model.objects.all().delete()
    assert clerk(django_user_model).get(INBOX).status_code == 403
    assert Client().get(INBOX).status_code == 302


def test_the_index_of_the_app_and_the_list_tell_how_many_wait(admin_client):
    assert "No payments need you" in text(admin_client.get(INDEX))
    waiting(Review.LATE)
    assert "1 payment needs you" in text(admin_client.get(INDEX))
    waiting(Review.LATE)
    for page in (INDEX, "/admin/django_payram/payment/"):
        assert "2 payments need you" in text(admin_client.get(page))
        assert INBOX in text(admin_client.get(page))


def test_the_inbox_costs_the_same_whatever_the_number_of_payments(admin_client):
    text(admin_client.get(INBOX))
    counts = []
    for _ in range(2):
        for _ in range(10):
            waiting(Review.LATE)
        with statements() as captured:
            text(admin_client.get(INBOX))
        counts.append(len([one for one in captured if one.startswith("SELECT")]))
    assert counts[0] == counts[1]


def test_the_inbox_says_how_long_ago(admin_client):
    waiting(Review.LATE, updated_at=timezone.now() - timezone.timedelta(hours=2))
    assert "<span>2\xa0hours ago</span>" in text(admin_client.get(INBOX))


def test_a_long_inbox_has_pages(admin_client):
    for _ in range(51):
        waiting(Review.LATE)
    assert "Page 1 of 2" in text(admin_client.get(INBOX))
    assert len(admin_client.get(f"{INBOX}?p=2").context["rows"]) == 1
