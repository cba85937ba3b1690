"""Run the day in which everything goes wrong, and say what became of it.

    python -m benchmarks.chaos --payments 20000 --seed 1

The exit code is 0 when every order agrees with PayRam's truth, 1 when one does not, 2 for wrong arguments. The seed
draws customers and faults; what meets what is up to real processes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.audit import audit
from benchmarks.chaos import FAILING
from benchmarks.chaos.calm import calm_down
from benchmarks.chaos.crowd import Crowd
from benchmarks.chaos.customers import Customer
from benchmarks.chaos.faults import Faults
from benchmarks.chaos.plan import draw
from benchmarks.chaos.polling import Polling
from benchmarks.chaos.report import Report, read_post
from benchmarks.stage import stage

if TYPE_CHECKING:
    from benchmarks.chaos.plan import Plan
    from benchmarks.stage import Stage

THREADS_PER_WORKER = 4
DEADLINE_SECONDS = 4


def main() -> int:
    """Run, print the report, and return the exit code."""
    options = arguments()
    with TemporaryDirectory(prefix="payram-chaos-") as folder:
        report = run(options, Path(folder))
    print(report.as_json() if options.json else report.as_text())
    return 0 if report.is_clean else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=positive, default=2000, help="orders, one customer each (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws customers and faults (%(default)s)")
    parser.add_argument("--workers", type=positive, default=3, help="gunicorn's workers (%(default)s)")
    parser.add_argument("--at-once", type=positive, default=150, help="customers in the shop at a time (%(default)s)")
    parser.add_argument("--fault-every", type=seconds, default=1.5, help="seconds between faults (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 3600")
    return number


def run(options: argparse.Namespace, folder: Path) -> Report:
    """Set the stage, let the day pass and the books come to rest, and compare them with PayRam's."""
    plans = draw(options.payments, seed=options.seed)
    failing, post = folder / "failing", folder / "post"
    environment = {
        "EXTRA_APPS": "benchmarks.chaos",
        FAILING: str(failing),
        # Shorter than a person would set it, so that a day of trouble fits into minutes.
        "PAYRAM_READ_TIMEOUT": str(DEADLINE_SECONDS),
        "PAYRAM_DEADLINE": str(DEADLINE_SECONDS),
    }
    gunicorn = ("--worker-class=gthread", f"--threads={THREADS_PER_WORKER}")
    unruly = (f"--unruly={post}", "--couriers=8")
    with stage(
        workers=options.workers, fsync=False, environment=environment, options=gunicorn, payram_options=unruly
    ) as on:
        polling = Polling(on, seed=options.seed)
        faults = Faults(on, polling, failing=failing, seed=options.seed, every=options.fault_every)
        seen: Counter[str] = Counter()
        begun = time.monotonic()
        storm(on, plans, seen, polling=polling, faults=faults, at_once=options.at_once)
        took = time.monotonic() - begun
        calm = calm_down(on)
        return Report(
            seed=options.seed,
            orders=len(plans),
            workers=options.workers,
            seconds=took,
            histories=Counter(plan.history for plan in plans),
            customers=seen,
            faults=faults.counts,
            resyncs=polling.exits,
            calm=calm,
            payments=len(on.payram.payments()),
            paid=sum(order["status"] == "paid" for order in on.books.orders()),
            post=read_post(post),
            findings=audit(on),
        )


def storm(on: Stage, plans: list[Plan], seen: Counter[str], *, polling: Polling, faults: Faults, at_once: int) -> None:
    """Let all customers do what they will while everything else goes wrong."""
    orders = on.books.new_orders([plan.total for plan in plans], people=[plan.person for plan in plans])
    customers = (Customer(plan, order=order, on=on, seen=seen) for plan, order in zip(plans, orders, strict=True))
    polling.start()
    faults.start()
    try:
        with tqdm(total=len(plans), unit="order", disable=not sys.stderr.isatty()) as bar:
            crowd = Crowd(customers, at_once=at_once, threads=min(at_once, 16), errors=faults.errors)
            crowd.run(done=bar.update)
    finally:
        faults.stop()
        polling.stop()
    if faults.errors:
        raise faults.errors[0]


if __name__ == "__main__":
    sys.exit(main())
