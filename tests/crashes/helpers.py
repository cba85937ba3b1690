"""What customers, PayRam and cron do in these tests, and what must be true at the end."""

from __future__ import annotations

import signal
from urllib.parse import parse_qs, urlsplit

from benchmarks.audit import PAID, cases, examine, read_rows


def click(on, order):
    """Click on "pay"; returns the reference of PayRam's page that the customer is led to."""
    answer = on.shop.checkout(order)
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["reference_id"][0]


def resync(on):
    """Let time pass until every payment is due, and run resync, which must succeed."""
    on.shop_database.bring_forward()
    run = on.shop.manage("payram_resync")
    assert run.returncode == 0, run.stdout + run.stderr


def resync_is_killed(on):
    on.shop_database.bring_forward()
    run = on.shop.manage("payram_resync")
    assert run.returncode == -signal.SIGKILL, run.stdout + run.stderr


def case_of(on, order):
    return next(case for case in cases(read_rows(on), on.payram.payments()) if case.order["id"] == order)


def assert_paid_once(on, order):
    """The order is paid, its receivers' work was done once, and everything agrees with PayRam's ledger."""
    case = case_of(on, order)
    assert case.order["status"] == "paid"
    assert case.times(PAID) == 1
    assert_audit_finds_nothing(on, order)


def assert_audit_finds_nothing(on, order):
    assert [str(finding) for finding in examine(case_of(on, order))] == []


def assert_notified_with_the_state(on, order):
    """What receivers write and what the payment says commits together or not at all."""
    case = case_of(on, order)
    paid = sum(payment["paid_at"] is not None for payment in case.payments)
    assert paid == case.times(PAID) == (case.order["status"] == "paid")
