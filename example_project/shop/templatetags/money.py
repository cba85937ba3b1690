"""Money on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

if TYPE_CHECKING:
    from decimal import Decimal

register = template.Library()


@register.filter
def usd(amount: Decimal) -> str:
    """Return US dollars as people write them: ``$1,234.50``."""
    return f"${amount:,.2f}"
