"""The figures of the page on scheduling are those of the schedule."""

from __future__ import annotations

import re
from datetime import timedelta

import docutils.nodes
import pytest
from django.utils import timezone

from django_payram.models import State
from django_payram.payments import schedule
from django_payram.testing.factories import PaymentFactory
from tests.docs.pages import DOCS, tree

TEXT = (DOCS / "scheduling.rst").read_text()
TREE = tree("docs/scheduling.rst")
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
OF_PAGE = {
    "CREATING, OPEN": schedule.LINK,
    "PARTIALLY_FILLED, or money on the chain": schedule.MONEY_MOVING,
    "CANCELED": schedule.CANCELED,
    "FILLED, OVER_FILLED": schedule.SETTLED,
}


def duration(text):
    number, unit = text.split()
    return int(number) * UNITS[unit.removesuffix("s")]


def rows():
    """Yield the rows of the page's table of tiers: payments, age, interval, requests an hour."""
    tables = [table for table in TREE.findall(docutils.nodes.table) if "asked every" in table.astext()]
    name = ""
    for row in list(tables[0].findall(docutils.nodes.row))[1:]:
        first, *rest = (cell.astext() for cell in row.children)
        name = first or name
        yield name, *rest


def test_the_table_has_every_tier():
    listed = {name: [] for name in OF_PAGE}
    for name, age, interval, hourly in rows():
        listed[name].append((duration(age), duration(interval)))
        assert int(hourly.replace(",", "")) == round(1000 * UNITS["hour"] / duration(interval))
    assert listed == {name: [tier[:2] for tier in tiers] for name, tiers in OF_PAGE.items()}
    # FAILED payments have none, as the page says.
    assert {tiers for tiers in schedule.TIERS.values() if tiers} == set(OF_PAGE.values())


def test_the_least_numbers_of_checks_are_named():
    numbers = re.search(r"(\d+) times while it may still be paid, (\d+) times once it is canceled, twice once", TEXT)
    least = [tiers[-1].checks for tiers in OF_PAGE.values()]
    assert least == [int(numbers[1]), int(numbers[1]), int(numbers[2]), 2]


def checks(payment, *, start, changes):
    """Return how often a payment is asked about; ``changes`` are made at their ages, in their order."""
    count, now = 0, start
    while (due := schedule.next_check(payment, now=now)) is not None:
        now = due
        count += 1
        payment.checks += 1
        while changes and now - start >= changes[0][0]:
            for name, value in changes.pop(0)[1].items():
                setattr(payment, name, value)
    return count


@pytest.mark.parametrize("paid", [False, True])
def test_the_sums_of_the_page_are_right(paid):
    start = timezone.now()
    payment = PaymentFactory.build(created_at=start, updated_at=start)
    if paid:
        at, said = 10 * UNITS["minute"], r"paid after ten minutes is asked about (\d+) times"
        news = {"state": State.FILLED, "paid_at": start + at, "closed_at": start + at, "checks": 0}
    else:
        at, said = UNITS["day"], r"canceled by\s+PayRam after a day, is asked about (\d+) times"
        news = {"state": State.CANCELED, "closed_at": start + at, "checks": 0}
    count = checks(payment, start=start, changes=[(at, news)])
    assert count == int(re.search(said, TEXT)[1])
    if not paid:
        hourly = re.search(r"100 such links an hour, day and night, comes to\s+([\d,]+) requests an hour", TEXT)[1]
        assert int(hourly.replace(",", "")) == 100 * count
