"""Types of command line arguments that say what is allowed."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware, make_naive

from django_payram.reports.figures import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from datetime import date, datetime

RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

MOST_A_SECOND = 10_000
MOST_NAME = 255


def positive(text: str, *, most: int = 10**9) -> int:
    """Read a whole number above 0, of ``most`` at most."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    if int(text) > most:
        raise argparse.ArgumentTypeError(f"must be at most {most}")
    return int(text)


days = partial(positive, most=36500)
"""Read a number of days, of a century at most."""

threads = partial(positive, most=64)
"""Read a number of threads."""


def rate(text: str) -> float:
    """Read a number of times a second; below 1 for less than once a second."""
    allowed = argparse.ArgumentTypeError(f"must be a number above 0 and at most {MOST_A_SECOND}, such as 20 or 0.5")
    if not RATE.fullmatch(text):
        raise allowed
    number = float(text)
    if not 0 < number <= MOST_A_SECOND:
        raise allowed
    return number


def customer(text: str) -> str:
    """Read an e-mail address or a customer id."""
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(
            f"must be an e-mail address or a customer id, of up to {MOST_NAME} printable characters"
        )
    return name


def site(text: str) -> str:
    """Read the address of the shop's site, and leave out the slash at its end."""
    url = text.strip().rstrip("/")
    try:
        URLValidator(schemes=["http", "https"])(url)
    except ValidationError as exc:
        raise argparse.ArgumentTypeError("must be an address such as https://shop.example") from exc
    return url


def day(text: str) -> date:
    """Read a date in ISO 8601."""
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not FIRST_DAY <= found <= LAST_DAY:
        raise argparse.ArgumentTypeError(f"must be a date such as 2026-11-30, from {FIRST_DAY} to {LAST_DAY}")
    return found


def moment(text: str) -> datetime:
    """Read a date or a time in ISO 8601; without a zone it is in the shop's time zone.

    The answer has a zone if the shop's times have one (``USE_TZ``).
    """
    try:
        found = parse_datetime(text if parse_date(text) is None else f"{text}T00:00")
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError("must be a date or a time such as 2026-08-01 or 2026-08-01T12:00Z")
    if settings.USE_TZ:
        return make_aware(found) if is_naive(found) else found
    return found if is_naive(found) else make_naive(found)
