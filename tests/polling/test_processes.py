"""Several real processes of payram_resync, on a database that locks rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from django_payram.models import Payment
from django_payram.testing.payram import TEST_KEY
from tests.polling.helpers import open_due
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def environment(payram):
    """Return the environment that leads a process to this test's database and PayRam."""
    # PostgreSQL's socket may be named behind a "?": only the path names the database.
    test_database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return os.environ | {
        "DATABASE_URL": test_database.geturl(),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PAYRAM_BASE_URL": payram.sandbox.url,
        "PAYRAM_API_KEY": TEST_KEY,
    }


@contextmanager
def processes(payram, count, *arguments):
    """Start ``count`` times ``payram_resync --json`` and see that none is left behind."""
    command = [sys.executable, "-m", "django", "payram_resync", "--json", *arguments]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment(payram), stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def sums(process):
    output, _ = process.communicate(timeout=120)
    return json.loads(output.splitlines()[-1])


def due_payments(payram, count):
    payram.sandbox.webhooks = False
    opened = open_due(count)
    payram.sandbox.calls.clear()
    return opened


def asked(payram):
    return Counter(call.path.rsplit("/", 1)[-1] for call in list(payram.sandbox.calls))


def test_ten_processes_never_ask_twice_about_a_payment(payram):
    payments = due_payments(payram, 300)
    for payment in payments[::3]:
        payram.sandbox.pay(payment.reference)
    with processes(payram, 10, "--threads", "2") as running:
        totals = [sums(process) for process in running]
        assert [process.returncode for process in running] == [0] * 10
    assert sum(total["asked"] for total in totals) == 300
    assert asked(payram) == Counter({payment.reference: 1 for payment in payments})
    assert Payment.objects.paid().count() == 100


def test_what_a_killed_process_had_claimed_is_taken_over(payram):
    payments = due_payments(payram, 60)
    with processes(payram, 1, "--threads", "1", "--rate", "5") as [killed]:
        wait_until(lambda: len(asked(payram)) >= 3)
        killed.kill()
        killed.wait()
    before = sum(asked(payram).values())
    assert before < 60
    claimed = Payment.objects.filter(next_check_at__gt=timezone.now())
    assert claimed.exists(), "the claim still holds"
    # The claim runs out.
    claimed.update(next_check_at=timezone.now())
    with processes(payram, 1) as [other]:
        assert sums(other)["asked"] == 60
    assert set(asked(payram)) == {payment.reference for payment in payments}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watching_process_ends_cleanly_on_a_signal(payram, number):
    payments = due_payments(payram, 3)
    with processes(payram, 1, "--watch") as [watcher]:
        wait_until(lambda: len(asked(payram)) == 3)
        payram.sandbox.pay(payments[0].reference)
        Payment.objects.filter(pk=payments[0].pk).update(next_check_at=timezone.now())
        watcher.send_signal(number)
        total = sums(watcher)
        assert watcher.returncode == 0
    assert total["stopped"] == "A signal asked for it."
    assert not Payment.objects.filter(next_check_at=None).exists()
