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

from benchmarks.audit import audit
from benchmarks.chaos import FAILING
from benchmarks.chaos.day import Day
from benchmarks.chaos.report import Report, read_delivery_log
from benchmarks.chaos.settling import settle
from benchmarks.stage import second_shop, stage

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
    parser.add_argument("--without-backups", action="store_true", help="one storm, and no backup is brought back")
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
    """Start everything, let the day pass, let the shops catch up, and compare them with PayRam."""
    failing, post = folder / "failing", folder / "post"
    environment = {
        "EXTRA_APPS": "benchmarks.chaos",
        FAILING: str(failing),
        # Shorter than a person would set it, so that a day of trouble fits into minutes.
        "PAYRAM_READ_TIMEOUT": str(DEADLINE_SECONDS),
        "PAYRAM_DEADLINE": str(DEADLINE_SECONDS),
    }
    gunicorn = ("--worker-class=gthread", f"--threads={THREADS_PER_WORKER}")
    unreliable = (f"--unreliable={post}", "--senders=8")
    with (
        stage(
            workers=options.workers, fsync=False, environment=environment, options=gunicorn, payram_options=unreliable
        ) as first,
        second_shop(first, options=gunicorn) as second,
    ):
        day = Day(first, second, options, failing=failing)
        begun = time.monotonic()
        day.pass_by()
        took = time.monotonic() - begun
        settled = settle(first, second)
        truth = day.ledger.truth(first.payram.payments())
        return Report(
            seed=options.seed,
            orders=len(day.plans),
            workers=options.workers,
            seconds=took,
            histories=Counter(plan.history for plan in day.plans),
            customers=day.seen,
            faults=day.faults,
            resyncs=day.resyncs,
            settled=settled,
            payments=len(truth),
            paid=sum(order["status"] == "paid" for on in (first, second) for order in on.shop_database.orders()),
            deliveries=read_delivery_log(post),
            findings=audit(first, second, truth=truth),
        )


if __name__ == "__main__":
    sys.exit(main())
