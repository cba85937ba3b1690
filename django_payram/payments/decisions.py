"""What the shop decides about a payment: to want no money on it, to give it to an order, that money was sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import IntegrityError, OperationalError, connections

from django_payram.exceptions import InvalidPaymentRequest
from django_payram.models import Source, database, number_of
from django_payram.payments import rules, transitions
from django_payram.payments.request import read_amount, read_order, read_text

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

    Raises ValueError for a payment that is paid, and InvalidPaymentRequest (a ValueError) for a wrong argument.
    """
    update = rules.Withdrawal(read_text("reason", reason))
    transitions.apply(payment, update, source=_source(source), actor=_actor(actor))
    payment.refresh_from_db(using=database())
    return payment


def assign(payment: Payment, order: Model, *, source: Source = Source.SHOP, actor: str = "") -> Payment:
    """Give ``payment``, with what tops it up, to ``order``: one that was made later, or instead of the one it had.

    It keeps its purpose. Receivers are sent ``payment_paid`` for the order if the payment is paid; if the order has
    been paid otherwise for the same purpose, the payment is under review as ``duplicate`` instead. The payments of the
    order that it leaves are told what is true of them without it. Done again it changes nothing. Returns the payment
    as it is now (the same instance).

    Raises ValueError for an order that has been deleted, and InvalidPaymentRequest (a ValueError) for one that is not
    saved, or whose key no payment can remember.
    """
    update = rules.Assignment(read_order(order), number_of(order))
    source, actor = _source(source), _actor(actor)
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
    characters): recorded again for the same payment, it changes nothing, and the first refund is returned. Once all is
    sent back, or what a top-up brought too much, the review is settled and a hold ends; a paid payment stays paid. An
    open link of which money was sent back is not used again. Sends ``payment_refunded``. A top-up's money is sent back
    from the payment that it tops up.

    Raises InvalidPaymentRequest (a ValueError) for wrong arguments, and ValueError for more than is left of the
    payment; then nothing is written.
    """
    amount = read_amount("amount_usd", amount_usd)
    transaction = read_text("transaction", transaction, longest=LONGEST_TRANSACTION).strip()
    actor = _actor(actor)
    update = rules.RefundRecord(amount, transaction, read_text("note", note), actor[: transitions.LONGEST_ACTOR])
    try:
        refund = transitions.apply(payment, update, source=_source(source), actor=actor).refund
    except transitions.RefundRecorded as exc:
        refund = exc.refund
        if refund.amount_usd != amount:
            raise InvalidPaymentRequest("transaction", f"is recorded already, with {refund.amount_usd} USD.") from exc
    payment.refresh_from_db(using=database())
    return cast("Refund", refund)


def _source(source: object) -> Source:
    if source not in Source.values:
        raise InvalidPaymentRequest("source", f"must be one of {', '.join(Source.values)}.")
    return Source(source)


def _actor(actor: object) -> str:
    if not isinstance(actor, str) or not actor.isprintable():
        raise InvalidPaymentRequest("actor", "must be a user name of printable characters.")
    return actor
