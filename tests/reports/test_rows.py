"""The rows of a file: each counted once, whatever else is in the file and whatever happens while it is written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from django_payram.models import Payment, State
from django_payram.payments import record_refund
from django_payram.reports import rows
from django_payram.reports.figures import Range
from django_payram.reports.rows import as_csv, as_jsonl, of_payments, of_range
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def of(payments):
    return list(of_payments(payments, zone=None))


def paid(**facts):
    return PaymentFactory(paid=True, amount_usd=50, **facts)


@pytest.mark.parametrize("chosen", [{}, {"parent": None}, {"parent__isnull": False}, {"state": State.FILLED}])
def test_the_sums_of_a_file_are_those_of_its_payments(chosen):
    parent = PaymentFactory(paid=True, state=State.PARTIALLY_FILLED, filled_usd=20, topped_up_usd=Decimal("29.99"))
    PaymentFactory(parent=parent, state=State.FILLED, filled_usd=Decimal("29.99"))
    record_refund(parent, amount_usd="5")
    payments = Payment.objects.filter(**chosen)
    *found, total = of(payments)
    assert total["net_usd"] == payments.net_usd()
    assert sum(row["net_usd"] or 0 for row in found) == payments.net_usd()


def test_a_refund_recorded_while_a_file_is_written_stands_with_its_payment():
    early, late = paid(), paid()
    record_refund(late, amount_usd="50")
    lines = of_payments(Payment.objects.with_status("refunded"), zone=None)
    found = [next(lines)]
    record_refund(early, amount_usd="50")
    found += lines
    assert found[-1]["net_usd"] == 0
    assert early.reference not in {row.get("reference") for row in found}


def test_a_payment_paid_and_refunded_while_a_file_is_written_is_not_in_it_by_half(monkeypatch):
    monkeypatch.setattr(rows, "AT_ONCE", 1)
    early, _late = PaymentFactory(amount_usd=50), paid()
    lines = of_range(Range())
    found = [next(lines)]
    Payment.objects.filter(pk=early.pk).update(state=State.FILLED, filled_usd=50, paid_at=timezone.now())
    record_refund(early, amount_usd="50")
    found += lines
    assert [row["kind"] for row in found] == ["payment", "total"]


def test_a_text_that_is_no_unicode_does_not_break_a_file_off():
    for write in (as_csv, as_jsonl):
        written = "".join(write([{"kind": "refund", "note": "a\ud800b"}]))
        assert "a?b" in written.encode().decode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a;"=1+1"', 'a;\'"=1+1"'),
        ("a; =1+1", "a;' =1+1"),
        ("a\n@SUM(A1)", "a\n'@SUM(A1)"),
        ("a\t-1", "a\t'-1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("a;b=1, c-d", "a;b=1, c-d"),
    ],
)
def test_a_text_that_a_spreadsheet_splits_at_another_separator_computes_nothing(text, written):
    assert rows._cell(text) == written
