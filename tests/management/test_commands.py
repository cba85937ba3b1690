"""The commands, as an operator types them."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from weakref import ref

import pytest
from django.core.management import CommandError
from django.db.models.signals import post_init
from django.utils import timezone

from django_payram.management.arguments import moment
from django_payram.management.commands import payram_resync
from django_payram.management.signals import set_by_signals
from django_payram.models import Payment
from django_payram.models.states import State
from django_payram.payments import open_payment, transitions
from django_payram.polling import rate_limit
from django_payram.polling.rate_limit import StopSignal
from django_payram.testing.factories import PaymentFactory
from tests.commands import run_command
from tests.waiting import Clock

pytestmark = pytest.mark.django_db


def resync(*args):
    """Return the exit code and the lines the command prints."""
    code, text = run_command("payram_resync", *args)
    return code, text.splitlines()


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    opened = open_payment(order, amount=order.total, email=order.email)
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    return opened


@pytest.fixture
def clock(monkeypatch):
    """The clock that time limits and pauses of a run go by."""
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


def asked(payram):
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


# payram_resync


def test_resync_says_what_changed(payram, payment):
    payram.pay(payment)
    assert resync() == (
        0,
        [
            f"{payment.reference}: OPEN -> FILLED",
            "Asked about 1: 1 with news, 0 without an answer. Receivers of 0 notified, 0 failed.",
        ],
    )
    assert resync() == (0, ["Asked about 0: 0 with news, 0 without an answer. Receivers of 0 notified, 0 failed."])


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
    payram.sandbox.inject_fault(None, "broken")
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
    payram.sandbox.inject_fault(None, "broken")
    code, lines = resync("--all")
    assert code == 1
    assert any("Stopped early. PayRam gave no answer 10 times in a row." in line for line in lines)


def test_resync_leaves_with_3_when_a_receiver_fails_and_notifies_it_again(payram, payment, listener):
    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    payram.sandbox.deliver_due()
    payment.refresh_from_db()
    code, lines = resync()
    assert code == 3
    assert f"{payment.reference}: a receiver failed and will be notified again." in lines
    code, lines = resync()
    assert code == 3
    listener.fail_on = set()
    code, lines = resync()
    assert (code, lines[0]) == (0, f"{payment.reference}: receivers notified.")


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


@pytest.mark.parametrize("text", ["2026-08-01", "2026-08-01T12:00", "2026-08-01T12:00Z", "2026-08-01T12:00+05:30"])
@pytest.mark.parametrize("use_tz", [True, False])
def test_a_moment_has_a_zone_where_the_shops_times_have_one(settings, text, use_tz):
    settings.USE_TZ = use_tz
    assert timezone.is_aware(moment(text)) is use_tz


def test_a_moment_without_a_zone_is_in_the_shops(settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    settings.USE_TZ = True
    assert moment("2026-08-01T12:00") == moment("2026-08-01T06:30Z")
    settings.USE_TZ = False
    assert moment("2026-08-01T12:00") == moment("2026-08-01T06:30Z")


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
        (["--rate", "0"], "above 0 and at most 10000"),
        (["--rate", "-1"], "above 0 and at most 10000"),
        (["--rate", "inf"], "above 0 and at most 10000"),
        (["--rate", "10001"], "above 0 and at most 10000"),
        (["--time-limit", "0"], "above 0"),
        (["--watch", "--all", "--limit", "3"], "does not go with --all, --limit"),
        (["--watch", "--dry-run"], "does not go with --dry-run"),
        (["--state", "PAID"], "must be one of CREATING"),
        (["--since", "yesterday"], "2026-08-01"),
        (["--since", "2026-13-01"], "2026-08-01"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(arguments, words):
    with pytest.raises(CommandError, match=words):
        resync(*arguments)


def test_a_contradiction_leaves_with_2():
    with pytest.raises(CommandError) as caught:
        resync("--watch", "--announce-again", "--since", "2020-01-01")
    assert caught.value.returncode == 2


def test_a_rate_is_obeyed(payram, payment):
    open_payment(amount=3, email="a@example.org")
    start = time.monotonic()
    assert resync("--all", "--rate", "2.5")[0] == 0
    assert time.monotonic() - start >= 0.4


@pytest.mark.django_db(transaction=True)
def test_watching_ends_with_its_time_limit_and_0(payram, payment, clock):
    payram.sandbox.inject_fault(None, "broken")
    code, lines = resync("--watch", "--time-limit", "100", "--json")
    assert code == 0
    last = json.loads(lines[-1])
    assert (last["asked"], last["failed"], last["stopped"]) == (1, 1, "The time limit of 100 seconds is over.")


@pytest.mark.django_db(transaction=True)
def test_an_early_end_is_said_in_words(payram, payment, clock):
    _code, lines = resync("--watch", "--time-limit", "100")
    assert lines[-1] == "Stopped early. The time limit of 100 seconds is over."


def test_the_first_signal_ends_a_run_and_the_second_acts_as_ever():
    before = signal.getsignal(signal.SIGTERM)
    stop = StopSignal()
    with set_by_signals(stop):
        ours = signal.getsignal(signal.SIGTERM)
        assert ours == signal.getsignal(signal.SIGINT) != before
        signal.raise_signal(signal.SIGTERM)
        assert stop.reason == "A signal asked for it."
        assert signal.getsignal(signal.SIGTERM) == before
    with set_by_signals(StopSignal()):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_command_called_from_another_thread_leaves_the_signals_alone():
    before = signal.getsignal(signal.SIGTERM)

    def in_a_thread():
        with set_by_signals(StopSignal()):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_a_thread).result() == before


def test_receivers_are_notified_again_on_request(payment, listener):
    """D2."""
    code, lines = resync("--announce-again", "--reference", payment.reference)
    assert (code, lines[0]) == (0, f"{payment.reference}: receivers notified.")
    assert listener.names == ["payment_updated"]
    resync("--announce-again", "--since", "2020-01-01", "--json")
    assert listener.names == ["payment_updated"] * 2
    listener.fail_on = {"payment_updated"}
    assert resync("--announce-again", "--reference", payment.reference)[0] == 3


def test_notifying_about_everything_needs_a_choice():
    for arguments in ([], ["--all"]):
        with pytest.raises(CommandError, match="--reference or --since"):
            resync("--announce-again", *arguments)


@contextmanager
def payments_in_memory():
    """Collect how many payments there were in memory whenever one more was read."""
    read, numbers = [], []

    def one_more(instance, **_):
        read.append(ref(instance))
        numbers.append(sum(payment() is not None for payment in read))

    post_init.connect(one_more, sender=Payment)
    try:
        yield numbers
    finally:
        post_init.disconnect(one_more, sender=Payment)


@pytest.mark.parametrize("option", ["--dry-run", "--announce-again"])
@pytest.mark.parametrize("limit", [[], ["--limit", "17"]])
def test_however_many_payments_are_chosen_a_few_are_in_memory(monkeypatch, option, limit):
    monkeypatch.setattr(payram_resync, "READ_AT_ONCE", 2)
    Payment.objects.bulk_create(PaymentFactory.build_batch(30))
    with payments_in_memory() as numbers:
        _code, lines = resync(option, "--since", "2020-01-01", "--json", *limit)
    references = [json.loads(line)["reference"] for line in lines[:-1]]
    chosen = Payment.objects.order_by("pk").values_list("reference", flat=True)
    assert references == list(chosen[: 17 if limit else 30])
    assert max(numbers) <= 6


def test_a_dry_run_lists_the_longest_due_first_and_holds_few_in_memory():
    for minutes in (2, 3, 1):
        PaymentFactory(next_check_at=timezone.now() - timedelta(minutes=minutes))
    with payments_in_memory() as numbers:
        listed = [json.loads(line)["next_check_at"] for line in resync("--dry-run", "--json")[1][:-1]]
    assert len(listed) == 3
    assert listed == sorted(listed)
    assert max(numbers) <= 2


@pytest.mark.parametrize(
    ("how", "why"), [("signal", "A signal asked for it."), ("time", "The time limit of 100 seconds is over.")]
)
def test_notifying_again_ends_when_it_is_asked_to(listener, monkeypatch, clock, how, why):
    Payment.objects.bulk_create(PaymentFactory.build_batch(3))
    real = transitions.notify_again

    def and_then(payment):
        recorded = real(payment)
        if how == "signal":
            signal.raise_signal(signal.SIGTERM)
        else:
            clock.sleep(100)
        return recorded

    monkeypatch.setattr(transitions, "notify_again", and_then)
    code, lines = resync("--announce-again", "--since", "2020-01-01", "--time-limit", "100")
    assert (code, len(listener.received)) == (0, 1)
    assert lines[-1].startswith(f"Stopped early. {why}")
