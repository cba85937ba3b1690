"""What the shop decides about a payment: to want no money on it, to give it to an order, that money was sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import IntegrityError, OperationalError, connections

from django_payram.gateway.redaction import clean_text
from django_payram.models import Source, database, number_of
from django_payram.payments import rules, transitions
from django_payram.payments.request import read_amount, read_order

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import Model

    from django_payram.models import Payment, Refund

MOST_CONFLICTS = 5
"""After so many the conflict is another one, or the caller's transaction cannot see who was faster."""

LONGEST_TRANSACTION = 255
"""Characters that the column holds."""


def withdraw(payment: Payment, *, reason: str = "", source: Source = Source.SHOP, actor: str = "") -> Payment:
    """Want no more money on the link of ``payment``: the order was paid by card, or canceled.

    Nobody is led to the link any more, ``payment_canceled`` is not sent, and the order may have another link. PayRam
    knows no call for it: money that comes all the same counts, and is under review as ``late``. ``reason`` stands in
    the timeline. Done again it changes nothing. Returns the payment as it is now (the same instance).

    Raises ValueError for a payment that is paid.
    """
    transitions.apply(payment, rules.Withdrawal(clean_text(reason)), source=source, actor=actor)
    payment.refresh_from_db(using=database())
    return payment


def assign(payment: Payment, order: Model, *, source: Source = Source.SHOP, actor: str = "") -> Payment:
    """Give ``payment``, with what tops it up, to ``order``: one that was made later, or instead of the one it had.

    Receivers are sent ``payment_paid`` for the order if the payment is paid; if the order has been paid otherwise for
    the same purpose, the payment is under review as ``duplicate``. Done again it changes nothing. Returns the payment
    as it is now (the same instance).

    Raises ValueError for an order that is not saved, or whose key no payment can remember.
    """
    update = rules.Assignment(read_order(order), number_of(order))
    for tries_left in reversed(range(MOST_CONFLICTS)):
        try:
            transitions.apply(payment, update, source=source, actor=actor)
        except (IntegrityError, OperationalError) as exc:
            # Another payment of the order was made or assigned in the same instant, and is there to be seen now; or
            # MariaDB, which locks entries of indexes as well, has chosen this one to end a deadlock.
            is_lost = isinstance(exc, OperationalError) and connections[database()].in_atomic_block
            if not tries_left or is_lost:
                raise
        else:
            break
    payment.refresh_from_db(using=database())
    return payment


def record_refund(
    payment: Payment,
    *,
    amount_usd: Decimal | int | str,
    transaction: str = "",
    note: str = "",
    source: Source = Source.SHOP,
    actor: str = "",
) -> Refund:
    """Write down that the shop has sent back money of ``payment``; this app never sends any.

    ``amount_usd`` is in US dollars with at most two places, ``transaction`` tells where it can be looked up (up to 255
    characters). Once all is sent back, or the surplus of a paid payment, its review is settled and a hold ends; it
    stays paid. Sends ``payment_refunded``. A top-up's money is sent back from the payment that it tops up.

    Raises ValueError for wrong arguments, and for more than is left of the payment; then nothing is written.
    """
    if len(transaction) > LONGEST_TRANSACTION:
        raise ValueError(f"transaction must have at most {LONGEST_TRANSACTION} characters.")
    amount = read_amount("amount_usd", amount_usd)
    update = rules.RefundRecord(amount, clean_text(transaction), clean_text(note), actor[:150])
    recorded = transitions.apply(payment, update, source=source, actor=actor)
    payment.refresh_from_db(using=database())
    return cast("Refund", recorded.refund)
