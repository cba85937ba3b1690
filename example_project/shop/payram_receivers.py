"""What the shop does when PayRam has news. Imported at start-up by django_payram.

Receivers may be told the same thing again, so each looks at the order before it acts. Mails leave
after the commit: database work can be undone when something fails, a mail cannot be called back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.dispatch import receiver

from django_payram.signals import payment_canceled, payment_paid, payment_updated
from shop import mails, orders
from shop.models import Order

if TYPE_CHECKING:
    from django_payram.models import Payment


@receiver(payment_paid)
def mark_paid(sender: type[Payment], payment: Payment, **kwargs: Any) -> None:
    """Make the order paid and thank the customer: all the money is there."""
    order = payment.order
    if isinstance(order, Order) and orders.settle(order):
        transaction.on_commit(partial(mails.thank, order))


@receiver(payment_updated)
def mark_partly_paid(sender: type[Payment], payment: Payment, **kwargs: Any) -> None:
    """Say on the order that some of the money is there."""
    order = payment.order
    if isinstance(order, Order) and payment.state == "PARTIALLY_FILLED":
        orders.note_part(order)


@receiver(payment_canceled)
def release_stock(sender: type[Payment], payment: Payment, **kwargs: Any) -> None:
    """Put the pieces back on the shelf: no money came."""
    order = payment.order
    if isinstance(order, Order):
        orders.cancel(order)
