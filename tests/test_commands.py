"""The commands, as an operator types them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_payram.lifecycle import open_payment
from django_payram.models import Payment, PaymentEvent
from django_payram.states import State
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def run(command, *args):
    """Return the exit code and the lines a command prints."""
    out = StringIO()
    try:
        call_command(command, *args, stdout=out, stderr=out)
    except SystemExit as exc:
        return exc.code, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def resync(*args):
    return run("payram_resync", *args)


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    opened = open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    return opened


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


# payram_resync


def test_resync_tells_what_changed(payram, payment):
    payram.pay(payment)
    assert resync() == (
        0,
        [
            f"{payment.reference}: OPEN -> FILLED",
            "Asked about 1: 1 with news, 0 without an answer. Receivers told of 0 pending, 0 failed.",
        ],
    )
    assert resync() == (0, ["Asked about 0: 0 with news, 0 without an answer. Receivers told of 0 pending, 0 failed."])


def test_resync_speaks_json(payram, payment):
    payram.pay(payment)
    code, lines = resync("--json")
    first, last = (json.loads(line) for line in lines)
    assert code == 0
    assert first == {
        "reference": payment.reference,
        "state_before": "OPEN",
        "state": "FILLED",
        "news": True,
        "announced": True,
        "error": None,
    }
    assert last == {"asked": 1, "news": 1, "failed": 0, "announced": 0, "receivers_failed": 0, "stopped": ""}


def test_resync_leaves_with_1_when_payram_cannot_be_asked(payram, payment):
    payram.sandbox.misbehave(None, "broken")
    code, lines = resync()
    assert code == 1
    assert lines[0].startswith(f"{payment.reference}: PayRam at 127.0.0.1 refused the call with status 500")
    Payment.objects.update(next_check_at=timezone.now())
    code, lines = resync("--json")
    assert code == 1
    assert "status 500" in json.loads(lines[0])["error"]


def test_resync_says_why_it_stopped(payram, payment):
    for number in range(12):
        open_payment(amount=number + 1, email="a@example.org")
    payram.sandbox.misbehave(None, "broken")
    code, lines = resync("--all")
    assert code == 1
    assert any("Stopped early. PayRam gave no answer 10 times in a row." in line for line in lines)


def test_resync_leaves_with_3_when_a_receiver_fails_and_tells_it_again(payram, payment, listener):
    listener.fail_on = {"payment_paid"}
    payram.pay(payment)
    code, lines = resync()
    assert code == 3
    assert f"{payment.reference}: a receiver failed and will be told again." in lines
    code, lines = resync()
    assert code == 3
    listener.fail_on = set()
    code, lines = resync()
    assert (code, lines[0]) == (0, f"{payment.reference}: receivers told.")


def test_a_dry_run_lists_and_changes_nothing(payram, payment):
    payram.pay(payment)
    code, lines = resync("--dry-run")
    assert code == 0
    assert lines[0].startswith(f"{payment.reference}: OPEN, due 20")
    code, lines = resync("--dry-run", "--json")
    assert json.loads(lines[0])["state"] == "OPEN"
    assert asked(payram) == 0
    payment.refresh_from_db()
    assert payment.state == State.OPEN


def test_a_dry_run_says_never_for_what_is_not_scheduled(payment):
    Payment.objects.update(next_check_at=None)
    _code, lines = resync("--dry-run", "--all")
    assert lines[0] == f"{payment.reference}: OPEN, due never"
    assert json.loads(resync("--dry-run", "--all", "--json")[1][0])["next_check_at"] is None


@pytest.mark.parametrize("arguments", [["--all"], ["--state", "open"], ["--since", "2020-01-01"]])
def test_chosen_payments_are_asked_about_whether_or_not_due(payram, payment, arguments):
    Payment.objects.update(next_check_at=None)
    payram.pay(payment)
    assert resync(*arguments)[0] == 0
    payment.refresh_from_db()
    assert payment.is_paid


def test_choices_are_combined(payram, payment):
    assert resync("--all", "--state", "CANCELED", "--json")[1][-1].startswith('{"asked": 0')
    assert resync("--since", "2999-01-01T00:00Z", "--json")[1][-1].startswith('{"asked": 0')
    assert asked(payram) == 0


def test_a_reference_is_asked_about(payram, payment):
    other = open_payment(amount=3, email="a@example.org")
    payram.pay(payment)
    resync("--reference", payment.reference)
    payment.refresh_from_db()
    assert payment.is_paid
    assert asked(payram) == 1
    resync("--reference", payment.reference, "--reference", other.reference)
    assert asked(payram) == 3


def test_an_unknown_reference_is_named():
    with pytest.raises(CommandError, match="No payment has the reference nobody") as caught:
        resync("--reference", "nobody")
    assert caught.value.returncode == 2


def test_limit_and_threads_are_obeyed(payram, payment):
    open_payment(amount=3, email="a@example.org")
    assert resync("--all", "--limit", "1", "--threads", "1", "--json")[1][-1].startswith('{"asked": 1')
    assert len(resync("--dry-run", "--all", "--limit", "1")[1]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "0"], "above 0"),
        (["--limit", "x"], "above 0"),
        (["--threads", "65"], "at most 64"),
        (["--state", "PAID"], "must be one of CREATING"),
        (["--since", "yesterday"], "2026-08-01"),
        (["--since", "2026-13-01"], "2026-08-01"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(arguments, words):
    with pytest.raises(CommandError, match=words):
        resync(*arguments)


def test_receivers_are_told_again_on_request(payment, listener):
    """D2."""
    code, lines = resync("--announce-again", "--reference", payment.reference)
    assert (code, lines[0]) == (0, f"{payment.reference}: receivers told.")
    assert listener.names == ["payment_updated"]
    resync("--announce-again", "--since", "2020-01-01", "--json")
    assert listener.names == ["payment_updated"] * 2
    listener.fail_on = {"payment_updated"}
    assert resync("--announce-again", "--reference", payment.reference)[0] == 3


def test_telling_everybody_again_needs_a_choice():
    for arguments in ([], ["--all"]):
        with pytest.raises(CommandError, match="--reference or --since"):
            resync("--announce-again", *arguments)


# payram_prune


def old_event(days, **fields):
    created_at = timezone.now() - timedelta(days=days)
    return PaymentEvent.objects.create(
        project="default", source="webhook", outcome="recorded", created_at=created_at, **fields
    )


def test_prune_deletes_events_older_than_a_year(monkeypatch):
    from django_payram import prune

    monkeypatch.setattr(prune, "BATCH", 2)
    for _ in range(5):
        old_event(366)
    kept = old_event(364)
    assert run("payram_prune", "--dry-run") == (0, ["Would delete 5 events and blank 0 e-mails."])
    assert PaymentEvent.objects.count() == 6
    assert run("payram_prune") == (0, ["Deleted 5 events and blanked 0 e-mails."])
    assert PaymentEvent.objects.get() == kept
    assert run("payram_prune", "--events-older-than", "30") == (0, ["Deleted 1 events and blanked 0 e-mails."])


def test_prune_blanks_e_mails_of_settled_payments_and_never_touches_money():
    long_ago = timezone.now() - timedelta(days=100)
    settled = PaymentFactory(paid=True, updated_at=long_ago, next_check_at=None)
    watched = PaymentFactory(updated_at=long_ago)
    recent = PaymentFactory(paid=True, next_check_at=None)
    code, lines = run("payram_prune", "--scrub-emails-older-than", "90", "--json")
    assert (code, json.loads(lines[0])) == (0, {"dry_run": False, "events_deleted": 0, "emails_blanked": 1})
    settled.refresh_from_db()
    assert (settled.customer_email, settled.state, settled.filled_usd) == ("", State.FILLED, Decimal("49.99"))
    for payment in (watched, recent):
        payment.refresh_from_db()
        assert payment.customer_email


def test_prune_refuses_senseless_ages():
    for days, words in [("0", "above 0"), ("36501", "at most 36500")]:
        with pytest.raises(CommandError, match=words):
            run("payram_prune", "--events-older-than", days)


# Celery


def test_the_tasks_do_the_same_work(payram, payment, listener):
    from django_payram import tasks

    listener.fail_on = {"payment_paid"}
    payram.pay(payment)
    assert tasks.resync()["receivers_failed"] == 1
    listener.fail_on = set()
    assert tasks.announce_pending() == {"announced": 1, "receivers_failed": 0}
    assert tasks.resync(limit=5) == {
        "asked": 0,
        "news": 0,
        "failed": 0,
        "announced": 0,
        "receivers_failed": 0,
        "stopped": "",
    }
    old_event(400)
    assert tasks.prune() == {"events_deleted": 1, "emails_blanked": 0}
    Payment.objects.update(updated_at=timezone.now() - timedelta(days=400), next_check_at=None)
    assert tasks.prune(scrub_emails_older_than=365)["emails_blanked"] == 1


def test_pending_receivers_are_told_before_payments_are_asked_about(payram, payment, listener):
    from django_payram import tasks

    listener.fail_on = {"payment_paid"}
    payram.pay(payment)
    tasks.resync()
    listener.fail_on = set()
    assert tasks.resync()["announced"] == 1
