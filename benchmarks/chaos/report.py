"""What a run held and what it found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.audit import Finding
    from benchmarks.chaos.settling import Settled

RECEIVER_FAILED = "a receiver of the shop failed"
SHOWN = 20

# Kind of finding, and what it is called in the table.
VERDICTS = {
    "wrong": "orders wrong",
    "twice": "paid or canceled twice",
    "lost": "money lost",
    "unflagged": "money without a flag",
    "undelivered": "signals left",
    "answer": "webhooks answered 500 for no reason",
}


@dataclass
class Report:
    """One run."""

    seed: int
    orders: int
    workers: int
    seconds: float
    histories: Counter[str]
    customers: Counter[str]
    faults: Counter[str]
    resyncs: Counter[str]
    settled: Settled
    payments: int
    paid: int
    deliveries: DeliveryLog
    findings: list[Finding] = field(default_factory=list)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many orders have each kind of finding; all of them zero is what a run is for."""
        wrong = {kind: len({one.subject for one in self.findings if one.kind == kind}) for kind in VERDICTS}
        return {**wrong, "answer": self.deliveries.unexplained}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.verdicts.values())

    def sections(self) -> dict[str, Mapping[str, object]]:
        """Return the table's sections, each with its lines."""
        return {
            "load held": {
                "orders": self.orders,
                "payments at PayRam": self.payments,
                "orders paid": self.paid,
                "seconds": round(self.seconds),
                "orders a second": round(self.orders / self.seconds, 1),
                "webhooks that arrived": sum(self.deliveries.answers.values()),
                "gunicorn workers": self.workers,
            },
            "customers": dict(sorted(self.histories.items())) | dict(sorted(self.customers.items())),
            "webhooks": {**dict(sorted(self.deliveries.fates.items())), **self.deliveries.by_status()},
            "faults injected": dict(sorted(self.faults.items(), key=lambda item: item[0].strip().casefold())),
            "resync": dict(sorted(self.resyncs.items())),
            "afterwards": {
                "rounds of resync": self.settled.rounds,
                "unknown payments reported again": self.settled.reported_again,
                "canceled where there were no receivers": sum(one.kind == "untold" for one in self.findings),
            },
            "verdict": {VERDICTS[kind]: number for kind, number in self.verdicts.items()},
        }

    def as_text(self) -> str:
        """Return the table."""
        lines = [f"Chaos run, seed {self.seed}"]
        for title, facts in self.sections().items():
            lines += ["", title.upper(), *(f"  {name:<44}{value!s:>10}" for name, value in facts.items())]
        lines += ["", *(str(finding) for finding in self.findings if finding.kind in VERDICTS)][: SHOWN + 1]
        return "\n".join(lines).rstrip()

    def as_json(self) -> str:
        """Return the same for programs."""
        found = [vars(finding) for finding in self.findings]
        return json.dumps({"seed": self.seed, **self.sections(), "findings": found}, indent=2)


@dataclass
class DeliveryLog:
    """What became of the webhooks, and how the shop answered those that arrived."""

    fates: Counter[str]
    answers: Counter[int | None]
    unexplained: int

    def by_status(self) -> dict[str, int]:
        """Return the answers by status, as lines of the table."""
        known = sorted((status, times) for status, times in self.answers.items() if status is not None)
        return {f"answered {status}": times for status, times in known} | {"not answered": self.answers[None]}


def read_delivery_log(log: Path) -> DeliveryLog:
    """Read the post's own log. A 500 is explained by a receiver that failed, and says so."""
    post = DeliveryLog(Counter(), Counter(), 0)
    for line in log.read_text().splitlines():
        entry: dict[str, Any] = _read(line)
        if "fate" in entry:
            post.fates[entry["fate"]] += 1
        elif "status" in entry:
            post.answers[entry["status"]] += 1
            post.unexplained += entry["status"] == 500 and RECEIVER_FAILED not in entry.get("text", "")
    return post


def _read(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}  # the sender was killed in the middle of it
    return entry
