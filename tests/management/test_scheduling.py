"""The page on scheduling says what the schedule does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest
import yaml

from django_payram import tasks
from django_payram.models import Payment, State
from django_payram.payments import schedule
from django_payram.polling import worker
from django_payram.polling.circuit_breaker import FAILURES_IN_A_ROW
from tests.docs import test_readme

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "scheduling.rst").read_text()
TREE = docutils.core.publish_doctree(TEXT, settings_overrides={"report_level": 2, "halt_level": 2})
UNITS = {"minute": schedule.MINUTE, "hour": schedule.HOUR, "day": schedule.DAY}


def table(title):
    """Return the cells of the first table of a section, row by row, without its head."""
    for section in TREE.findall(docutils.nodes.section):
        if section.next_node(docutils.nodes.title).astext() == title:
            rows = section.next_node(docutils.nodes.tbody).findall(docutils.nodes.row)
            return [[cell.astext() for cell in row.findall(docutils.nodes.entry)] for row in rows]
    raise LookupError(title)


def blocks(language):
    found = TREE.findall(docutils.nodes.literal_block)
    return [block.astext() for block in found if language in block["classes"]]


def span(text):
    number, unit = text.split()
    return int(number) * UNITS[unit.removesuffix("s")]


def tiers():
    """Return the table's tiers by the words of its first column."""
    found, words = {}, ""
    for first, until, interval, requests in table("How often PayRam is asked"):
        words = first or words
        found.setdefault(words, []).append((span(until), span(interval), int(requests.replace(",", ""))))
    return found


def test_the_table_is_the_schedules():
    documented = {}
    for words, rows in tiers().items():
        for name in re.findall(r"[A-Z_]{4,}", words):
            documented[State(name)] = tuple((until, interval) for until, interval, _requests in rows)
    used = {state: tuple(tier[:2] for tier in tiers) for state, tiers in schedule.TIERS.items() if tiers}
    assert documented == used
    assert schedule.TIERS[State.PARTIALLY_FILLED] == schedule.MONEY_MOVING
    assert "money on the chain" in " ".join(tiers())


def test_the_requests_follow_from_the_intervals():
    for rows in tiers().values():
        for _until, interval, requests in rows:
            assert requests == round(1000 * timedelta(hours=1) / interval)


def asked(state, *, since, start, end):
    """Return how often a payment is asked about from ``start`` until ``end``, and when the next time is."""
    times, now = 0, start
    while now is not None and now < end:
        payment = Payment(state=state, created_at=since, updated_at=since, checks=times)
        now = schedule.next_check(payment, now=now)
        times += now is not None
    return times


def test_the_examples_are_right():
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    day, minute, end = timedelta(days=1), timedelta(minutes=1), start + timedelta(days=400)
    unpaid = asked(State.OPEN, since=start, start=start, end=start + day)
    unpaid += asked(State.CANCELED, since=start + day, start=start + day, end=end)
    paid = asked(State.OPEN, since=start, start=start, end=start + 10 * minute)
    paid += asked(State.FILLED, since=start + 10 * minute, start=start + 10 * minute, end=end)
    text = " ".join(TEXT.split())
    assert f"is asked about {unpaid} times in half a year" in text
    assert f"comes to {100 * unpaid:,} requests an hour, {round(100 * unpaid / 3600)} a second" in text
    assert f"after ten minutes is asked about {paid} times" in text
    assert f"are at most 60,000 requests an hour, {round(60_000 / 3600)} a second" in text


def test_the_numbers_of_the_tasks_are_theirs():
    text = " ".join(TEXT.split())
    assert f"calls at a time ({worker.DEFAULT_THREADS})" in text
    assert f"no call after {worker.ASK_SECONDS} seconds" in text
    assert f"for at most {worker.NOTIFY_SECONDS} seconds" in text
    assert (FAILURES_IN_A_ROW, "ten calls in a row" in text) == (10, True)
    assert timedelta(minutes=5) == schedule.RETRY


def test_the_schedule_is_the_readmes():
    readme, page = {}, {}
    exec(test_readme.BLOCKS["a schedule"], readme)
    exec(blocks("python")[0], page)
    assert page["CELERY_BEAT_SCHEDULE"] == readme["CELERY_BEAT_SCHEDULE"]
    assert {name for name, _what in table("Celery")} == {task.name for task in (tasks.resync, tasks.prune)}


@pytest.mark.parametrize("number", range(2))
def test_the_manifests_are_yaml(number):
    manifest = yaml.safe_load(blocks("yaml")[number])
    assert manifest["kind"] == ("CronJob", "Deployment")[number]
