"""Keeping our views out of ATOMIC_REQUESTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

View = TypeVar("View", bound="Callable[..., Any]")


def outside_transactions(view: View) -> View:
    """Return the view, out of ATOMIC_REQUESTS on every database: payments may be in any, and orders in another.

    A payment must be committed before PayRam is called, and no lock may be held while PayRam is.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view
