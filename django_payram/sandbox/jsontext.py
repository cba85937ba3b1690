"""JSON as PayRam writes and reads it."""

from __future__ import annotations

import json
from decimal import Decimal

# Go's encoder escapes these three in every string.
GO_ESCAPES = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; a Decimal becomes a JSON number."""
    text = json.dumps(value, separators=(",", ":"), default=_number)
    for character, escape in GO_ESCAPES.items():
        text = text.replace(character, escape)
    return text.encode()


def decode(body: bytes) -> object:
    """The value of a JSON text, numbers as Decimal; raises ValueError for anything else."""
    try:
        return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except RecursionError as exc:
        raise ValueError("The JSON is nested too deeply.") from exc


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        # The last step before the wire: a double writes every sum of up to 15 digits exactly.
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON.")
