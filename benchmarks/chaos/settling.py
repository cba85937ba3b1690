"""After the storm: everything is up, no webhook comes, and resync alone has to bring the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.stage import Stage

ROUNDS = 20
TRIES = 50
NOT_SENT = frozenset({"lost", "delayed"})
"""What the unreliable delivery answers for a webhook that it did not send, or not yet."""
LONGEST_ROUND_SECONDS = 3600


class NotSettledError(Exception):
    """Resync still finds news after so many rounds, or fails while nothing is wrong."""


@dataclass(frozen=True)
class Settled:
    """How the shops caught up: rounds of resync, and payments that PayRam had to report once more."""

    rounds: int
    reported_again: int


def settle(*shops: Stage) -> Settled:
    """Start everything afresh without webhooks, and let time pass until resync has nothing more to do.

    PayRam reports to the first shop.
    """
    first = shops[0]
    first.payram.kill()
    without = [part for part in first.payram.command if not part.startswith("--unreliable")]
    first.payram.command = [*without, "--no-webhooks"]
    first.payram.start()
    for on in shops:
        on.shop.kill()
        on.shop.start()
        # Attempts that the storm has left behind are as old by now as a crashed one has to be.
        on.shop_database.change(
            "UPDATE django_payram_payment SET created_at = created_at - interval '3 min' WHERE reference IS NULL"
        )
    rounds = sum(rest(on) for on in shops)
    reported_again = report_unknown_payments(*shops)
    return Settled(rounds + (rest(first) if reported_again else 0), reported_again)


def rest(on: Stage) -> int:
    """Let time pass until resync has nothing more to do; returns how many rounds that took.

    Raises NotSettledError when there is no end to it, or when a payment that PayRam knows cannot be asked about.
    """
    known = {one["reference"] for one in on.payram.payments()}
    for number in range(1, ROUNDS + 1):
        on.shop_database.bring_forward()
        run = on.shop.manage("payram_resync", "--json", "--threads=4", seconds=LONGEST_ROUND_SECONDS)
        *lines, sums = [json.loads(line) for line in run.stdout.splitlines()] or [{}]
        failed = [line for line in lines if line.get("error") and line["reference"] in known]
        if failed or not sums or run.returncode not in (0, 1):
            raise NotSettledError(f"payram_resync ended with {run.returncode}.\n{failed}\n{run.stderr[-2000:]}")
        if not sums["news"] and not sums["announced"]:
            return number
    raise NotSettledError(f"There was still news after {ROUNDS} rounds of resync.")


def report_unknown_payments(*shops: Stage) -> int:
    """Let PayRam repeat the webhooks of payments with money that no shop knows.

    Nobody can ask about a reference never heard of: top-ups whose webhook got lost, and links of a lost database.
    """
    known = {payment["reference"] for on in shops for payment in on.shop_database.payments()}
    filled = [one["reference"] for one in shops[0].payram.payments() if Decimal(one["filled_usd"])]
    unknown = [reference for reference in filled if reference not in known]
    for reference in unknown:
        # In the course of the day many a webhook gets lost, this one as well, and PayRam believes that it arrived.
        answers = (shops[0].payram.redeliver(reference) for _try in range(TRIES))
        if not any(answer["status"] == 200 and answer["answer"] not in NOT_SENT for answer in answers):
            raise NotSettledError(f"The webhook of {reference} was not answered 200 in {TRIES} tries.")
    return len(unknown)
