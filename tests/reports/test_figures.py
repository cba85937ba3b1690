"""What came in: dated, grouped, and in agreement with the payments themselves and with the file."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.timezone import make_naive
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from django_payram.models import Payment, PaymentEvent, Refund, State, Status
from django_payram.reports.figures import Range, bounds, figures, period_of
from django_payram.reports.rows import as_jsonl, of_range
from django_payram.testing.factories import PaymentFactory
from tests.conftest import statements

pytestmark = pytest.mark.django_db


def at(text):
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    from django.conf import settings as shop

    return moment if shop.USE_TZ else make_naive(moment, timezone.utc)


def paid(moment, usd="50", **facts):
    return PaymentFactory(
        paid=True, paid_at=at(moment), filled_usd=Decimal(usd), amount_usd=50, **{"created_at": at(moment), **facts}
    )


def refund(payment, moment, usd):
    Refund.objects.create(payment=payment, amount_usd=Decimal(usd), created_at=at(moment))
    payment.refunded_usd += Decimal(usd)
    payment.save()


# Days on which clocks are changed: in Havana, Beirut, Santiago, Santiago, Beirut, Havana.
CHANGES = ((3, 8), (3, 29), (4, 5), (9, 6), (10, 25), (11, 1))
HOURS = [
    datetime(2026, month, day, tzinfo=timezone.utc) + timedelta(hours=hour)
    for month, day in CHANGES
    for hour in range(-40, 48)
]

NOVEMBER = Range(date(2026, 11, 1), date(2026, 11, 30))


@pytest.fixture(autouse=True)
def _utc(settings):
    settings.TIME_ZONE = "UTC"


def test_money_counts_when_its_payment_became_paid_and_a_refund_when_it_was_recorded():
    first = paid("2026-10-31T23:59:59", created_at=at("2026-10-01"))
    paid("2026-11-01T00:00:00", currency="USDC", blockchain="ETH")
    paid("2026-11-30T23:59:59", "60", currency="BTC", blockchain="BTC")
    paid("2026-12-01T00:00:00")
    refund(first, "2026-11-02T12:00:00", "20")
    refund(first, "2026-12-02T12:00:00", "5")
    found = figures(NOVEMBER, by="day")
    assert (found.total.received, found.total.refunded, found.total.net, found.total.payments) == (110, 20, 90, 2)
    assert {day: (sums.received, sums.refunded) for day, sums in found.periods.items()} == {
        date(2026, 11, 1): (50, 0),
        date(2026, 11, 2): (0, 20),
        date(2026, 11, 30): (60, 0),
    }
    assert {coin: sums.received for coin, sums in found.coins.items()} == {("BTC", "BTC"): 60, ("USDC", "ETH"): 50}


@pytest.mark.parametrize(("by", "first"), [("week", date(2026, 10, 26)), ("month", date(2026, 11, 1))])
def test_periods_begin_with_their_first_day(by, first):
    paid("2026-11-01T08:00:00")
    assert list(figures(NOVEMBER, by=by).periods) == [first]


@pytest.mark.not_in("second", "naive", reason="times without a zone are those of the shop")
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Santiago", "America/Havana", "Asia/Beirut", "Pacific/Apia"])
def test_days_are_those_of_the_current_time_zone(settings, zone):
    """Also where a day begins an hour late, or its first hour comes twice."""
    settings.TIME_ZONE = zone
    Payment.objects.bulk_create(
        PaymentFactory.build(paid=True, paid_at=hour, filled_usd=1, amount_usd=1, created_at=hour) for hour in HOURS
    )
    days = Counter(hour.astimezone(ZoneInfo(zone)).date() for hour in HOURS)
    found = figures(Range(), by="day")
    assert {day: sums.payments for day, sums in found.periods.items()} == days
    some = Range(min(days) + timedelta(days=3), max(days) - timedelta(days=3))
    assert figures(some, by="week").total.payments == sum(days[day] for day in days if some.since <= day <= some.until)


def test_links_are_counted_by_status_and_by_whether_they_are_paid():
    paid("2026-11-03T00:30:00", created_at=at("2026-11-03T00:00:00"))
    paid("2026-12-03T02:00:00", created_at=at("2026-11-03T00:00:00"))
    PaymentFactory(created_at=at("2026-11-03"))
    PaymentFactory(created_at=at("2026-11-03"), state=State.FAILED)
    PaymentFactory(created_at=at("2026-10-03"))
    found = figures(NOVEMBER, by="month")
    assert found.statuses == {Status.WAITING: 1, Status.PAID: 2, Status.FAILED: 1}
    assert (found.links, found.links_paid) == (3, 2)
    assert found.median_to_paid == (timedelta(minutes=30) + timedelta(days=30, hours=2)) / 2


def test_links_are_counted_in_a_range_without_ends_too():
    PaymentFactory(created_at=at("2026-11-03"))
    assert figures(Range(), by="month").statuses == {Status.WAITING: 1}


def test_a_project_can_be_told_by_itself():
    other = paid("2026-11-03", project="other")
    refund(other, "2026-11-04", "7")
    paid("2026-11-03", "40")
    found = figures(Range(NOVEMBER.since, NOVEMBER.until, "other"), by="day")
    assert (found.total.received, found.total.refunded, found.links) == (50, 7, 1)
    assert found.unpaid.received == 0


def test_what_waits_now_is_told_apart():
    PaymentFactory(partly_paid=True)
    PaymentFactory()
    PaymentFactory(state=State.FILLED, filled_usd=30, review="amount")
    paid("2026-11-03")
    now = figures(Range(until=date(2026, 11, 1)), by="day")
    assert (now.held.payments, now.held.received) == (1, 30)
    assert (now.open.payments, now.open.received, now.unpaid.received) == (2, 20, 50)
    assert now.statuses == {}


def test_open_ends_are_the_first_and_the_last_day():
    assert bounds(Range()) == Range()
    first = paid("2025-02-03", created_at=at("2025-02-01"))
    paid("2026-11-03")
    refund(first, "2026-11-20", "1")
    assert bounds(Range()) == Range(date(2025, 2, 1), date(2026, 11, 20))
    assert bounds(Range(until=date(2026, 1, 1))) == Range(date(2025, 2, 1), date(2026, 1, 1))


def test_an_open_end_never_lies_before_the_other_one():
    paid("2026-11-03")
    assert bounds(Range(since=date(2030, 1, 1))) == Range(date(2030, 1, 1), date(2030, 1, 1))
    assert bounds(Range(until=date(2020, 1, 1))) == Range(date(2020, 1, 1), date(2020, 1, 1))


def test_what_is_held_is_told_without_what_was_sent_back_of_it():
    held = PaymentFactory(state=State.FILLED, filled_usd=30, review="amount")
    refund(held, "2026-11-03", "12")
    partly = PaymentFactory(partly_paid=True)
    refund(partly, "2026-11-03", "5")
    found = figures(NOVEMBER, by="day")
    assert (found.held.net, found.open.net, found.unpaid.received) == (18, 15, 50)


@pytest.mark.parametrize(
    ("asked", "days", "by"),
    [("day", 400, "day"), ("day", 401, "month"), ("week", 2800, "week"), ("week", 2801, "month")],
)
def test_a_range_is_told_by_what_was_asked_for_unless_that_is_too_much(asked, days, by):
    since = date(2026, 1, 1)
    assert period_of(Range(since, since + timedelta(days=days - 1)), asked) == by


def test_the_longest_range_by_day_is_one_query():
    first, last = "2026-01-01T12:00:00", "2027-02-04T12:00:00"
    for moment in (first, last):
        refund(paid(moment), moment, "1")
    with statements() as captured:
        sums = figures(Range(), by="day").periods
    assert sum("UNION ALL" in one for one in captured) == 2, "payments and refunds"
    assert [(day, one.received, one.refunded) for day, one in sums.items()] == [
        (date(2026, 1, 1), 50, 1),
        (date(2027, 2, 4), 50, 1),
    ]


def test_a_clock_that_was_wrong_by_decades_hides_no_sums():
    """F68."""
    payment = paid("2026-11-03")
    refund(payment, "1970-01-02", "7")
    refund(payment, "2026-11-03", "1")
    total = figures(Range(), by="month").total
    assert (total.received, total.refunded) == (50, 8)


@pytest.mark.parametrize(("days", "by"), [(1, "day"), (45, "day"), (46, "week"), (200, "week"), (201, "month")])
def test_a_range_is_told_by_what_fits(days, by):
    since = date(2026, 1, 1)
    assert period_of(Range(since, since + timedelta(days=days - 1))) == by


def test_the_statements_do_not_grow_with_the_payments():
    counts = []
    for month in range(1, 4):
        for day in range(1, 9):
            refund(paid(f"2026-{month:02}-{day:02}"), f"2026-{month:02}-{day:02}", "1")
        with statements() as captured:
            figures(Range(), by="day")
        counts.append(len([one for one in captured if one.startswith("SELECT")]))
    assert len(set(counts)) == 1


# Agreement

USD = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(999), places=2)
DAY = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 3, 31)).map(str)
PAYMENTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["paid", "part", "held", "open", "late", "accepted", "failed", "closed", "withdrawn"]),
        "day": DAY,
        "usd": USD,
        "top_up": st.none() | USD,
        "refunds": st.lists(st.tuples(DAY, USD), max_size=2),
    }
)


def make(kind, day, usd, top_up, refunds):
    facts = {
        "paid": {"paid": True, "paid_at": at(day), "filled_usd": usd},
        "part": {"state": State.PARTIALLY_FILLED, "filled_usd": usd},
        "held": {"state": State.FILLED, "filled_usd": usd, "review": "amount"},
        "open": {},
        "late": {"state": State.CANCELED, "filled_usd": usd},
        "accepted": {"state": State.PARTIALLY_FILLED, "filled_usd": usd, "paid_at": at(day)},
        "failed": {"state": State.FAILED},
        "closed": {"state": State.CANCELED, "closed_at": at(day)},
        "withdrawn": {"withdrawn_at": at(day)},
    }[kind]
    payment = PaymentFactory(created_at=at(day), topped_up_usd=top_up or 0, **facts)
    if top_up is not None:
        PaymentFactory(parent=payment, state=State.FILLED, filled_usd=top_up, created_at=at(day))
    for moment, sent_back in refunds:
        if payment.net_usd >= sent_back:
            refund(payment, moment, sent_back)


class Agreement(TestCase):
    databases = "__all__"

    @given(st.lists(PAYMENTS, max_size=6))
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    def test_overview_file_and_payments_have_the_same_sums(self, payments):
        for model in (PaymentEvent, Refund):
            model.objects.all().delete()
        Payment.objects.exclude(parent=None).delete()
        Payment.objects.all().delete()
        for facts in payments:
            make(**facts)
        everything = figures(Range(), by="day")
        assert everything.total.net + everything.unpaid.received == Payment.objects.net_usd()
        assert sum(sums.net for sums in everything.periods.values()) == everything.total.net
        for of in (Range(), Range(date(2026, 2, 1), date(2026, 2, 28))):
            total = figures(of, by="month").total
            *rows, last = [json.loads(line) for line in as_jsonl(of_range(of))]
            assert [Decimal(last[name]) for name in ("received_usd", "refunded_usd", "net_usd")] == [
                total.received,
                total.refunded,
                total.net,
            ]
            assert sum(Decimal(row.get("net_usd", 0)) for row in rows) == total.net
            self.assert_links_are_counted(of)

    def assert_links_are_counted(self, of):
        found, everything = figures(of, by="month"), Payment.objects.filter(parent=None)
        opened = [
            row for row in everything if (of.since or date.min) <= of.day_of(row.created_at) <= (of.until or date.max)
        ]
        assert found.statuses == Counter(row.status for row in opened)
        assert found.links_paid == sum(row.is_paid for row in opened)
        waiting = [row for row in everything if row.is_open]
        assert (found.open.payments, found.open.received) == (len(waiting), sum(row.received_usd for row in waiting))
        held = [row for row in everything if row.is_held]
        assert (found.held.payments, found.held.received) == (len(held), sum(row.received_usd for row in held))
