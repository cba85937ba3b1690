"""How benchmarks compare, keep and show what they measured."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import docutils.core
import pytest

from benchmarks.measuring import arguments
from benchmarks.measuring.machine import machine
from benchmarks.measuring.pages import render, table
from benchmarks.measuring.results import Comparison, Curve, Goal, Results, at_least, at_most, compared
from benchmarks.measuring.rounds import difference, interleaved, ratio
from benchmarks.measuring.tables import figure, text

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results():
    return Results(
        machine={"date": "2026-01-01", "processor": "a fast one"},
        comparisons=[
            compared(
                "webhook",
                "a transition",
                "/s",
                product=[80, 90, 70],
                floor=[100, 100, 100],
                floor_name="by hand",
                goal=at_least(0.8),
                statements=9,
                most_statements=9,
                payments=1000,
            ),
            compared("checkout", "a link", "ms", product=[9, 9], floor=[5, 5], floor_name="bare", kind="difference"),
            Comparison("resync", "memory", "MB", measured=70, value=12, kind="difference", goal=at_most(10)),
        ],
        curves=[
            Curve("a transition", "ms", [(10, 1.0), (100, 1.5)], "webhook"),
            Curve("by hand", "ms", [(10, 1.0), (100, 1.0)], "webhook"),
        ],
    )


# Rounds


def test_rounds_alternate_and_the_first_one_warms_up():
    called = []

    def contestant(name):
        def measure():
            called.append(name)
            return len(called)

        return measure

    measured = interleaved({"a": contestant("a"), "b": contestant("b")}, rounds=3, title="")
    assert "".join(called) == "ab" + "ab" + "ba" + "ab"
    assert measured == {"a": [3, 6, 7], "b": [4, 5, 8]}


def test_a_ratio_is_the_median_of_the_rounds_not_that_of_the_medians():
    """The machine was ten times slower in the second round, for both."""
    assert ratio([10, 1, 8], [20, 2, 10]) == 0.5
    assert difference([3, 30, 5], [1, 28, 1]) == 2


# Goals


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [(at_least(0.8), 0.8, True), (at_least(0.8), 0.79, False), (at_most(3), 3.004, True), (at_most(3), 3.01, False)],
)
def test_a_goal_is_kept_to_the_places_that_are_shown(goal, value, met):
    assert goal.is_met(value) is met


def test_statements_are_a_goal_as_well():
    facts = {"benchmark": "b", "name": "n", "unit": "ms", "measured": 1.0}
    assert Comparison(**facts).is_met is None
    assert Comparison(**facts, statements=9, most_statements=9).is_met
    assert not Comparison(**facts, statements=10, most_statements=9).is_met
    assert not Comparison(**facts, value=1, goal=at_least(1), statements=2, most_statements=1).is_met


def test_what_missed_its_goal_is_known(results):
    assert [one.name for one in results.missed] == ["memory"]
    first = results.comparisons[0]
    assert (first.measured, first.floor, first.value, first.is_met) == (80, 100, 0.8, True)
    assert results.curves[0].growth == 1.5


# Keeping and showing


def test_figures_survive_json(results):
    again = Results.from_json(results.to_json())
    assert again == results
    assert again.comparisons[0].goal == Goal("≥", 0.8)


def test_a_table_for_a_terminal_lines_up(results):
    shown = text(results).splitlines()
    header, line = (next(row for row in shown if word in row) for word in ("measured", "a transition"))
    assert line.index("80.0 /s") == header.index("measured")
    assert line.split()[-1] == "met"
    assert "≤ 10 MB" in text(results)
    assert "webhook a transition: 1.00 ms at 10, 1.50 ms at 100" in shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12 ms"), (5.678, "5.68 ms"), (56.78, "56.8 ms"), (5678.9, "5,679 ms"), (None, "")]
)
def test_figures_have_three_significant_digits(value, shown):
    assert figure(value, "ms") == shown


def test_tables_and_plots_are_written_for_the_documentation(results, tmp_path):
    render(results, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "machine.txt",
        "webhook.txt",
        "checkout.txt",
        "resync.txt",
        "growth-webhook.svg",
    }
    assert (tmp_path / "machine.txt").read_text() == ":date: 2026-01-01\n:processor: a fast one\n"
    plot = (tmp_path / "growth-webhook.svg").read_text()
    assert "a transition" in plot
    render(results, tmp_path)
    assert (tmp_path / "growth-webhook.svg").read_text() == plot


def test_a_table_is_restructuredtext_without_empty_columns(results):
    written = table(results.of("checkout"))
    tree = docutils.core.publish_doctree(written, settings_overrides={"report_level": 2, "halt_level": 2})
    header, line = tree.findall(lambda node: node.tagname == "row")
    assert [entry.astext() for entry in header] == ["what", "measured", "floor", "against it"]
    assert [entry.astext() for entry in line] == ["a link", "9.00 ms", "5.00 ms (bare)", "+4.0 ms"]


def test_the_documentation_includes_every_table_and_plot_that_is_kept():
    page = (ROOT / "docs" / "performance.rst").read_text()
    named = set(re.findall(r"performance/([\w-]+\.(?:txt|svg))", page))
    assert named == {path.name for path in (ROOT / "docs" / "performance").iterdir()} - {"results.json"}


def test_the_documented_tables_are_those_of_the_kept_figures(tmp_path):
    kept = ROOT / "docs" / "performance"
    render(Results.from_json((kept / "results.json").read_text()), tmp_path)
    for path in kept.glob("*.txt"):
        assert path.read_text() == (tmp_path / path.name).read_text()


def test_a_machine_is_described():
    facts = machine("18.4")
    assert facts["PostgreSQL"] == "18.4"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", facts["date"])
    assert "cores" in facts["processor"]


# Options


@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        (arguments.positive, {"1": 1, "1000000": 1_000_000}, ["0", "-1", "x", "1.5", "²", "99999999"]),
        (arguments.per_thousand, {"0": 0, "1000": 1000}, ["-1", "1001", "x"]),
        (arguments.duration, {"0.1": 0.1, "600": 600}, ["0", "601", "x", "nan"]),
    ],
)
def test_options_say_what_is_allowed(read, right, wrong):
    for given, value in right.items():
        assert read(given) == value
    for given in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match="must be"):
            read(given)
