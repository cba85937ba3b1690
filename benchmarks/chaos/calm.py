"""After the storm: everything is up, no webhook comes, and resync alone has to bring the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.stage import Stage

ROUNDS = 20
LONGEST_ROUND_SECONDS = 3600


class NoRestError(Exception):
    """Resync still finds news after so many rounds, or fails while nothing is wrong."""


@dataclass(frozen=True)
class Calm:
    """How the books came to rest: rounds of resync, and top-ups that PayRam had to tell of once more."""

    rounds: int
    told_again: int


def calm_down(on: Stage) -> Calm:
    """Start everything afresh without webhooks, and let time pass until resync has nothing more to do."""
    on.payram.kill()
    on.payram.command = [part for part in on.payram.command if not part.startswith("--unruly")] + ["--no-webhooks"]
    on.payram.start()
    on.shop.kill()
    on.shop.start()
    # Attempts that the storm has left behind are as old by now as a crashed one has to be.
    on.books.change(
        "UPDATE django_payram_payment SET created_at = created_at - interval '3 min' WHERE reference IS NULL"
    )
    rounds = _rest(on)
    told_again = _tell_of_unknown_top_ups(on)
    return Calm(rounds + (_rest(on) if told_again else 0), told_again)


def _rest(on: Stage) -> int:
    for number in range(1, ROUNDS + 1):
        on.books.bring_forward()
        run = on.shop.manage("payram_resync", "--json", "--threads=4", seconds=LONGEST_ROUND_SECONDS)
        if run.returncode != 0:
            raise NoRestError(f"payram_resync ended with {run.returncode}.\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}")
        sums = json.loads(run.stdout.splitlines()[-1])
        if not sums["news"] and not sums["announced"]:
            return number
    raise NoRestError(f"There was still news after {ROUNDS} rounds of resync.")


def _tell_of_unknown_top_ups(on: Stage) -> int:
    """Let PayRam repeat the webhooks of top-ups that got lost: nobody can ask about a reference never heard of."""
    known = {payment["reference"] for payment in on.books.payments()}
    opened = [one["reference"] for one in on.payram.payments() if one["invoice_id"] == one["reference"]]
    unknown = [reference for reference in opened if reference not in known]
    for reference in unknown:
        answer = on.payram.redeliver(reference)
        if answer["status"] != 200:
            raise NoRestError(f"The webhook of a top-up was answered {answer}.")
    return len(unknown)
