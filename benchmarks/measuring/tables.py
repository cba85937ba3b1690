"""Results as a table: for a terminal, and for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measuring.results import Comparison, Curve, Results

HEADER = ("", "measured", "floor", "against it", "goal", "SQL", "")
MARKS = {True: "met", False: "missed", None: ""}


def figure(value: float | None, unit: str) -> str:
    """Return a value with its unit, three significant digits."""
    if value is None:
        return ""
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 2
    return f"{value:,.{digits}f} {unit}"


def _value(one: Comparison) -> str:
    if one.value is None:
        return ""
    return f"{one.value:.2f}" if one.kind == "ratio" else f"{one.value:+.1f} {one.unit}"


def _goal(one: Comparison) -> str:
    if one.goal is None:
        return ""
    return f"{one.goal}" if one.kind == "ratio" else f"{one.goal} {one.unit}"


def _statements(one: Comparison) -> str:
    if one.statements is None:
        return ""
    return str(one.statements) + (f" (≤ {one.most_statements})" if one.most_statements is not None else "")


def row(one: Comparison) -> tuple[str, ...]:
    """Return one comparison as cells."""
    floor = f"{figure(one.floor, one.unit)} ({one.floor_name})" if one.floor is not None else ""
    return (
        one.name,
        figure(one.measured, one.unit),
        floor,
        _value(one),
        _goal(one),
        _statements(one),
        MARKS[one.is_met],
    )


def text(results: Results) -> str:
    """Return everything for a terminal."""
    parts = [f"{name}: {value}" for name, value in results.machine.items()]
    for benchmark in dict.fromkeys(one.benchmark for one in results.comparisons):
        rows = [HEADER, *map(row, results.of(benchmark))]
        parts += ["", benchmark, *_aligned(rows)]
    for curve in results.curves:
        parts += ["", f"{curve.group} {curve.name}: {_points(curve)}"]
    return "\n".join(parts)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]


def _points(curve: Curve) -> str:
    return ", ".join(f"{figure(value, curve.unit)} at {payments:,}" for payments, value in curve.points)
