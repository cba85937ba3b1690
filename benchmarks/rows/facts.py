"""What is known of a payment from its number alone: by the rows, by who sends webhooks, and by the quick PayRam."""

from __future__ import annotations

import hashlib
from decimal import Decimal

LATEST = 10**9 - 1
"""Number n of the history has the key LATEST - n: newer payments have greater keys, as they should."""
OPENED_FROM = 10**9
"""Payments of a measurement are numbered from here, those of the history from 1."""
PAID_FROM = 2 * 10**9
"""PayRam calls these filled, and all others open."""

# The same in SQL, for a column n.
REFERENCE_SQL = "left(md5(n::text), 8) || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0')"
CENTS_SQL = "(100 + mod(n * 7919, 50000))"
CUSTOMER_SQL = "'floors.order-' || n"


def reference(number: int) -> str:
    """Return a payment's reference: it looks like PayRam's, is spread over the index like PayRam's, and can be read."""
    start = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{start}-0000-4000-8000-{number:012x}"


def order_of(reference: str) -> int:
    """Return the number in a reference."""
    return int(reference[-12:], 16)


def amount_usd(number: int) -> Decimal:
    """Return what was asked for, in US dollars."""
    return Decimal(100 + number * 7919 % 50000).scaleb(-2)


def customer_id(number: int) -> str:
    """Return the id under which PayRam knows the customer."""
    return f"floors.order-{number}"
