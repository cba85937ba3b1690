"""Money on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

if TYPE_CHECKING:
    from decimal import Decimal

register = template.Library()


SIGNS = {"USD": "$", "EUR": "€"}


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Return an amount of money as people write it: ``$1,234.50``."""
    return f"{SIGNS[currency]}{amount:,.2f}"
