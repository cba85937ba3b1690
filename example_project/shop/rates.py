"""What other currencies are worth. A real shop names ``django_payram.rates.djmoney`` in its settings instead."""

from __future__ import annotations

from decimal import Decimal

DOLLARS = {"EUR": Decimal("1.0850")}
"""US dollars for one unit, fixed so that the demo needs no network."""


def dollars(currency: str) -> Decimal:
    """Return the US dollars that one unit of ``currency`` is worth. Raises KeyError for a currency without a rate."""
    return DOLLARS[currency]
