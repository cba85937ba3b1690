"""Curves as pictures: time or memory over the number of payments, which has a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.measuring.results import Curve

INCHES = (7.5, 4.2)
HOW_MUCH = {"ms": "milliseconds", "MB": "megabytes"}
MARKERS = "osDv^<>ph*XPd"


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw the curves of one group as an SVG whose bytes depend on the curves alone."""
    with mpl.rc_context({"svg.hashsalt": "payram", "svg.fonttype": "none"}):
        figure = Figure(figsize=INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.set_prop_cycle(color=mpl.colormaps["tab20"].colors)
        for curve, marker in zip(curves, MARKERS, strict=False):
            payments, values = zip(*curve.points, strict=True)
            axes.plot(payments, values, marker=marker, markersize=4, linewidth=1.2, label=curve.name)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("payments")
        axes.set_ylabel(HOW_MUCH[curves[0].unit])
        axes.grid(visible=True, alpha=0.3)
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
