"""The overview, and the file of a filtered list."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.test import AsyncRequestFactory, Client
from django.utils import timezone

from django_payram.admin import overview
from django_payram.models import Payment, State
from django_payram.payments import record_refund
from django_payram.testing.factories import PaymentFactory
from tests.admin.helpers import streamed, text

pytestmark = pytest.mark.django_db

LIST = "/admin/django_payram/payment/"
OVERVIEW = f"{LIST}overview/"


@pytest.fixture
def payment():
    payment = PaymentFactory(paid=True, currency="USDC", blockchain="ETH", filled_usd=60)
    record_refund(payment, amount_usd="10.01")
    return payment


def test_the_overview_shows_what_came_in(admin_client, payment):
    shown = text(admin_client.get(OVERVIEW))
    for words in ("60.00 USD", "10.01 USD", "49.99 USD", "USDC", "ETH", "Median time to paid", "1 (100 %)", "<rect"):
        assert words in shown
    assert "What came in" in text(admin_client.get(LIST))


def test_a_shop_without_payments_has_an_overview(admin_client):
    assert "Nothing came in." in text(admin_client.get(OVERVIEW))
    assert "Nothing came in." in text(admin_client.get(OVERVIEW, {"since": "", "until": ""}))


@pytest.mark.parametrize("query", ["since=&until=", "since=2026-01-01", "until=2026-01-01"])
def test_a_range_without_an_end_is_said_as_one(admin_client, query):
    assert "None" not in text(admin_client.get(f"{OVERVIEW}?{query}"))


@pytest.mark.parametrize("query", ["since=&until=", "by=week", "by=month&since=2020-01-01", "project=default"])
def test_the_overview_takes_ranges(admin_client, payment, query):
    assert "60.00 USD" in text(admin_client.get(f"{OVERVIEW}?{query}"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "Enter a valid date."),
        ("since=2026-02-02&until=2026-02-01", "must not be earlier"),
        ("by=year", "Select a valid choice."),
        ("project=nothing", "Select a valid choice."),
    ],
)
def test_a_wrong_range_is_said_at_its_field(admin_client, payment, query, said):
    shown = text(admin_client.get(f"{OVERVIEW}?{query}"))
    assert said in shown
    assert "60.00 USD" not in shown


@pytest.mark.parametrize("query", ["since=0001-01-01&until=9999-12-31", "since=2999-12-31", "until=1970-01-01"])
def test_dates_at_the_ends_of_the_calendar_are_survived(admin_client, payment, query):
    assert admin_client.get(f"{OVERVIEW}?{query}").status_code == 200


def test_ranges_a_click_away_keep_the_project(admin_client, payment):
    PaymentFactory(project="other & more", state=State.FILLED, filled_usd=1, review="amount")
    shown = text(admin_client.get(OVERVIEW, {"project": "other & more", "by": "month"}))
    assert shown.count("&amp;by=month&amp;project=other%20%26%20more") == 4
    assert "?status=held&amp;project__exact=other%20%26%20more" in shown


@pytest.mark.not_in("second", "naive", reason="times without a zone are those of the shop")
def test_the_last_day_is_today_in_the_shops_time_zone(admin_client, settings):
    far = "Pacific/Pago_Pago" if timezone.now().hour < 11 else "Pacific/Kiritimati"
    settings.TIME_ZONE = far
    assert f'value="{timezone.now().astimezone(ZoneInfo(far)).date()}"' in text(admin_client.get(OVERVIEW))


def test_bars_are_drawn_for_days_without_money_too(admin_client, payment):
    payment.paid_at = timezone.now() - timedelta(days=3)
    payment.save()
    bars = admin_client.get(OVERVIEW).context["bars"]
    assert [bar.received for bar in bars].count(200) == 1
    assert len(bars) == 30
    assert sum(bar.received > 0 for bar in bars) == sum(bar.refunded > 0 for bar in bars) == 1


def test_the_overview_wants_the_permission_to_view(django_user_model):
    user = django_user_model.objects.create_user("clerk", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(OVERVIEW).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_payment"))
    assert client.get(OVERVIEW).status_code == 200
    assert Client().get(OVERVIEW).status_code == 302


def test_the_filtered_list_is_a_file(admin_client, payment):
    other = PaymentFactory(state=State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    left_out = PaymentFactory()
    data = {"action": "download", "_selected_action": [payment.pk, other.pk]}
    answer = admin_client.post(LIST, data)
    assert answer["Content-Disposition"] == 'attachment; filename="payments.csv"'
    found = list(csv.DictReader(io.StringIO(streamed(answer).decode("utf-8-sig"))))
    assert [row["kind"] for row in found] == ["payment", "payment", "refund", "total"]
    assert left_out.reference not in {row["reference"] for row in found}
    assert (found[-1]["received_usd"], found[-1]["net_usd"]) == ("80.00", "69.99")


def test_the_file_of_a_range_has_the_sums_of_the_page(admin_client, payment):
    """A payment counts in the month in which it was paid, and a refund in its own: a filtered list cannot say that."""
    long_ago = timezone.now() - timedelta(days=60)
    old = PaymentFactory(paid=True, filled_usd=Decimal(30), created_at=long_ago, paid_at=long_ago)
    record_refund(old, amount_usd=7)
    answer = admin_client.get(OVERVIEW, {"since": timezone.now().date() - timedelta(days=30), "file": "csv"})
    found = list(csv.DictReader(io.StringIO(streamed(answer).decode("utf-8-sig"))))
    sums = admin_client.get(OVERVIEW).context["found"].total
    last = {name: Decimal(found[-1][name]) for name in ("received_usd", "net_usd")}
    assert last == {"received_usd": sums.received, "net_usd": sums.net}
    assert {row["kind"] for row in found if row["reference"] == old.reference} == {"refund"}


@pytest.mark.parametrize("query", ["since=2030-01-02&until=2030-01-01&file=csv", "since=x&file=csv"])
def test_a_wrong_range_has_no_file(admin_client, query):
    answer = admin_client.get(f"{OVERVIEW}?{query}")
    assert answer["Content-Type"].startswith("text/html")
    assert "errorlist" in text(answer)


def chosen(*payments):
    return {"action": "download", "_selected_action": [payment.pk for payment in payments]}


def test_a_spreadsheet_is_told_the_encoding(admin_client, payment):
    """Without the mark Excel takes UTF-8 for the encoding of its country."""
    assert streamed(admin_client.post(LIST, chosen(payment))).startswith(b"\xef\xbb\xbfkind,")


def test_an_asynchronous_server_reads_a_file_a_few_rows_at_a_time(monkeypatch):
    read = []

    def five(payments, *, zone):
        for number in range(5):
            read.append(number)
            yield {"kind": "payment"}

    monkeypatch.setattr(overview, "of_payments", five)
    monkeypatch.setattr(overview, "LINES", 2)
    answer = overview.download(None, AsyncRequestFactory().post(LIST), Payment.objects.all())

    async def send():
        return [len(read) async for _part in answer]

    assert async_to_sync(send)() == [0, 2, 4, 5]


def test_a_chart_of_a_part_says_so_and_is_drawn_to_its_own_scale(admin_client, payment):
    long_ago = timezone.now() - timedelta(days=300)
    PaymentFactory(paid=True, filled_usd=1_000_000, created_at=long_ago, paid_at=long_ago)
    answer = admin_client.get(OVERVIEW, {"since": "", "by": "day"})
    bars = answer.context["bars"]
    assert (len(bars), max(bar.received for bar in bars)) == (120, 200)
    assert "The chart begins with" in text(answer)
    assert "The chart begins with" not in text(admin_client.get(OVERVIEW, {"since": "", "by": "month"}))


def test_days_that_are_too_many_are_grouped_by_what_fits_and_the_page_says_so(admin_client, payment):
    asked = {"since": "2020-01-01", "until": "2026-12-31", "by": "day"}
    shown = admin_client.get(OVERVIEW, asked)
    assert shown.context["by"] == "Month"
    assert "too long for the grouping you chose" in text(shown)
    assert "too long for the grouping" not in text(admin_client.get(OVERVIEW, {**asked, "by": "week"}))


def test_of_a_shop_without_payments_nothing_is_too_long(admin_client):
    shown = admin_client.get(OVERVIEW, {"since": "", "until": "", "by": "day"})
    assert shown.context["by"] == "Day"
    assert "too long for the grouping" not in text(shown)
