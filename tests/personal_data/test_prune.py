"""Forgetting old events and old e-mail addresses, by the command as an operator types it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_payram.models import Outcome, Payment, PaymentEvent, Review, State, content_type
from django_payram.personal_data import export, prune
from django_payram.personal_data.erase import blank
from django_payram.testing.factories import PaymentFactory
from tests.personal_data.helpers import BUYER, days_ago, event, kept_webhook, run, settled, sums
from tests.shop.models import SlugOrder

pytestmark = pytest.mark.django_db


# Events


def test_events_older_than_a_year_are_deleted(monkeypatch):
    monkeypatch.setattr(prune, "BATCH", 2)
    for _ in range(5):
        event(366)
    kept = event(364)
    assert run("--dry-run") == (0, "Would delete 5 events and take e-mail addresses out of 0 payments and 0 events.\n")
    assert PaymentEvent.objects.count() == 6
    assert run() == (0, "Deleted 5 events and took e-mail addresses out of 0 payments and 0 events.\n")
    assert PaymentEvent.objects.get() == kept
    assert sums("--events-older-than", "30")["events_deleted"] == 1


def test_old_events_between_young_ones_are_deleted(monkeypatch):
    monkeypatch.setattr(prune, "BATCH", 2)
    kept = {event(days).pk for days in (0, 400, 1, 400, 400, 2, 400, 3) if days < 365 or event(days).delete()}
    assert sums()["events_deleted"] == 4
    assert kept >= set(PaymentEvent.objects.values_list("pk", flat=True))


# E-mail addresses


def test_settled_payments_without_news_lose_their_address():
    old, watched, recent = settled(100), PaymentFactory(updated_at=days_ago(100)), settled(80)
    assert sums("--scrub-emails-older-than", "90")["emails_blanked"] == 1
    emails = [Payment.objects.get(pk=payment.pk).customer_email for payment in (old, watched, recent)]
    assert emails == ["", BUYER, BUYER]


def test_a_customer_id_that_is_an_address_goes_and_others_stay():
    slug = SlugOrder.objects.create(pk="a@b")
    of_order = {"order_type": content_type(slug), "order_id": "a@b"}
    address, number = settled(customer_id=BUYER), settled(customer_id="user-7")
    default = settled(customer_id="shop.slugorder-a@b-0123456789ab", **of_order)
    run("--scrub-emails-older-than", "90")
    ids = [Payment.objects.get(pk=payment.pk).customer_id for payment in (address, number, default)]
    assert ids == ["", "user-7", "shop.slugorder-a@b-0123456789ab"]


def test_old_kept_webhooks_lose_a_customer_id_that_is_an_address():
    old, number, young = kept_webhook(BUYER, 100), kept_webhook("user-7", 100), kept_webhook(BUYER, 80)
    assert sums("--scrub-emails-older-than", "90")["events_scrubbed"] == 1
    assert [PaymentEvent.objects.get(pk=row.pk).customer_id for row in (old, number, young)] == ["", "user-7", BUYER]


def test_addresses_are_kept_unless_asked():
    settled(1000), kept_webhook(BUYER, 100)
    assert sums() == {"dry_run": False, "events_deleted": 0, "emails_blanked": 0, "events_scrubbed": 0}


def test_done_again_nothing_is_left_to_do(monkeypatch):
    monkeypatch.setattr(prune, "BATCH", 2)
    for number in range(5):
        settled(100 + number), kept_webhook(BUYER, 100)
    assert sums("--scrub-emails-older-than", "90")["emails_blanked"] == 5
    again = sums("--scrub-emails-older-than", "90")
    assert (again["emails_blanked"], again["events_scrubbed"]) == (0, 0)


def test_a_dry_run_says_what_the_run_then_does():
    settled(100), kept_webhook(BUYER, 400), kept_webhook(BUYER, 100)
    before = list(PaymentEvent.objects.values()), list(Payment.objects.values())
    foretold = sums("--dry-run", "--scrub-emails-older-than", "90")
    assert (list(PaymentEvent.objects.values()), list(Payment.objects.values())) == before
    assert foretold == {"dry_run": True, "events_deleted": 1, "emails_blanked": 1, "events_scrubbed": 1}
    assert sums("--scrub-emails-older-than", "90") == {**foretold, "dry_run": False}


def test_a_payment_that_had_news_meanwhile_is_written_as_it_is_now():
    """The row is read again under its lock: what was recorded of it since is not undone."""
    payment = settled(100)
    batch = list(Payment.objects.all())
    Payment.objects.update(undelivered=["payment_paid"], customer_email="new@example.org")
    blank(batch, addresses_only=True)
    payment.refresh_from_db()
    assert (payment.undelivered, payment.customer_email) == (["payment_paid"], "")


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--events-older-than", "0"], "above 0"),
        (["--events-older-than", "36501"], "at most 36500"),
        (["--scrub-emails-older-than", "x"], "above 0"),
        (["--export"], "--export needs --customer"),
        (["--erase"], "--erase needs --customer"),
        (["--metadata"], "--metadata needs --customer"),
        (["--project", "default"], "--project needs --customer"),
        (["--customer", "a@example.org"], "--customer needs --export or --erase"),
        (["--customer", "a@example.org", "--export", "--erase"], "not allowed with"),
        (
            ["--customer", "a@example.org", "--erase", "--events-older-than", "3"],
            "--events-older-than do not go together",
        ),
        (["--customer", "a@example.org", "--export", "--dry-run"], "--export changes nothing"),
        (["--customer", "a@example.org", "--export", "--metadata"], "--export changes nothing"),
        (["--customer", " ", "--export"], "must be an e-mail address or a customer id"),
        (["--customer", "a" * 256, "--export"], "must be an e-mail address or a customer id"),
        (["--customer", "a", "--export", "--project", "nowhere"], "no project 'nowhere'. It has: default"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(arguments, words):
    with pytest.raises(CommandError, match=words) as caught:
        run(*arguments)
    assert caught.value.returncode in (1, 2)


# Money and states


PERSONAL = {"customer_email", "customer_id", "metadata"}
TEXTS = st.sampled_from(["", "The order is gone.", "[e-mail] called"])
AGES = st.integers(0, 500).map(days_ago)
PAYMENTS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(State),
        "review": st.sampled_from(["", *Review]),
        "amount_usd": st.decimals("0.01", "9999.99", places=2),
        "filled_usd": st.none() | st.decimals("0", "9999", places=8),
        "topped_up_usd": st.decimals("0", "9999", places=8),
        "confirmations": st.none() | st.integers(0, 9),
        "paid_at": st.none() | AGES,
        "closed_at": st.none() | AGES,
        "updated_at": AGES,
        "next_check_at": st.none() | AGES,
        "undelivered": st.sampled_from([[], ["payment_paid"]]),
        "customer_id": st.sampled_from(["user-7", "buyer@example.org", "shop.order-5"]),
        "customer_email": st.sampled_from(["", "buyer@example.org", "Buyer@Example.org", "other@example.org"]),
        "announce_error": TEXTS,
        "metadata": st.sampled_from([{}, {"phone": "123"}]),
    }
)
EVENTS = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(Outcome),
        "state_before": st.sampled_from(["", *State]),
        "state_after": st.sampled_from(["", *State]),
        "payload": st.sampled_from([None, {"status": "FILLED"}, "not JSON"]),
        "customer_id": st.sampled_from(["", "user-7", "buyer@example.org"]),
        "error": TEXTS,
        "note": TEXTS,
        "actor": st.sampled_from(["", "staff@example.org"]),
        "created_at": AGES,
        "of_payment": st.booleans(),
    }
)
RUNS = st.sampled_from(
    [
        ["--scrub-emails-older-than", "30"],
        ["--events-older-than", "30", "--scrub-emails-older-than", "1"],
        ["--customer", "buyer@example.org", "--erase"],
        ["--customer", "user-7", "--erase", "--metadata"],
        ["--customer", "buyer@example.org", "--export"],
    ]
)


def kept():
    """Return every column that is not personal of every row, by primary key."""
    return [
        {
            row["id"]: {name: value for name, value in row.items() if name not in PERSONAL}
            for row in model.objects.values()
        }
        for model in (Payment, PaymentEvent)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(payments=st.lists(PAYMENTS, max_size=4), events=st.lists(EVENTS, max_size=4), runs=st.lists(RUNS, max_size=3))
def test_money_states_and_times_are_never_touched(payments, events, runs):
    """Neither pruning nor erasing changes a column that is not personal, and only events are ever deleted."""
    PaymentEvent.objects.all().delete()
    Payment.objects.all().delete()
    rows = [PaymentFactory(**fields) for fields in payments]
    for fields in events:
        of_payment = fields.pop("of_payment") and bool(rows)
        event(**fields, payment=rows[0] if of_payment else None)
    payments_before, events_before = kept()
    for arguments in runs:
        run(*arguments)
    payments_after, events_after = kept()
    assert payments_after == payments_before
    assert events_after.items() <= events_before.items()


def test_everything_that_is_stored_of_a_payment_is_exported_but_what_only_this_app_needs():
    columns = {field.attname for field in Payment._meta.concrete_fields}
    assert columns - {*export.PAYMENT_FIELDS, "order_type_id", "parent_id"} == {
        *("id", "live_slot", "reviews_raised", "review_settled", "amount_disputed", "paid_second", "unknown_words"),
        *("order_gone", "checks", "denials"),
        *("undelivered", "delivery_attempts", "next_delivery_at", "notified_state"),
    }
    columns = {field.attname for field in PaymentEvent._meta.concrete_fields}
    assert columns - {*export.EVENT_FIELDS, "payment_id"} == {"id", "actor", "retries", "next_retry_at"}
