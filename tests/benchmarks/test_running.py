"""Every benchmark runs, on real servers, at a size at which its figures mean nothing."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from benchmarks import indexes, rows
from benchmarks.rows.facts import LATEST
from benchmarks.stage import postgresql
from benchmarks.stage.processes import run
from django_payram.models import Payment, PaymentEvent, Refund
from django_payram.models.states import AWAITING, FULLY_FILLED, State
from django_payram.payments import schedule

ROOT = Path(__file__).parents[2]
PAYMENTS = 12_000

pytestmark = pytest.mark.benchmarks

TINY = {
    "startup": "--starts 1",
    "webhook": "--payments 30 --rounds 1 --deliveries 8",
    "checkout": "--payments 30 --rounds 1 --orders 3",
    "resync": "--payments 3 30 --rounds 1 --seconds 0.05 --memory-asked 20",
    "indexes": "--payments 600 --rounds 1",
    "admin": "--payments 30 --few 3 --rounds 1 --clicks 1",
    "growth": "--payments 1000 --rounds 1 --deliveries 8 --orders 2 --seconds 0.05 --clicks 1 --memory-asked 20",
    "": "--payments 30 --rounds 1 --deliveries 8 --orders 2 --seconds 0.05 --clicks 1 --memory-asked 20 --starts 1",
}


def command(name, *options):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO_", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}".rstrip("."), *options],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("name", TINY, ids=lambda name: name or "all")
def test_a_benchmark_runs_and_keeps_its_figures(name, tmp_path):
    done = command(name, *TINY[name].split(), "--json", str(tmp_path / "figures.json"))
    assert done.returncode in (0, 1), done.stderr[-4000:]  # 1 is a goal that was missed
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["comparisons"]
    assert {one["is_met"] for one in figures["comparisons"]} <= {True, False, None}
    assert all(one["measured"] > 0 for one in figures["comparisons"])
    assert "Django" in done.stdout
    for one in figures["comparisons"]:
        if one["most_statements"] is not None:
            assert one["statements"] <= one["most_statements"], one


@pytest.mark.parametrize("name", TINY, ids=lambda name: name or "all")
def test_a_wrong_option_says_what_is_allowed(name):
    option = "--starts" if name == "startup" else "--rounds"
    done = command(name, option, "none")
    assert done.returncode == 2
    assert f"argument {option}: must be a whole number from 1 to 10000000" in done.stderr


def test_every_index_is_asked_for():
    tree = ast.parse(inspect.getsource(indexes.questions))
    names = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    asked = {name for name in names if str(name).startswith("payram_")}
    declared = {index.name for model in (Payment, PaymentEvent, Refund) for index in model._meta.indexes}
    assert asked == declared


# The rows


@pytest.fixture(scope="module")
def books():
    with postgresql() as server:
        environment = {"DJANGO_SETTINGS_MODULE": "benchmarks.floors.settings", "DATABASE_URL": server.url}
        migrated = run("django", "migrate", "--run-syncdb", "--verbosity=0", environment=environment)
        assert not migrated.returncode, migrated.stderr
        with psycopg.connect(server.url, autocommit=True, row_factory=namedtuple_row) as connection:
            rows.history(connection, upto=PAYMENTS // 10)
            rows.history(connection, upto=PAYMENTS)
            yield connection


def table(books, name):
    return books.execute(f"SELECT * FROM {name} ORDER BY id").fetchall()


def test_newer_payments_have_greater_keys_and_every_one_its_order(books):
    payments = table(books, "django_payram_payment")
    assert len(payments) == len(table(books, "floors_order")) == len(table(books, "floors_leanpayment")) == PAYMENTS
    assert [one.created_at for one in payments] == sorted(one.created_at for one in payments)
    for one in payments:
        number = LATEST - one.id
        assert one.order_id == str(number)
        assert one.customer_id == rows.customer_id(number)
        assert one.amount_usd == rows.amount_usd(number)
        assert one.reference == (rows.reference(number) if one.state != State.FAILED else None)


def test_states_are_as_in_a_shop_and_agree_with_the_rest_of_the_row(books):
    payments = table(books, "django_payram_payment")
    states = Counter(one.state for one in payments)
    assert states[State.FILLED] > PAYMENTS / 2
    assert min(states[state] for state in set(State) - {State.CREATING}) > 0
    for one in payments:
        filled = State(one.state) in FULLY_FILLED
        assert (one.paid_at is not None) is filled
        assert (one.filled_usd is not None) is (filled or one.state == State.PARTIALLY_FILLED)
        is_open = State(one.state) in AWAITING and one.closed_at is None
        assert (one.live_slot is not None) is is_open
        assert one.notified_state == one.state
        assert one.created_at <= one.updated_at


def test_what_is_still_on_the_schedule_has_its_next_check(books):
    now = books.execute("SELECT now()").fetchone()[0]
    for one in table(books, "django_payram_payment"):
        times = {name: getattr(one, name) for name in ("created_at", "updated_at", "paid_at", "closed_at")}
        # Old payments have been asked about often enough to leave the schedule.
        awaited = schedule.next_check(Payment(state=one.state, **times, checks=10_000), now=now) is not None
        if one.state == State.PARTIALLY_FILLED:
            continue
        assert (one.next_check_at is not None) is awaited, one


def test_events_show_the_way_to_each_state(books):
    timelines = defaultdict(list)
    for event in table(books, "django_payram_paymentevent"):
        timelines[event.payment_id].append(event)
    payments = table(books, "django_payram_payment")
    assert 2 * PAYMENTS < sum(map(len, timelines.values())) < 3 * PAYMENTS
    for one in payments:
        timeline = timelines[one.id]
        assert timeline[0].outcome == ("refused" if one.state == State.FAILED else "created")
        assert timeline[-1].state_after == one.state
        assert [event.created_at for event in timeline] == sorted(event.created_at for event in timeline)


def test_indexes_are_there_again_after_many_rows_came(books):
    def indexes():
        found = books.execute("SELECT indexname FROM pg_indexes WHERE tablename LIKE 'django_payram%'").fetchall()
        return {one.indexname for one in found}

    before = indexes()
    rows.history(books, upto=PAYMENTS + 60_000)
    assert indexes() == before


def test_payments_of_a_measurement_are_open_and_new(books):
    first, second = rows.opened(books, 3), rows.opened(books, 2, paid=True, due=True)
    assert (len(first), len(second)) == (3, 2)
    assert rows.opened(books, 1)[0] == first[-1] + 1
    found = books.execute(
        "SELECT state, next_check_at <= now() AS due FROM django_payram_payment WHERE id = ANY(%s) ORDER BY id",
        [[*first, *second]],
    ).fetchall()
    assert found == [("OPEN", False)] * 3 + [("OPEN", True)] * 2
