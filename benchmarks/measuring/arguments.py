"""Types of command line arguments that say what is allowed."""

from __future__ import annotations

import argparse

MOST = 10**7


def positive(given: str) -> int:
    """Read a whole number above 0."""
    if not given.isascii() or not given.isdigit() or not 0 < int(given) <= MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST}")
    return int(given)


def per_thousand(given: str) -> int:
    """Read how many of a thousand."""
    if not given.isascii() or not given.isdigit() or int(given) > 1000:
        raise argparse.ArgumentTypeError("must be a whole number from 0 to 1000")
    return int(given)


def duration(given: str) -> float:
    """Read a number of seconds."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0 and up to 600")
    return seconds
