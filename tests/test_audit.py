"""The checker of the chaos run finds each thing that could be wrong, and nothing where all is right."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest

from benchmarks.audit import Finding, audit_books
from benchmarks.chaos import __main__ as chaos
from benchmarks.chaos.calm import Calm
from benchmarks.chaos.customers import ACTS
from benchmarks.chaos.faults import MISBEHAVIOURS
from benchmarks.chaos.plan import HISTORIES, draw
from benchmarks.chaos.report import Post, Report, read_post
from django_payram.sandbox import KINDS

ROOT = Path(__file__).parent.parent


class Books:
    """Three orders as they should be: one paid, one topped up under a new reference, one canceled."""

    def __init__(self):
        self.orders, self.payments, self.told, self.truth = [], [], [], []
        self.add("paid", [("FILLED", "50")], told=["payment_paid"])
        self.add("paid", [("PARTIALLY_FILLED", "20"), ("FILLED", "30")], told=["payment_paid"])
        self.add("canceled", [("CANCELLED", "0")], told=["payment_canceled"])
        self.add("new", [("PARTIALLY_FILLED", "20")], told=[])
        self.add("new", [("OPEN", "0")], told=[])

    def add(self, status, links, *, told):
        order = len(self.orders) + 1
        self.orders.append({"id": order, "status": status, "total": 50})
        for number, (state, filled) in enumerate(links):
            token, reference = uuid.uuid4(), f"reference-{order}-{number}"
            self.payments.append(
                {
                    "order_id": str(order),
                    "token": token,
                    "reference": reference,
                    "customer_id": f"shop.order-{order}",
                    "state": state.replace("CANCELLED", "CANCELED"),
                    "filled_usd": int(filled) or None,
                    "raised": "",
                    "pending": "",
                    "next_check_at": "soon",
                }
            )
            self.truth.append(
                {
                    "reference": reference,
                    "customer_id": f"shop.order-{order}",
                    "invoice_id": reference if number else str(token),
                    "state": state,
                    "filled_usd": filled,
                }
            )
        token = self.payments[-len(links)]["token"]
        self.told += [{"order_id": order, "signal": signal, "payment": token} for signal in told]

    def findings(self):
        found = audit_books(*deepcopy([self.orders, self.payments, self.told, self.truth]))
        return {(one.order, one.kind) for one in found}


@pytest.fixture
def books():
    return Books()


def test_right_books_have_no_findings(books):
    assert books.findings() == set()


SPOILT = {
    "an order that nobody paid is paid": (lambda b: b.orders[3].update(status="paid"), (4, "wrong")),
    "a paid order does not know": (lambda b: b.orders[0].update(status="new"), (1, "wrong")),
    "payment_paid came twice": (lambda b: b.told.append(dict(b.told[0])), (1, "twice")),
    "payment_paid never came": (lambda b: b.told.pop(0), (1, "wrong")),
    "payment_paid came for nothing": (
        lambda b: b.told.append({"order_id": 4, "signal": "payment_paid", "payment": "x"}),
        (4, "wrong"),
    ),
    "payment_canceled came twice": (lambda b: b.told.append(dict(b.told[2])), (3, "twice")),
    "a dead order still waits": (lambda b: b.orders[2].update(status="new"), (3, "wrong")),
    "a state fell": (lambda b: b.payments[0].update(state="OPEN"), (1, "wrong")),
    "a sum is missing": (lambda b: b.payments[1].update(filled_usd=None), (2, "wrong")),
    "a cent too much is recorded": (lambda b: b.payments[3].update(filled_usd=1), (3, "wrong")),
    "a top-up is unknown": (lambda b: b.payments.pop(2), (2, "lost")),
    "an announcement is left": (lambda b: b.payments[0].update(pending="payment_paid"), (1, "pending")),
    "an open link left the schedule": (lambda b: b.payments[5].update(next_check_at=None), (5, "wrong")),
    "PayRam canceled and nobody saw": (lambda b: b.truth[5].update(state="CANCELLED"), (5, "wrong")),
    "PayRam was paid and nobody saw": (lambda b: b.truth[5].update(state="FILLED", filled_usd="50"), (5, "wrong")),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_thing_that_is_wrong_is_found(books, name):
    spoil, expected = SPOILT[name]
    spoil(books)
    found = books.findings()
    assert expected in found
    assert {order for order, _kind in found} == {expected[0]}


def test_a_second_paid_link_must_be_flagged(books):
    books.add("paid", [("FILLED", "50")], told=["payment_paid"])
    books.truth.append({**books.truth[-1], "reference": "second", "invoice_id": str(uuid.uuid4())})
    books.payments.append({**books.payments[-1], "reference": "second", "token": books.truth[-1]["invoice_id"]})
    assert books.findings() == {(6, "wrong")}
    books.payments[-1]["raised"] = "duplicate"
    assert books.findings() == set()


def test_an_expired_link_with_money_on_it_is_partly_paid(books):
    books.truth[4].update(state="CANCELLED")
    assert books.findings() == set()


def test_orders_of_one_person_are_told_apart_by_invoice(books):
    for one in (*books.truth, *books.payments):
        one["customer_id"] = "one-person"
    books.truth.pop(2)
    books.payments.pop(2)
    assert {order for order, _kind in books.findings()} == {2}  # whose top-up is gone


# The run


def report(**changes):
    facts = {
        "seed": 1,
        "orders": 5,
        "workers": 2,
        "seconds": 2.0,
        "histories": Counter(),
        "customers": Counter(),
        "faults": Counter(),
        "resyncs": Counter(),
        "calm": Calm(1, 0),
        "payments": 5,
        "paid": 2,
        "post": Post(Counter(), Counter({200: 4}), 0),
    }
    return Report(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"findings": [Finding(3, "twice", "payment_paid came 2 times.")]}, 1),
        ({"findings": [Finding(3, "wrong", "it is new, and PayRam says that all is paid.")]}, 1),
        ({"post": Post(Counter(), Counter({500: 1}), 1)}, 1),
    ],
)
def test_any_finding_makes_the_run_fail_and_is_printed(monkeypatch, capsys, changes, code):
    made = report(**changes)
    monkeypatch.setattr(chaos, "run", lambda options, folder: made)
    for json_wanted in (False, True):
        monkeypatch.setattr(sys, "argv", ["chaos", *(["--json"] if json_wanted else [])])
        assert chaos.main() == code
        said = capsys.readouterr().out
        for finding in made.findings:
            assert finding.text in said
    assert json.loads(said)["verdict"]["orders wrong"] == made.verdicts["wrong"]


def test_a_500_is_explained_by_a_receiver_only(tmp_path):
    log = tmp_path / "post"
    lines = [
        {"fate": "lost"},
        {"status": 200},
        {"status": 500, "text": '{"message": "The payment was recorded, but a receiver of the shop failed."}'},
        {"status": 500, "text": "<h1>Server Error (500)</h1>"},
        {"status": None},
    ]
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"sta')
    post = read_post(log)
    assert post.fates == {"lost": 1}
    assert post.answers == {200: 1, 500: 2, None: 1}
    assert post.unexplained == 1


@pytest.mark.parametrize(
    "option", ["--payments=0", "--payments=many", "--workers=-1", "--at-once=1.5", "--fault-every=0", "--unknown"]
)
def test_a_bad_option_is_named(option):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", option], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert option.partition("=")[0] in run.stderr
    assert "Traceback" not in run.stderr


def test_the_seed_draws_the_customers():
    assert draw(500, seed=7) == draw(500, seed=7) != draw(500, seed=8)
    assert {plan.history for plan in draw(500, seed=7)} == set(HISTORIES) == set(ACTS)
    assert [plan.number for plan in draw(500, seed=7)] == list(range(500))
    people = Counter(plan.person for plan in draw(500, seed=7) if plan.person)
    assert set(people.values()) == {2}


def test_every_misbehaviour_of_payram_may_strike():
    assert set(MISBEHAVIOURS) == set(KINDS)
