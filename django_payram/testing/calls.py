"""Keeping the calls of tests on this machine. Imports no Django: pytest loads it before that is set up."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django_payram.gateway import reach

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def calls_only_to(*hosts: str) -> Iterator[None]:
    """Refuse calls to a PayRam that is neither on this machine nor one of ``hosts`` while the block runs.

    Such a call raises PayramUnavailable before anything leaves, in every thread of the process. ``"*"`` allows all
    hosts.
    """
    before = reach.allowed
    reach.allowed = frozenset(hosts)
    try:
        yield
    finally:
        reach.allowed = before
