"""All benchmarks in one run, on one PostgreSQL: growth first, the others with the payments it leaves behind.

python -m benchmarks --payments 1000000
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks import admin, checkout, growth, indexes, resync, startup, webhook
from benchmarks.measuring.command import add_json, finish
from benchmarks.measuring.machine import machine
from benchmarks.measuring.results import Results

if TYPE_CHECKING:
    from benchmarks.growth import Rung
    from benchmarks.stage.environment import Environment

FEW = 100
"""The admin's pages are compared with themselves at so many times fewer payments."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    growth.add_arguments(found)
    startup.add_arguments(found)
    add_json(found)
    found.add_argument("--write-docs", action="store_true", help="write tables and plots into docs/performance")
    return found


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Run everything that needs servers."""
    rungs = growth.climb(options, environment)
    curves = growth.curves(rungs)
    results = Results(comparisons=growth.compare(curves), curves=curves)
    results.add(webhook.measure(options, environment))
    results.add(checkout.measure(options, environment))
    results.comparisons += resync.contests(options, environment)
    results.comparisons.append(resync.compare_memory([(rung.payments, rung.megabytes) for rung in rungs]))
    results.comparisons += _pages(rungs, options, environment)
    results.add(indexes.measure(options, environment))
    return results


def _pages(rungs: list[Rung], options: argparse.Namespace, environment: Environment) -> list:
    last = rungs[-1]
    few = next(rung for rung in reversed(rungs) if rung.payments <= max(1, last.payments // FEW))
    visitor = admin.Visitor(environment, clicks=options.clicks)
    return [
        *admin.against_plain(visitor, last.admin, payments=last.payments),
        *admin.against_few(last.admin, few.admin, payments=last.payments, fewer=few.payments),
    ]


def main() -> None:
    """Read the command line, measure, show, keep."""
    options = parser().parse_args()
    from benchmarks.stage.environment import environment  # noqa: PLC0415 - a wrong option is reported before servers are imported

    results = startup.measure(options)
    with environment() as on:
        results.add(measure(options, on))
        results.machine = machine(on.postgresql_version)
    if options.write_docs:
        from benchmarks.measuring.pages import write  # noqa: PLC0415 - only this needs matplotlib

        write(results)
    finish(results, options.json)


if __name__ == "__main__":
    main()
