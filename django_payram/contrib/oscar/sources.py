"""Oscar's records of money: one Source of an order, with a Transaction for what was paid and for what was sent back."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Sum
from oscar.core.loading import get_model

from django_payram.contrib.oscar.orders import source_of, source_type

if TYPE_CHECKING:
    from django_payram.models import Payment

CENT = Decimal("0.01")
ZERO = Decimal(0)

LONGEST_REFERENCE = 128
"""Characters that the column of a transaction holds."""


def new_source(currency: str, amount: Decimal) -> Any:
    """Return a source that has yet to be saved with its order: so much is to be paid through PayRam."""
    source = get_model("payment", "Source")
    return source(source_type=source_type(), currency=currency, amount_allocated=amount)


def record(order: Any, payment: Payment) -> None:
    """Write down what came by ``payment`` and what was sent back of it, in the currency of its price.

    Only what is not there yet is written, so that it does no harm to be told again. The order must be locked. Money
    counts as paid once the payment is: what was forgiven as well, and a surplus beyond the price. The money of a top-up
    counts for what it tops up.
    """
    if not payment.is_paid or payment.parent_id is not None:
        return
    price, currency = payment.price
    source = source_of(order, currency)
    if source is None:
        # The shop's staff has asked for the money, or assigned the payment.
        source = new_source(currency, price)
        source.order = order
    reference = (payment.reference or str(payment.token))[:LONGEST_REFERENCE]
    if not source.reference:
        source.reference = reference
        source.save()
    _debit(source, payment, reference)
    _refund(source, payment, reference)


def _debit(source: Any, payment: Payment, reference: str) -> None:
    debits = source.transactions.filter(txn_type=get_model("payment", "Transaction").DEBIT, reference=reference)
    known = debits.aggregate(sum=Sum("amount"))["sum"] or ZERO
    paid = _in_currency(payment, max(payment.amount_usd, payment.received_usd))
    if paid > known:
        source.debit(paid - known, reference=reference, status=str(payment.status.value))


def _refund(source: Any, payment: Payment, reference: str) -> None:
    refunds = source.transactions.filter(txn_type=get_model("payment", "Transaction").REFUND)
    known, total, before = set(refunds.values_list("status", flat=True)), ZERO, ZERO
    for refund in payment.refunds.order_by("pk"):
        total += refund.amount_usd
        # Differences of rounded sums: together they are what all refunds are.
        amount, before = _in_currency(payment, total) - before, _in_currency(payment, total)
        name = f"refund {refund.pk}"
        if name not in known:
            source.refund(amount, reference=(refund.transaction or reference)[:LONGEST_REFERENCE], status=name)


def _in_currency(payment: Payment, usd: Decimal) -> Decimal:
    """Return US dollars in the currency of the payment's price, by the rate at which its link was made."""
    price, _currency = payment.price
    return (usd * price / payment.amount_usd).quantize(CENT, rounding=ROUND_DOWN)
