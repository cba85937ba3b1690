"""Amounts of money and addresses in templates."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def web_address(url: str) -> str:
    """Return ``url`` if it may become a link: browsers run addresses of other kinds than http and https."""
    return url if url.startswith(("https://", "http://")) else ""


@register.filter
def usd(amount: Decimal | None) -> str:
    """Return US dollars with two places in the reader's format, rounded down: never more than there is."""
    if amount is None:
        return ""
    cents = Decimal(amount).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)
    return _("%(amount)s USD") % {"amount": number_format(cents, decimal_pos=2)}


@register.filter
def price(amount_and_currency: tuple[Decimal, str]) -> str:
    """Return a price in the reader's format, with two places and the code of its currency."""
    amount, currency = amount_and_currency
    return _("%(amount)s %(currency)s") % {"amount": number_format(amount, decimal_pos=2), "currency": currency}
