"""Amounts of money that a shop gives."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django_payram.exceptions import InvalidPaymentRequest


def read_number(argument: str, amount: object) -> Decimal:
    """Return an amount of money as it is. Raises InvalidPaymentRequest, naming the argument.

    No float: a cent of it may be lost before it comes here.
    """
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise InvalidPaymentRequest(argument, f"must be a Decimal, an int or a str, not {type(amount).__name__}.")
    try:
        number = Decimal(amount)
    except InvalidOperation as exc:
        raise InvalidPaymentRequest(argument, f"is not a number: {amount!r:.60}.") from exc
    if not number.is_finite():
        raise InvalidPaymentRequest(argument, "must be a finite number.")
    return number
