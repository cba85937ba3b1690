"""The page on scheduling says what the schedule does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatch

import pytest
import yaml

from django_payram import tasks
from django_payram.models import Payment, State
from django_payram.payments import schedule
from django_payram.polling import worker
from django_payram.polling.circuit_breaker import FAILURES_IN_A_ROW
from tests.docs import pages

TEXT = (pages.DOCS / "scheduling.rst").read_text()
CELERY = (pages.DOCS / "howto" / "celery.rst").read_text()
_head, *SCHEDULE = pages.table(pages.section("docs/scheduling.rst", "How often PayRam is asked"))
_head, *TASKS = pages.table(pages.section("docs/howto/celery.rst", "The tasks"))
UNITS = {"minute": schedule.MINUTE, "hour": schedule.HOUR, "day": schedule.DAY}


def span(text):
    number, unit = text.split()
    return int(number) * UNITS[unit.removesuffix("s")]


def tiers():
    """Return the table's tiers by the words of its first column."""
    found, words = {}, ""
    for first, until, interval, requests in SCHEDULE:
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
    text = " ".join(f"{TEXT} {CELERY}".split())
    assert f"calls at a time ({worker.DEFAULT_THREADS})" in text
    assert f"no call after {worker.ASK_SECONDS} seconds" in text
    assert f"kept webhooks for at most {worker.KEPT_WEBHOOK_SECONDS} seconds" in text
    assert f"receivers for at most {worker.NOTIFY_SECONDS} seconds" in text
    assert (FAILURES_IN_A_ROW, "ten calls in a row" in text) == (10, True)
    assert timedelta(minutes=5) == schedule.RETRY


def test_the_schedule_starts_the_tasks_that_there_are():
    page = {}
    exec(pages.named("docs/howto/celery.rst")["a schedule"], page)
    names = {task.name for task in (tasks.resync, tasks.prune)}
    assert {entry["task"] for entry in page["CELERY_BEAT_SCHEDULE"].values()} == names
    assert {name for name, _what in TASKS} == names


def test_a_queue_takes_all_of_them():
    page = {}
    exec(pages.named("docs/howto/celery.rst")["a queue of their own"], page)
    (pattern,) = page["CELERY_TASK_ROUTES"]
    assert all(fnmatch(task.name, pattern) for task in (tasks.resync, tasks.prune))


@pytest.mark.parametrize("number", range(2))
def test_the_manifests_are_yaml(number):
    manifest = yaml.safe_load(pages.blocks("docs/howto/kubernetes.rst")[number].text)
    assert manifest["kind"] == ("CronJob", "Deployment")[number]
