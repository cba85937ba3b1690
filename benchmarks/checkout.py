"""Checkout: open_payment for a new order, against a bare requests.post and one INSERT.

python -m benchmarks.checkout --payments 100000 --rounds 9

PayRam answers at once, so that what is left is the package's own time. The floor opens a connection for each call, as
requests.post does; the package keeps its connection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import requests

from benchmarks import rows
from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Results, at_most, compared
from benchmarks.measuring.rounds import interleaved
from benchmarks.measuring.statements import counted_in
from benchmarks.stage.environment import KEY

if TYPE_CHECKING:
    import argparse

    from benchmarks.floors.models import Order
    from benchmarks.stage.environment import Environment

MOST_MILLISECONDS = 5


def new_orders(count: int) -> list[Order]:
    """Insert orders that have no payment yet."""
    from benchmarks.floors.models import Order  # noqa: PLC0415 - Django is set up only now

    return Order.objects.bulk_create([Order() for _ in range(count)])


def by_hand(order: Order, url: str) -> None:
    """Ask PayRam for a link and insert one row."""
    from benchmarks.floors.models import LeanPayment  # noqa: PLC0415 - Django is set up only now

    fields = {"customerEmail": order.email, "customerId": str(order.pk), "amountInUSD": float(order.total)}
    answer = requests.post(f"{url}/api/v1/payment", json=fields, headers={"API-Key": KEY}, timeout=15).json()
    LeanPayment.objects.create(order=order, reference=answer["reference_id"], amount_usd=order.total, url=answer["url"])


def by_package(order: Order, url: str) -> None:  # noqa: ARG001 - both contestants are called alike
    """Open a payment."""
    from django_payram.payments import open_payment  # noqa: PLC0415 - Django is set up only now

    open_payment(order, amount=order.total, email=order.email)


def milliseconds(check_out, url: str, count: int) -> float:
    """Return the milliseconds of one checkout, the mean of many orders."""
    orders = new_orders(count)
    started = time.perf_counter()
    for order in orders:
        check_out(order, url)
    return (time.perf_counter() - started) / count * 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument("--payments", type=positive, default=100_000, help="rows there are (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=9, help="rounds (default: %(default)s)")
    add_shared_arguments(parser)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what a run of all benchmarks takes as well."""
    parser.add_argument("--orders", type=positive, default=100, help="checkouts a round (default: %(default)s)")


def measured(environment: Environment, *, rounds: int, orders: int) -> dict[str, list[float]]:
    """Return milliseconds of both contestants, round by round."""
    environment.payram.take(0)
    url = environment.payram.url
    return interleaved(
        {
            "floor": lambda: milliseconds(by_hand, url, orders),
            "product": lambda: milliseconds(by_package, url, orders),
        },
        rounds=rounds,
        title="checkout",
    )


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Compare checkouts."""
    rows.history(environment.database, upto=options.payments)
    found = measured(environment, rounds=options.rounds, orders=options.orders)
    (order,) = new_orders(1)
    comparison = compared(
        "checkout",
        "a link for a new order",
        "ms",
        product=found["product"],
        floor=found["floor"],
        floor_name="bare requests.post and one INSERT",
        kind="difference",
        goal=at_most(MOST_MILLISECONDS),
        statements=counted_in(lambda: by_package(order, environment.payram.url)),
        payments=options.payments,
    )
    return Results(comparisons=[comparison])


BENCHMARK = Benchmark("checkout", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
