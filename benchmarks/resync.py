"""Resync: payments a second against bare requests in threads that only ask, and memory by the number of payments.

python -m benchmarks.resync --payments 10000 100000 1000000 --rounds 4

Both sides ask about the same payments, over one kept-alive connection a thread. The package also claims, reads, checks
and records: most answers are no news, as in a shop, and so many of a thousand (--news) are. Memory is the greatest of a
process that asks about up to --memory-asked payments, due or not, of all there are.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import requests

from benchmarks import rows
from benchmarks.measuring.arguments import duration, per_thousand, positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Comparison, Results, at_least, at_most, compared
from benchmarks.measuring.rounds import interleaved
from benchmarks.rows.facts import OPENED_FROM
from benchmarks.stage.environment import KEY
from benchmarks.stage.processes import run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmarks.stage.environment import Environment

LATENCIES_MS = (0, 20, 100)
THREADS = (8, 32)
MOST_PER_SECOND = 1000
"""About as many as one process of Python can ask."""
LEAST_OF_BARE = 0.9
MOST_MEGABYTES = 10
MANY = 10_000
"""Payments at which the memory is compared with that of more."""


class Bare:
    """Threads that ask PayRam and do nothing else."""

    def __init__(self, url: str, *, threads: int) -> None:
        self.url, self.threads = url, threads
        self._local = threading.local()

    def ask(self, reference: str) -> None:
        """Ask about one payment."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        answer = self._local.session.get(
            f"{self.url}/api/v1/payment/reference/{reference}", headers={"API-Key": KEY}, timeout=15
        )
        answer.raise_for_status()

    def per_second(self, references: Sequence[str]) -> float:
        """Return answers a second."""
        with ThreadPoolExecutor(self.threads) as pool:
            started = time.perf_counter()
            for _ in pool.map(self.ask, references):
                pass
            return len(references) / (time.perf_counter() - started)


class Due:
    """Payments that are due in each round: the same ones without news, and new ones that PayRam calls filled."""

    def __init__(self, environment: Environment, *, count: int, news: int) -> None:
        self.database, self.count = environment.database, count
        self.news = count * news // 1000
        self.quiet = rows.opened(self.database, count - self.news)

    def references(self) -> list[str]:
        """Return the references of as many payments, for who only asks."""
        return [rows.reference(number) for number in range(OPENED_FROM, OPENED_FROM + self.count)]

    def make(self) -> None:
        """Let exactly these payments be due now, and no other one for the time of a round."""
        self.database.execute(
            "UPDATE django_payram_payment SET next_check_at = now() + interval '1 day' "
            "WHERE next_check_at <= now() + interval '10 minutes'"
        )
        self.database.execute(
            "UPDATE django_payram_payment SET next_check_at = now() - interval '1 second' WHERE id BETWEEN %s AND %s",
            [self.quiet[0], self.quiet[-1]],
        )
        if self.news:
            rows.opened(self.database, self.news, paid=True, due=True)


class WrongRunError(Exception):
    """A run did not do what is measured."""


def per_second(due: Due, *, threads: int) -> float:
    """Return payments a second of a resync of all that is due, from the claim to the last record."""
    from django_payram.polling import worker  # noqa: PLC0415 - Django is set up only now

    due.make()
    summary = worker.Summary()
    started = time.perf_counter()
    for _asked in worker.run(threads=threads, summary=summary):
        pass
    took = time.perf_counter() - started
    if (summary.asked, summary.news, summary.failed) != (due.count, due.news, 0):
        raise WrongRunError(f"Asked about {summary.asked} of {due.count}: {summary}.")
    return due.count / took


def measured(
    environment: Environment, *, latency_ms: int, threads: int, rounds: int, seconds: float, news: int
) -> dict[str, list[float]]:
    """Return payments a second of both contestants, in rounds of about so many seconds."""
    environment.payram.take(latency_ms / 1000)
    rate = min(threads * 1000 / latency_ms, MOST_PER_SECOND) if latency_ms else MOST_PER_SECOND
    due = Due(environment, count=max(threads, round(rate * seconds)), news=news)
    bare, references = Bare(environment.payram.url, threads=threads), due.references()
    return interleaved(
        {"floor": lambda: bare.per_second(references), "product": lambda: per_second(due, threads=threads)},
        rounds=rounds,
        title=f"resync, {latency_ms} ms, {threads} threads",
    )


def compare(found: dict[str, list[float]], *, latency_ms: int, threads: int) -> Comparison:
    """Return the comparison at one latency with so many threads."""
    return compared(
        "resync",
        f"{latency_ms} ms latency, {threads} threads",
        "/s",
        product=found["product"],
        floor=found["floor"],
        floor_name="bare requests",
        goal=at_least(LEAST_OF_BARE) if latency_ms >= 20 else None,
    )


# Memory


CHILD = "benchmarks.resync_memory"


def megabytes(environment: Environment, *, asked: int) -> float:
    """Return the greatest memory of a process that asks about so many payments, due or not, of all there are."""
    environment.payram.take(0)
    done = run(CHILD, str(asked), environment=environment.environment, seconds=3600)
    if done.returncode:
        raise WrongRunError(done.stderr[-2000:])
    return float(json.loads(done.stdout)["megabytes"])


def compare_memory(points: Sequence[tuple[int, float]]) -> Comparison:
    """Return the comparison of memory at the most payments with that at ten thousand."""
    (few, first), (many, last) = next((one for one in points if one[0] >= MANY), points[0]), points[-1]
    return Comparison(
        benchmark="resync",
        name=f"memory at {many:,} payments",
        unit="MB",
        measured=last,
        floor_name=f"at {few:,} payments",
        floor=first,
        kind="difference",
        value=last - first,
        goal=at_most(MOST_MEGABYTES),
        payments=many,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument(
        "--payments",
        type=positive,
        nargs="+",
        default=[MANY, 100_000, 1_000_000],
        help="numbers of payments at which memory is measured; speed is measured with the most (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=positive, default=4, help="rounds (default: %(default)s)")
    add_shared_arguments(parser)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what a run of all benchmarks takes as well."""
    parser.add_argument("--seconds", type=duration, default=3, help="seconds of a round (default: %(default)s)")
    parser.add_argument("--news", type=per_thousand, default=20, help="of a thousand answers (default: %(default)s)")
    parser.add_argument(
        "--memory-asked",
        type=positive,
        default=20_000,
        help="payments that the process asks about whose memory is measured (default: %(default)s)",
    )


def contests(options: argparse.Namespace, environment: Environment) -> list[Comparison]:
    """Compare at every latency with every number of threads."""
    found = []
    for latency_ms, threads in itertools.product(LATENCIES_MS, THREADS):
        way = {"latency_ms": latency_ms, "threads": threads}
        figures = measured(environment, **way, rounds=options.rounds, seconds=options.seconds, news=options.news)
        found.append(compare(figures, **way))
    return found


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Measure memory while the history grows, then compare speed."""
    points = []
    for size in sorted(options.payments):
        rows.history(environment.database, upto=size)
        points.append((size, megabytes(environment, asked=options.memory_asked)))
    return Results(comparisons=[*contests(options, environment), compare_memory(points)])


BENCHMARK = Benchmark("resync", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
