"""Amounts of money and addresses in templates, and the part of a page where a customer pays."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django import template
from django.utils.formats import number_format
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from django_payram.models import in_transaction
from django_payram.payments.wallets import network_name
from django_payram.views.customer_status import customer_status
from django_payram.views.decorators import url_of
from django_payram.views.pay_block import pay_block

if TYPE_CHECKING:
    from django_payram.models import Payment

register = template.Library()


@register.filter
def web_address(url: str) -> str:
    """Return ``url`` if it may become a link: browsers run addresses of other kinds than http and https."""
    return url if url.startswith(("https://", "http://")) else ""


@register.filter
def network(blockchain: str) -> str:
    """Return what people call the network that PayRam names by a code: ``Ethereum`` for ``ETH``."""
    return network_name(blockchain)


@register.filter
def qr(text: str) -> str:
    """Return a QR code as an SVG picture, or ``""`` where the extra ``qr`` is not installed."""
    if find_spec("segno") is None:
        return ""
    code = import_module("segno").make(text, error="m", micro=False)
    # Dark on white whatever the theme: phones read no others.
    picture: str = code.svg_inline(border=3, dark="#10221f", light="#ffffff", omitsize=True)
    return mark_safe(picture)  # noqa: S308 - segno writes squares, and none of the text


@register.inclusion_tag("django_payram/pay.html", takes_context=True)
def payram_pay(context: Any, payment: Payment) -> dict[str, Any]:
    """Show on a page of the shop how ``payment`` can be paid there: the coins, or the address and the amount.

    The page needs ``django_payram/payram.css``, and ``django_payram/copy.js`` for the buttons that copy.

    In a transaction PayRam is not asked: where nothing is known, a link leads to the payment's own page, which asks.
    """
    request, status = context["request"], customer_status(payment)
    block = pay_block(request, payment, status, begin=True)
    page_url = url_of(request, "pay", payment.token) if status.url and in_transaction() else status.url
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "pay": block,
        "page_url": page_url,
        "payment": payment,
        "status": status,
    }


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
