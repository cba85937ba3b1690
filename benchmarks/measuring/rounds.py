"""Contests in rounds: each round measures every contestant once, so that the machine's moods hit all of them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def interleaved(contestants: Mapping[str, Callable[[], float]], *, rounds: int, title: str) -> dict[str, list[float]]:
    """Call every contestant once a round and return what each measured, round by round.

    A first round warms up and is not kept. Every other round goes backwards: who comes after whom must not matter.
    """
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for measure in contestants.values():
        measure()
    for number in tqdm(range(rounds), desc=title, unit="round", leave=False, disable=None):
        names = list(contestants) if number % 2 == 0 else list(reversed(contestants))
        for name in names:
            measured[name].append(contestants[name]())
    return measured


def ratio(product: list[float], floor: list[float]) -> float:
    """Return the median of the rounds' ratios: what both met in one round cancels out."""
    return median(ours / theirs for ours, theirs in zip(product, floor, strict=True))


def difference(product: list[float], floor: list[float]) -> float:
    """Return the median of the rounds' differences."""
    return median(ours - theirs for ours, theirs in zip(product, floor, strict=True))
