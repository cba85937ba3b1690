"""Growth: webhooks, checkout, resync, memory and the admin's pages at ever more payments, tenfold each time.

python -m benchmarks.growth --payments 1000000

What takes time in proportion to the logarithm of the payments at most doubles from a thousand to a million of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import admin, checkout, resync, rows, webhook
from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Comparison, Curve, Results, at_most

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from benchmarks.stage.environment import Environment

RUNGS = 4
LOGARITHMIC = 2
"""log(1,000,000) / log(1,000)."""

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Rung:
    """Everything that was measured at one number of payments."""

    payments: int
    webhook: Figures
    checkout: Figures
    resync: Figures
    admin: Figures
    megabytes: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument("--payments", type=positive, default=1_000_000, help="at the end (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds at each size (default: %(default)s)")
    webhook.add_shared_arguments(parser)
    checkout.add_shared_arguments(parser)
    resync.add_shared_arguments(parser)
    admin.add_shared_arguments(parser)


def sizes(payments: int) -> list[int]:
    """Return the numbers of payments, tenfold each time up to the last."""
    return sorted({max(1, payments // 10**power) for power in range(RUNGS)})


def climb(options: argparse.Namespace, environment: Environment) -> list[Rung]:
    """Measure at every size."""
    return [_rung(size, options, environment) for size in sizes(options.payments)]


def _rung(size: int, options: argparse.Namespace, environment: Environment) -> Rung:
    rows.history(environment.database, upto=size)
    # Before the others, which leave behind what a database tidies up by itself, given time.
    pages = admin.measured(admin.Visitor(environment, clicks=options.clicks), rounds=options.rounds)
    megabytes = resync.megabytes(environment, asked=options.memory_asked)
    return Rung(
        payments=size,
        webhook=webhook.Contest(environment, deliveries=options.deliveries).measured(options.rounds),
        checkout=checkout.measured(environment, rounds=options.rounds, orders=options.orders),
        resync=resync.measured(
            environment, latency_ms=0, threads=8, rounds=options.rounds, seconds=options.seconds, news=options.news
        ),
        admin=pages,
        megabytes=megabytes,
    )


def _milliseconds(per_second: list[float]) -> float:
    return 1000 / median(per_second)


# (group, name, unit, value of a rung). Throughputs are shown as the time for one, so that every curve should be flat.
CURVES: list[tuple[str, str, str, Callable[[Rung], float]]] = [
    ("webhook", "a transition", "ms", lambda rung: _milliseconds(rung.webhook["product"])),
    ("webhook", "a transition, by hand", "ms", lambda rung: _milliseconds(rung.webhook["floor"])),
    ("webhook", "a repetition", "ms", lambda rung: _milliseconds(rung.webhook["product again"])),
    ("webhook", "an empty view", "ms", lambda rung: _milliseconds(rung.webhook["empty"])),
    ("checkout", "a link for a new order", "ms", lambda rung: median(rung.checkout["product"])),
    ("checkout", "bare requests.post and one INSERT", "ms", lambda rung: median(rung.checkout["floor"])),
    ("resync", "one payment, 8 threads", "ms", lambda rung: _milliseconds(rung.resync["product"])),
    ("resync", "bare requests", "ms", lambda rung: _milliseconds(rung.resync["floor"])),
    ("memory", "payram_resync", "MB", lambda rung: rung.megabytes),
]
PLAIN = {"plain": "the plain list", "plain, filtered": "the plain list, filtered"}
OURS = ("a transition", "a repetition", "a link for a new order", "one payment, 8 threads")


def curves(rungs: list[Rung]) -> list[Curve]:
    """Return every curve."""
    pages = [name for name in rungs[-1].admin if all(name in rung.admin for rung in rungs)]
    return [
        *(
            Curve(name, unit, [(rung.payments, value(rung)) for rung in rungs], group)
            for group, name, unit, value in CURVES
        ),
        *(
            Curve(PLAIN.get(name, name), "ms", [(rung.payments, median(rung.admin[name])) for rung in rungs], "admin")
            for name in pages
        ),
    ]


def compare(found: list[Curve]) -> list[Comparison]:
    """Return how many times the time at the fewest payments each thing takes at the most."""
    return [
        Comparison(
            benchmark="growth",
            name=curve.name,
            unit=curve.unit,
            measured=curve.points[-1][1],
            floor_name=f"at {curve.points[0][0]:,} payments",
            floor=curve.points[0][1],
            value=curve.growth,
            goal=at_most(LOGARITHMIC),
            payments=curve.points[-1][0],
        )
        for curve in found
        if curve.name in OURS
    ]


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Climb, and return the curves."""
    found = curves(climb(options, environment))
    return Results(comparisons=compare(found), curves=found)


BENCHMARK = Benchmark("growth", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
