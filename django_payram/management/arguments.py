"""Types of command line arguments that say what is allowed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import get_current_timezone, is_naive, make_aware

if TYPE_CHECKING:
    from datetime import datetime

MOST_THREADS = 64
MOST_DAYS = 36500


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


def days(text: str) -> int:
    """Read a number of days, of a century at most."""
    number = positive(text)
    if number > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be at most {MOST_DAYS}")
    return number


def threads(text: str) -> int:
    """Read a number of threads."""
    number = positive(text)
    if number > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"must be at most {MOST_THREADS}")
    return number


def moment(text: str) -> datetime:
    """Read a date or a time in ISO 8601; without a zone it is in the shop's time zone."""
    try:
        found = parse_datetime(text if parse_date(text) is None else f"{text}T00:00")
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError("must be a date or a time such as 2026-08-01 or 2026-08-01T12:00Z")
    return make_aware(found, get_current_timezone()) if is_naive(found) else found
