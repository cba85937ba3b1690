"""What the shop does when PayRam has news. Imported at start-up by django_payram.

Receivers may be told the same thing again, so each looks at the order before it acts. Mails leave
after the commit: database work can be undone when something fails, a mail cannot be called back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from django_payram.signals import payment_canceled, payment_paid, payment_refunded, payment_updated
from shop import mails, orders
from shop.models import Order

if TYPE_CHECKING:
    from django_payram.models import Payment


@payment_paid.on(Order)
def mark_paid(order: Order, payment: Payment, **kwargs: Any) -> None:
    """Make the bill paid, and thank the customer for the order: all the money is there."""
    if payment.purpose == orders.EXPRESS:
        orders.settle_express_delivery(order)
    elif payment.covers(order.total, order.currency) and orders.settle(order):
        transaction.on_commit(partial(mails.thank, order))


@payment_updated.on(Order)
def mark_partly_paid(order: Order, payment: Payment, **kwargs: Any) -> None:
    """Say on the order that some of the money is there."""
    if payment.state == "PARTIALLY_FILLED" and not payment.purpose:
        orders.note_part(order)


@payment_canceled.on(Order)
def release_stock(order: Order, payment: Payment, **kwargs: Any) -> None:
    """Put the pieces back on the shelf: no money came."""
    if not payment.purpose:
        orders.cancel(order)


@payment_refunded.on(Order)
def mark_refunded(order: Order, payment: Payment, **kwargs: Any) -> None:
    """Close the order once all the money for it has been sent back.

    Of an order that was paid by card, or twice, what came too much may be sent back, and it stays paid.
    """
    left = order.payments.filter(purpose="").net_usd()
    if left < orders.CENT and not (payment.purpose or order.paid_by_card):
        orders.refund(order)
