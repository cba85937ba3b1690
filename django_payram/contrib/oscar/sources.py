"""Oscar's records of money: one Source of an order, with a Transaction for what was paid and for what was sent back."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Sum
from oscar.core.loading import get_model

from django_payram.contrib.oscar.orders import CODE, source_of, source_type
from django_payram.models import Outcome

if TYPE_CHECKING:
    from django_payram.models import Payment, Refund

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
    if payment.events.filter(outcome=Outcome.ASSIGNED).exists():
        _take_along(source, payment, reference)
    _debit(source, payment, reference)
    _refund(source, payment, reference)


def _take_along(source: Any, payment: Payment, reference: str) -> None:
    """Move to ``source`` what was written of the payment at the order that it had before."""
    kind, sources = get_model("payment", "Transaction"), get_model("payment", "Source")
    refunds = Q(txn_type=kind.REFUND, status__in=[_name(refund) for refund in payment.refunds.all()])
    rows = kind.objects.filter(Q(txn_type=kind.DEBIT, reference=reference) | refunds, source__source_type__code=CODE)
    rows = rows.exclude(source=source)
    for left in sources.objects.filter(pk__in=[row.source_id for row in rows]):
        for row in rows.filter(source=left):
            column = "amount_debited" if row.txn_type == kind.DEBIT else "amount_refunded"
            setattr(left, column, getattr(left, column) - row.amount)
            setattr(source, column, getattr(source, column) + row.amount)
            row.source = source
            row.save()
        if left.reference == reference:
            left.reference = ""
        left.save()
        source.save()


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
        name = _name(refund)
        if name not in known:
            source.refund(amount, reference=(refund.transaction or reference)[:LONGEST_REFERENCE], status=name)


def _name(refund: Refund) -> str:
    """Return the status of the transaction that tells of ``refund``: by this it is found again."""
    return f"refund {refund.pk}"


def _in_currency(payment: Payment, usd: Decimal) -> Decimal:
    """Return US dollars in the currency of the payment's price, by the rate at which its link was made."""
    price, _currency = payment.price
    return (usd * price / payment.amount_usd).quantize(CENT, rounding=ROUND_DOWN)
