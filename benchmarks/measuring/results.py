"""What was measured, as values that go to a table and to JSON and back."""

from __future__ import annotations

import json
import operator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measuring.rounds import difference, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HOLDS: Mapping[str, Callable[[float, float], bool]] = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True)
class Goal:
    """A bound: ``≥ 0.8`` or ``≤ 60``."""

    sign: str
    bound: float

    def is_met(self, value: float) -> bool:
        """Return whether a value keeps the bound, to the two places that are shown."""
        return HOLDS[self.sign](round(value, 2), self.bound)

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """Return the goal of not falling below a bound."""
    return Goal("≥", bound)


def at_most(bound: float) -> Goal:
    """Return the goal of not rising above a bound."""
    return Goal("≤", bound)


@dataclass(frozen=True)
class Comparison:
    """One thing measured against its floor in the same rounds.

    ``measured`` and ``floor`` are medians in ``unit``; ``value`` is what the goal speaks of, ``kind`` what that is: a
    ``ratio``, or a ``difference`` in the same unit. ``statements`` are SQL statements of one request.
    """

    benchmark: str
    name: str
    unit: str
    measured: float
    floor_name: str = ""
    floor: float | None = None
    kind: str = "ratio"
    value: float | None = None
    goal: Goal | None = None
    statements: int | None = None
    most_statements: int | None = None
    payments: int | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goals are met; None when there is none."""
        met = []
        if self.goal is not None and self.value is not None:
            met.append(self.goal.is_met(self.value))
        if self.most_statements is not None and self.statements is not None:
            met.append(self.statements <= self.most_statements)
        return all(met) if met else None


def compared(
    benchmark: str,
    name: str,
    unit: str,
    *,
    product: list[float],
    floor: list[float],
    floor_name: str,
    kind: str = "ratio",
    goal: Goal | None = None,
    statements: int | None = None,
    most_statements: int | None = None,
    payments: int | None = None,
) -> Comparison:
    """Return the comparison of two contestants of the same rounds."""
    return Comparison(
        benchmark=benchmark,
        name=name,
        unit=unit,
        measured=median(product),
        floor_name=floor_name,
        floor=median(floor),
        kind=kind,
        value={"ratio": ratio, "difference": difference}[kind](product, floor),
        goal=goal,
        statements=statements,
        most_statements=most_statements,
        payments=payments,
    )


@dataclass(frozen=True)
class Curve:
    """How something grows with the number of payments: (payments, value in ``unit``)."""

    name: str
    unit: str
    points: list[tuple[int, float]]
    group: str = ""

    @property
    def growth(self) -> float:
        """How many times the first value the last one is."""
        return self.points[-1][1] / self.points[0][1]


@dataclass
class Results:
    """All that one run measured, and on what."""

    machine: dict[str, str] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add(self, other: Results) -> None:
        """Take in what another benchmark measured."""
        self.comparisons += other.comparisons
        self.curves += other.curves

    def of(self, benchmark: str) -> list[Comparison]:
        """Return what one benchmark measured."""
        return [one for one in self.comparisons if one.benchmark == benchmark]

    @property
    def missed(self) -> list[Comparison]:
        """What missed its goal."""
        return [one for one in self.comparisons if one.is_met is False]

    def to_json(self) -> str:
        """Return everything as JSON, floats with five significant digits."""
        facts = asdict(self)
        for comparison, one in zip(facts["comparisons"], self.comparisons, strict=True):
            comparison["is_met"] = one.is_met
        return json.dumps(_rounded(facts), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what to_json wrote."""
        facts = json.loads(text)
        return cls(
            machine=facts["machine"],
            comparisons=[_comparison(dict(one)) for one in facts["comparisons"]],
            curves=[Curve(**{**one, "points": list(map(tuple, one["points"]))}) for one in facts["curves"]],
        )

    def write(self, path: Path) -> None:
        """Keep everything in a file."""
        path.write_text(self.to_json() + "\n")


def _comparison(facts: dict) -> Comparison:
    facts.pop("is_met")
    goal = facts.pop("goal")
    return Comparison(**facts, goal=goal and Goal(**goal))


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inside) for inside in value]
    return value
