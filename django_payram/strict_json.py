"""JSON from strangers: bytes become plain values with Decimal numbers, or one clear ValueError.

Python's own reader accepts NaN, lets the last of two equal keys win, and follows any nesting. Money must not be
read that way.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import NoReturn

MAX_DEPTH = 32
MAX_DIGITS = 64
"""Longer numbers are refused: no amount, time or count needs them, and they cost time to convert."""

# An unterminated string runs to the end: the reader refuses it later. Every string matches at its first try, so that
# the time taken is linear in the length, whatever the body.
BRACKET_OR_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)
STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def loads(body: bytes) -> object:
    """Return the value of ``body``; every number is a Decimal.

    Raises ValueError, with a sentence for a person, for anything that is not UTF-8, not JSON, nested deeper than 32,
    that has a key twice with different values, or a number that is not finite, too long or out of range.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError("The body is not UTF-8 text.") from exc
    _refuse_depth(text)
    try:
        return json.loads(
            text,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as exc:
        raise ValueError(f"The body is not JSON: {exc.msg} at character {exc.pos}.") from exc


def _refuse_depth(text: str) -> None:
    """Count brackets outside strings, before the reader's own recursion meets them."""
    depth = 0
    for bracket in BRACKET_OR_STRING.findall(text):
        depth += STEP.get(bracket, 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"The body is nested deeper than {MAX_DEPTH}.")


def _number(literal: str) -> Decimal:
    if len(literal) > MAX_DIGITS:
        raise ValueError(f"The body holds a number of more than {MAX_DIGITS} characters.")
    try:
        return Decimal(literal)
    except InvalidOperation as exc:
        raise ValueError("The body holds a number that is out of range.") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"The body holds {name}, which is not a number.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for key, item in pairs:
        if key in value and value[key] != item:
            raise ValueError(f"The body gives {key[:40]!r} twice, with different values.")
        value[key] = item
    return value
