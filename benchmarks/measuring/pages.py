"""The documentation's tables and pictures, from the figures that were kept.

python -m benchmarks.measuring.pages
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring.plots import draw
from benchmarks.measuring.results import Results
from benchmarks.measuring.tables import HEADER, row

if TYPE_CHECKING:
    from benchmarks.measuring.results import Comparison

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "performance"
FIGURES = "results.json"
WIDTHS = "24 14 30 10 10 10 8"
TITLES = dict(enumerate(("what", "measured", "floor", "against it", "goal", "SQL", "")))


def write(results: Results, folder: Path = FOLDER) -> None:
    """Keep the figures and write what the documentation includes: a table for each benchmark, a plot for each group."""
    folder.mkdir(exist_ok=True)
    results.write(folder / FIGURES)
    render(results, folder)


def render(results: Results, folder: Path = FOLDER) -> None:
    """Write tables and plots."""
    (folder / "machine.txt").write_text(_facts(results.machine))
    for benchmark in dict.fromkeys(one.benchmark for one in results.comparisons):
        (folder / f"{_file(benchmark)}.txt").write_text(table(results.of(benchmark)))
    for group in dict.fromkeys(curve.group for curve in results.curves):
        draw([curve for curve in results.curves if curve.group == group], folder / f"growth-{_file(group)}.svg")


def table(comparisons: list[Comparison]) -> str:
    """Return a table in reStructuredText; columns in which nothing stands are left out."""
    rows = [row(one) for one in comparisons]
    shown = [place for place in range(len(HEADER)) if any(cells[place] for cells in rows)]
    widths = [WIDTHS.split()[place] for place in shown]
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(widths)}", ""]
    for cells in [tuple(TITLES.values()), *rows]:
        marks = ["*", *[" "] * len(cells)]
        lines += [f"   {mark} - {cells[place]}".rstrip() for mark, place in zip(marks, shown, strict=False)]
    return "\n".join(lines) + "\n"


def _facts(machine: dict[str, str]) -> str:
    return "".join(f":{name}: {value}\n" for name, value in machine.items())


def _file(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def main() -> None:
    """Render what was kept."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / FIGURES
    write(Results.from_json(path.read_text()))


if __name__ == "__main__":
    main()
