"""payram_export: a file for accounting."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_payram.models import Refund
from django_payram.reports import rows
from django_payram.reports.figures import Range
from django_payram.reports.rows import COLUMNS
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def exported(*arguments):
    out = io.StringIO()
    call_command("payram_export", *arguments, stdout=out)
    return out.getvalue()


def table(*arguments):
    return list(csv.DictReader(io.StringIO(exported(*arguments))))


@pytest.fixture
def payment():
    payment = PaymentFactory(
        paid=True,
        filled_usd=Decimal("49.99"),
        price_amount=45,
        price_currency="EUR",
        order_number="CK-1",
        currency="USDC",
        blockchain="ETH",
        transaction_hash="0xabc",
    )
    Refund.objects.create(payment=payment, amount_usd=Decimal("9.99"), transaction="0xdef", note="A cup was broken.")
    return payment


def test_there_is_a_row_for_each_payment_and_each_refund_and_the_sums_at_the_end(payment):
    PaymentFactory()
    paid, refund, total = table()
    assert list(paid) == list(COLUMNS)
    assert (paid["kind"], paid["received_usd"], paid["net_usd"], paid["refunded_usd"]) == (
        "payment",
        "49.99",
        "49.99",
        "",
    )
    assert (paid["price_amount"], paid["price_currency"], paid["status"]) == ("45.00", "EUR", "paid")
    assert (refund["kind"], refund["refunded_usd"], refund["net_usd"]) == ("refund", "9.99", "-9.99")
    assert (refund["reference"], refund["transaction"], refund["note"]) == (
        payment.reference,
        "0xdef",
        "A cup was broken.",
    )
    assert (total["kind"], total["received_usd"], total["refunded_usd"], total["net_usd"]) == (
        "total",
        "49.99",
        "9.99",
        "40.00",
    )


def test_json_lines_have_the_same_rows(payment):
    lines = [json.loads(line) for line in exported("--format", "jsonl").splitlines()]
    assert [line["kind"] for line in lines] == ["payment", "refund", "total"]
    assert lines[0]["received_usd"] == "49.99"
    assert lines[2]["net_usd"] == "40.00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "\n1"])
def test_what_a_spreadsheet_would_compute_is_text(text):
    PaymentFactory(paid=True, order_number=text)
    row, _total = table()
    assert row["order_number"] == f"'{text}"


def test_times_have_an_offset_and_their_zone_is_named(payment, settings):
    row, *_others, total = table()
    has_offset = timezone.datetime.fromisoformat(row["paid_at"]).utcoffset() is not None
    assert has_offset == settings.USE_TZ
    assert {row["time_zone"], total["time_zone"]} <= {settings.TIME_ZONE, "UTC"}


def test_the_range_and_the_project_choose(payment):
    day = Range().day_of(payment.paid_at).isoformat()
    PaymentFactory(paid=True, project="other", paid_at=payment.paid_at - timedelta(days=400))
    kinds = ["payment", "refund", "total"]
    assert [row["kind"] for row in table("--paid-since", "2001-01-01", "--paid-until", "2001-12-31")] == ["total"]
    assert [row["kind"] for row in table("--paid-since", day, "--paid-until", day)] == kinds
    assert [row["kind"] for row in table("--project", "default")] == kinds
    assert [row["kind"] for row in table("--project", "other")] == ["payment", "total"]


def test_a_top_up_is_counted_with_what_it_tops_up():
    parent = PaymentFactory(paid=True, filled_usd=20, topped_up_usd=Decimal("29.99"))
    PaymentFactory(parent=parent, paid=True, amount_usd=Decimal("29.99"))
    first, second, total = table()
    assert (first["received_usd"], second["kind"], second["received_usd"]) == ("49.99", "top-up", "")
    assert total["received_usd"] == "49.99"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--paid-since", "yesterday"], "--paid-since: must be a date"),
        (["--paid-until", "9999-12-31"], "--paid-until: must be a date"),
        (["--paid-until", "2026-02-30"], "--paid-until: must be a date"),
        (["--format", "xls"], "--format"),
    ],
)
def test_an_argument_that_cannot_be_read_is_named(arguments, said):
    with pytest.raises(CommandError, match=said):
        exported(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--paid-since", "2026-02-02", "--paid-until", "2026-02-01"], "must not be later"),
        (["--project", "nothing"], "There is no project 'nothing'"),
    ],
)
def test_arguments_that_make_no_sense_end_with_code_2(arguments, said):
    with pytest.raises(CommandError, match=said) as caught:
        exported(*arguments)
    assert caught.value.returncode == 2


def test_a_project_that_is_not_set_up_any_more_is_known_by_its_payments():
    payment = PaymentFactory(paid=True, project="old", paid_at=timezone.now() - timedelta(days=400))
    Refund.objects.create(payment=payment, amount_usd=1)
    day = (timezone.now() - timedelta(days=30)).strftime("%Y-%m-%d")
    assert [row["kind"] for row in table("--project", "old", "--paid-since", day)] == ["refund", "total"]


def test_a_file_is_written(payment, tmp_path):
    path = tmp_path / "payments.csv"
    exported("--output", str(path))
    assert path.read_bytes().decode() == exported()
    with pytest.raises(CommandError, match="cannot be written"):
        exported("--output", str(tmp_path / "missing" / "payments.csv"))


def test_standard_output_is_a_file_in_utf_8_whatever_the_terminal_speaks(payment):
    payment.order_number = "K\u00e4se \u2192"
    payment.save()
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", newline="\r\n")
    call_command("payram_export", stdout=out)
    out.flush()
    assert raw.getvalue().decode() == exported()


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_a_file_that_cannot_be_finished_is_said_to_be_none(payment, tmp_path, monkeypatch):
    with pytest.raises(CommandError, match="standard output cannot be written: No space left on device"):
        call_command("payram_export", stdout=Full())
    path = tmp_path / "payments.csv"
    monkeypatch.setattr(type(path), "open", lambda *_args, **_options: Full())
    with pytest.raises(CommandError, match=r"payments\.csv cannot be written: No space left on device"):
        exported("--output", str(path))


def test_rows_are_read_a_page_at_a_time(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(rows, "AT_ONCE", 2)
    PaymentFactory.create_batch(5, paid=True)
    with django_assert_num_queries(6):
        assert len(table()) == 6
