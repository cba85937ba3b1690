"""Webhooks: a transition and a repetition, against a hand-written view that does the same and against an empty view.

    python -m benchmarks.webhook --payments 100000 --rounds 9

Twice: with the payload trusted (CONFIRM_WEBHOOKS is False), so that no call to PayRam is in the picture, and as is the
default, with PayRam asked, which answers at once here, against a view by hand that asks as well. The call is also
measured by itself, against bare requests.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import requests

from benchmarks import rows
from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Comparison, Results, at_least, compared
from benchmarks.measuring.rounds import interleaved
from benchmarks.measuring.statements import counted
from benchmarks.stage.environment import KEY
from benchmarks.stage.load import request, throughput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from benchmarks.stage.environment import Environment
    from benchmarks.stage.gunicorn import Shop

CONNECTIONS = 8
FLOOR_PATH, ASKING_FLOOR_PATH, PRODUCT_PATH = "/floor/webhook/", "/floor/asking-webhook/", "/payram/webhook/"
EMPTY_PATH, SELECT_PATH = "/ready/", "/asking/"
HEADERS = {"API-Key": KEY, "Content-Type": "application/json"}
MOST_STATEMENTS, REPETITION_STATEMENTS = 9, 1


def body(number: int) -> bytes:
    """Return what PayRam's servers of 2026 send when a payment is filled."""
    amount = str(rows.amount_usd(number))
    fields = {
        "reference_id": rows.reference(number),
        "invoice_id": rows.reference(number),
        "customer_id": rows.customer_id(number),
        "customer_email": "buyer@example.org",
        "status": "FILLED",
        "amount": amount,
        "currency": "USD",
        "filled_amount": amount,
        "filled_amount_in_usd": amount,
        "deposit_address": "0x2222222222222222222222222222222222222222",
        "timestamp": 1782000000,
        "payment_info": {},
    }
    return json.dumps(fields).encode()


def deliveries(path: str, numbers: Iterable[int]) -> list[bytes]:
    """Return one webhook for each payment."""
    return [request("POST", path, headers=HEADERS, body=body(number)) for number in numbers]


class Contest:
    """The contestants: each round takes payments that were not used before, and repeats them."""

    def __init__(self, environment: Environment, *, deliveries: int) -> None:
        self.environment, self.size = environment, deliveries
        self._last: dict[str, list[bytes]] = {}

    def transition(self, path: str) -> float:
        """Return transitions a second, a distinct payment each."""
        self._last[path] = deliveries(path, rows.opened(self.environment.database, self.size))
        return self._throughput(self._last[path])

    def confirmed(self, shop: Shop, path: str) -> float:
        """Return transitions a second, with PayRam asked about each payment."""
        numbers = rows.opened(self.environment.database, self.size, paid=True)
        return throughput(shop.url, deliveries(path, numbers), connections=CONNECTIONS)

    def repetition(self, path: str) -> float:
        """Return repetitions a second of what was delivered last."""
        return self._throughput(self._last[path])

    def _throughput(self, whole: list[bytes]) -> float:
        return throughput(self.environment.shop.url, whole, connections=CONNECTIONS)

    def measured(self, rounds: int) -> dict[str, list[float]]:
        """Run all rounds; repetitions are of payments that the warm-up and the round before have moved."""
        for path in (EMPTY_PATH, SELECT_PATH):
            self._last[path] = deliveries(path, range(1, self.size + 1))
        self.environment.payram.take(0)
        with self.environment.another_shop(CONFIRM_WEBHOOKS="true") as confirming:
            contestants = {
                "floor": lambda: self.transition(FLOOR_PATH),
                "product": lambda: self.transition(PRODUCT_PATH),
                "floor that asks": lambda: self.confirmed(self.environment.shop, ASKING_FLOOR_PATH),
                "product that asks": lambda: self.confirmed(confirming, PRODUCT_PATH),
                "floor again": lambda: self.repetition(FLOOR_PATH),
                "product again": lambda: self.repetition(PRODUCT_PATH),
                "empty": lambda: self.repetition(EMPTY_PATH),
                "one SELECT": lambda: self.repetition(SELECT_PATH),
            }
            return interleaved(contestants, rounds=rounds, title="webhook")


def bare_milliseconds(url: str, references: list[str]) -> float:
    """Return milliseconds for one answer of PayRam by bare requests, kept alive."""
    with requests.Session() as session:
        started = time.perf_counter()
        for reference in references:
            answer = session.get(
                f"{url}/api/v1/payment/reference/{reference}",
                headers={"API-Key": KEY},
                timeout=15,
                allow_redirects=False,
            )
            answer.json()
        return (time.perf_counter() - started) / len(references) * 1000


def client_milliseconds(references: list[str]) -> float:
    """Return milliseconds for one answer of PayRam by our client, read and checked."""
    from django_payram import conf  # noqa: PLC0415 - Django is set up only now
    from django_payram.gateway.client import client_for  # noqa: PLC0415

    client = client_for(conf.project())
    started = time.perf_counter()
    for reference in references:
        client.fetch(reference)
    return (time.perf_counter() - started) / len(references) * 1000


def confirming(environment: Environment, *, rounds: int, calls: int) -> Comparison:
    """Measure the fetch that confirms a webhook when its payload is not trusted, as is the default."""
    references = [rows.reference(number) for number in range(1, calls + 1)]
    environment.payram.take(0)
    measured = interleaved(
        {
            "floor": lambda: bare_milliseconds(environment.payram.url, references),
            "product": lambda: client_milliseconds(references),
        },
        rounds=rounds,
        title="confirming fetch",
    )
    return compared(
        "webhook",
        "the confirming fetch, by itself",
        "ms",
        product=measured["product"],
        floor=measured["floor"],
        floor_name="bare requests",
    )


def statements(environment: Environment) -> dict[str, int]:
    """Return the SQL statements of one webhook, by contestant, once content types are known to the process."""
    found = {}
    for name, path in {"floor": FLOOR_PATH, "product": PRODUCT_PATH}.items():
        first, number = rows.opened(environment.database, 2)
        counted("post", path, data=body(first), headers={"API-Key": KEY})
        found[name] = counted("post", path, data=body(number), headers={"API-Key": KEY})
        found[f"{name} again"] = counted("post", path, data=body(number), headers={"API-Key": KEY})
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument("--payments", type=positive, default=100_000, help="rows there are (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=9, help="rounds (default: %(default)s)")
    add_shared_arguments(parser)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what a run of all benchmarks takes as well."""
    parser.add_argument("--deliveries", type=positive, default=800, help="webhooks a round (default: %(default)s)")


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Compare webhooks with what a shop would write by hand."""
    rows.history(environment.database, upto=options.payments)
    sql = statements(environment)
    measured = Contest(environment, deliveries=options.deliveries).measured(options.rounds)
    facts = {"benchmark": "webhook", "unit": "/s", "payments": options.payments}
    by_hand = f"by hand, {sql['floor']} statements"
    return Results(
        comparisons=[
            compared(
                name="a transition, the payload trusted",
                product=measured["product"],
                floor=measured["floor"],
                floor_name=by_hand,
                goal=at_least(0.9),
                statements=sql["product"],
                most_statements=MOST_STATEMENTS,
                **facts,
            ),
            compared(
                name="a transition, PayRam asked",
                product=measured["product that asks"],
                floor=measured["floor that asks"],
                floor_name="by hand, asking as well",
                goal=at_least(0.95),
                **facts,
            ),
            compared(
                name="a repetition",
                product=measured["product again"],
                floor=measured["empty"],
                floor_name="an empty view",
                goal=at_least(0.6),
                statements=sql["product again"],
                most_statements=REPETITION_STATEMENTS,
                **facts,
            ),
            compared(
                name="a repetition",
                product=measured["product again"],
                floor=measured["one SELECT"],
                floor_name="a view with one bare SELECT",
                **facts,
            ),
            compared(
                name="a repetition",
                product=measured["product again"],
                floor=measured["floor again"],
                floor_name=f"by hand, {sql['floor again']} statements",
                goal=at_least(2),
                **facts,
            ),
            confirming(environment, rounds=options.rounds, calls=options.deliveries),
        ]
    )


BENCHMARK = Benchmark("webhook", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
