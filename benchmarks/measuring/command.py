"""Each benchmark as a command: python -m benchmarks.NAME."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring.machine import machine
from benchmarks.measuring.tables import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measuring.results import Results
    from benchmarks.stage.environment import Environment


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its name, its options and how it measures. Without ``in_environment`` it needs no servers."""

    name: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    measure: Callable[..., Results]
    in_environment: bool = True

    def run(self, options: argparse.Namespace, environment: Environment | None) -> Results:
        """Measure."""
        return self.measure(options, environment) if self.in_environment else self.measure(options)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Take where to keep the figures."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")


def main(benchmark: Benchmark) -> None:
    """Read the command line, measure, and show a table. Exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{benchmark.name}",
        description=benchmark.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    benchmark.add_arguments(parser)
    add_json(parser)
    options = parser.parse_args()
    finish(_measured(benchmark, options), options.json)


def _measured(benchmark: Benchmark, options: argparse.Namespace) -> Results:
    if not benchmark.in_environment:
        results = benchmark.run(options, None)
        results.machine = machine()
        return results
    from benchmarks.stage.environment import environment  # noqa: PLC0415 - a wrong option is reported before servers are imported

    with environment() as on:
        results = benchmark.run(options, on)
        results.machine = machine(on.postgresql_version)
    return results


def finish(results: Results, path: Path | None) -> None:
    """Show the figures, keep them, and leave with 1 when a goal is missed."""
    print(text(results))
    if path is not None:
        results.write(path)
    raise SystemExit(1 if results.missed else 0)
