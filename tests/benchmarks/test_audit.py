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

from benchmarks.audit import Finding, ShopRows, audit_rows
from benchmarks.chaos import __main__ as chaos
from benchmarks.chaos.customers import ACTS
from benchmarks.chaos.day import Ledger
from benchmarks.chaos.faults import PAYRAM_FAULTS
from benchmarks.chaos.plan import HISTORIES, draw
from benchmarks.chaos.report import DeliveryLog, Report, read_delivery_log
from benchmarks.chaos.settling import Settled
from django_payram.sandbox import FAULTS

ROOT = Path(__file__).parents[2]


class ShopDatabase:
    """Three orders as they should be: one paid, one topped up under a new reference, one canceled."""

    def __init__(self):
        self.orders, self.payments, self.signals, self.truth, self.kept = [], [], [], [], set()
        self.add("paid", [("FILLED", "50")], signals=["payment_paid"])
        self.add("paid", [("PARTIALLY_FILLED", "20"), ("FILLED", "30")], signals=["payment_paid"])
        self.add("canceled", [("CANCELLED", "0")], signals=["payment_canceled"])
        self.add("new", [("PARTIALLY_FILLED", "20")], signals=[])
        self.add("new", [("OPEN", "0")], signals=[])
        self.refunds = []
        self.add_parcel(2, refunds=[3, 2])

    def add_parcel(self, order, *, refunds):
        """A second bill of a paid order, of which parts were sent back."""
        self.add(None, [("FILLED", "7")], signals=["payment_paid", *["payment_refunded"] * len(refunds)], order=order)
        parcel = self.payments[-1]
        parcel |= {"purpose": "parcel", "amount_usd": 7, "refunded_usd": sum(refunds)}
        self.refunds = [{"token": parcel["token"], "amount_usd": amount} for amount in refunds]

    def add(self, status, links, *, signals, order=None):
        if order is None:
            order = len(self.orders) + 1
            self.orders.append({"id": order, "status": status, "total": 50})
        suffix = "" if status else "-parcel"
        for number, (state, filled) in enumerate(links):
            token, reference = uuid.uuid4(), f"reference-{order}-{number}{suffix}"
            self.payments.append(
                {
                    "order_id": str(order),
                    "token": token,
                    "reference": reference,
                    "customer_id": f"shop.order-{order}{suffix}",
                    "state": state.replace("CANCELLED", "CANCELED"),
                    "filled_usd": int(filled) or None,
                    "reviews_raised": [],
                    "undelivered": [],
                    "next_check_at": "soon",
                }
            )
            self.truth.append(
                {
                    "reference": reference,
                    "customer_id": f"shop.order-{order}{suffix}",
                    "invoice_id": reference if number else str(token),
                    "state": state,
                    "filled_usd": filled,
                }
            )
        token = self.payments[-len(links)]["token"]
        self.signals += [{"order_id": order, "signal": signal, "payment": token} for signal in signals]

    def books(self):
        return ShopRows(*deepcopy([self.orders, self.payments, self.signals, self.kept, self.refunds]))

    def findings(self, *others):
        truth = [*self.truth, *(one for other in others for one in other.truth)]
        found = audit_rows([self.books(), *(other.books() for other in others)], deepcopy(truth))
        return {(one.subject, one.kind) for one in found}


@pytest.fixture
def books():
    return ShopDatabase()


def test_a_right_ledger_has_no_findings(books):
    assert books.findings() == set()


SPOILT = {
    "an order that nobody paid is paid": (lambda b: b.orders[3].update(status="paid"), (4, "wrong")),
    "a paid order does not know": (lambda b: b.orders[0].update(status="new"), (1, "wrong")),
    "payment_paid came twice": (lambda b: b.signals.append(dict(b.signals[0])), (1, "twice")),
    "payment_paid never came": (lambda b: b.signals.pop(0), (1, "wrong")),
    "payment_paid came for nothing": (
        lambda b: b.signals.append({"order_id": 4, "signal": "payment_paid", "payment": "x"}),
        (4, "wrong"),
    ),
    "payment_canceled came twice": (lambda b: b.signals.append(dict(b.signals[2])), (3, "twice")),
    "a dead order still waits": (lambda b: b.orders[2].update(status="new"), (3, "wrong")),
    "a state fell": (lambda b: b.payments[0].update(state="OPEN"), (1, "wrong")),
    "a sum is missing": (lambda b: b.payments[1].update(filled_usd=None), (2, "wrong")),
    "a cent too much is recorded": (lambda b: b.payments[3].update(filled_usd=1), (3, "wrong")),
    "a top-up is unknown": (lambda b: b.payments.pop(2), (2, "lost")),
    "an announcement is left": (
        lambda b: b.payments[0].update(undelivered=["payment_paid"]),
        (1, "undelivered"),
    ),
    "a parcel is not announced": (lambda b: b.signals.pop(-3), (2, "wrong")),
    "a parcel is announced as the order": (lambda b: b.signals.append(dict(b.signals[-3])), (2, "twice")),
    "a refund was announced twice": (lambda b: b.signals.append(dict(b.signals[-1])), (2, "twice")),
    "a refund was not announced": (lambda b: b.signals.pop(), (2, "untold")),
    "a refund is not counted": (lambda b: b.payments[-1].update(refunded_usd=3), (2, "wrong")),
    "more was sent back than came": (
        lambda b: (b.refunds.append({**b.refunds[0], "amount_usd": 30}), b.payments[-1].update(refunded_usd=35)),
        (2, "wrong"),
    ),
    "a withdrawn link was announced as dead": (
        lambda b: b.payments[3].update(withdrawn_at=1, closed_at=2),
        (3, "wrong"),
    ),
    "an open link left the schedule": (lambda b: b.payments[5].update(next_check_at=None), (5, "wrong")),
    "PayRam canceled and nobody saw": (lambda b: b.truth[5].update(state="CANCELLED"), (5, "wrong")),
    "PayRam was paid and nobody saw": (lambda b: b.truth[5].update(state="FILLED", filled_usd="50"), (5, "wrong")),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_thing_that_is_wrong_is_found(books, name):
    spoil, (order, kind) = SPOILT[name]
    spoil(books)
    found = books.findings()
    assert (f"Order {order}", kind) in found
    assert {subject for subject, _kind in found} == {f"Order {order}"}


def test_a_second_paid_link_must_be_flagged(books):
    books.add("paid", [("FILLED", "50")], signals=["payment_paid"])
    books.truth.append({**books.truth[-1], "reference": "second", "invoice_id": str(uuid.uuid4())})
    books.payments.append({**books.payments[-1], "reference": "second", "token": books.truth[-1]["invoice_id"]})
    assert books.findings() == {("Order 6", "wrong")}
    books.payments[-1]["reviews_raised"] = ["duplicate"]
    assert books.findings() == set()


def test_an_expired_link_with_money_on_it_is_partly_paid(books):
    books.truth[4].update(state="CANCELLED")
    assert books.findings() == set()


def test_orders_of_one_person_are_distinguished_by_invoice(books):
    for one in (*books.truth, *books.payments):
        one["customer_id"] = "one-person"
    books.truth.pop(2)
    books.payments.pop(2)
    assert {subject for subject, _kind in books.findings()} == {"Order 2"}  # whose top-up is gone


def test_an_end_that_was_told_where_there_were_no_receivers_is_named_apart(books):
    books.orders[2].update(status="new")
    books.signals.pop(2)
    assert books.findings() == {("Order 3", "untold")}


def forget(books, number):
    """Let the shop forget the payment, as if its database had been restored."""
    [gone] = [one for one in books.payments if one["reference"] == f"reference-{number}-0"]
    books.payments.remove(gone)
    books.orders[number - 1].update(status="new")
    books.signals = [one for one in books.signals if one["order_id"] != number]
    return gone["reference"]


def test_money_for_no_order_must_be_flagged(books):
    reference = forget(books, 1)
    assert books.findings() == {(reference, "unflagged")}
    books.kept.add(reference)
    assert books.findings() == set()


@pytest.mark.parametrize("reviews", [[], ["orphan"]])
def test_money_for_a_deleted_order_must_be_flagged(books, reviews):
    gone = books.orders.pop(0)
    books.signals = [one for one in books.signals if one["order_id"] != gone["id"]]
    books.payments[0].update(reviews_raised=reviews)
    assert books.findings() == (set() if reviews else {("reference-1-0", "unflagged")})


def test_each_of_two_shops_has_its_own_payments(books):
    other = ShopDatabase()
    for one in (*other.payments, *other.truth):
        one["reference"] = f"other-{one['reference']}"
        one["customer_id"] = f"other-{one['customer_id']}"
    for one in other.truth:
        if one["invoice_id"].startswith("reference"):
            one["invoice_id"] = one["reference"]
    assert books.findings(other) == set()
    other.payments[0].update(filled_usd=None)
    books.orders[3].update(status="paid")
    assert books.findings(other) == {("Order 1", "wrong"), ("Order 4", "wrong")}


def test_what_payram_said_before_it_was_set_back_is_the_truth():
    ledger = Ledger()
    ledger.remember([{"reference": "a", "state": "FILLED"}, {"reference": "b", "state": "OPEN"}])
    found = ledger.truth([{"reference": "a", "state": "OPEN"}, {"reference": "c", "state": "FILLED"}])
    assert {one["reference"]: one["state"] for one in found} == {"a": "FILLED", "b": "OPEN", "c": "FILLED"}


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
        "settled": Settled(1, 0),
        "payments": 5,
        "paid": 2,
        "deliveries": DeliveryLog(Counter(), Counter({200: 4}), 0),
    }
    return Report(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"findings": [Finding("Order 3", "twice", "payment_paid came 2 times.")]}, 1),
        ({"findings": [Finding("Order 3", "wrong", "it is new, and PayRam says that all is paid.")]}, 1),
        ({"deliveries": DeliveryLog(Counter(), Counter({500: 1}), 1)}, 1),
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
    post = read_delivery_log(log)
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


def test_without_webhooks_nobody_does_what_only_those_tell():
    assert "pays the rest under a new reference" not in {plan.history for plan in draw(500, seed=7, webhooks=False)}


def test_the_seed_draws_the_customers():
    assert draw(500, seed=7) == draw(500, seed=7) != draw(500, seed=8)
    assert {plan.history for plan in draw(500, seed=7)} == set(HISTORIES) == set(ACTS)
    assert [plan.number for plan in draw(500, seed=7)] == list(range(500))
    people = Counter(plan.person for plan in draw(500, seed=7) if plan.person)
    assert set(people.values()) == {2}


def test_every_fault_of_the_sandbox_takes_part_in_chaos():
    assert set(PAYRAM_FAULTS) == set(FAULTS)
