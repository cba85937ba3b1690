"""Amounts of money in templates."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()

CENT = Decimal("0.01")


@register.filter
def usd(amount: Decimal | None) -> str:
    """Return US dollars with two places, rounded down: never more than has come."""
    return _dollars(amount, ROUND_DOWN)


@register.filter
def usd_up(amount: Decimal | None) -> str:
    """Return US dollars with two places, rounded up: never less than is missing."""
    return _dollars(amount, ROUND_UP)


def _dollars(amount: Decimal | None, rounding: str) -> str:
    if amount is None:
        return ""
    cents = Decimal(amount).quantize(CENT, rounding=rounding)
    return _("%(amount)s USD") % {"amount": number_format(cents, decimal_pos=2, use_l10n=True)}
