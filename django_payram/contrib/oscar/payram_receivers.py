"""What an order of Oscar learns of its payments. Imported when django_payram starts.

A signal may be sent again, and the receivers of one that failed are sent all of it once more: each writes only what is
not there yet.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from oscar.apps.order.exceptions import InvalidOrderStatus

from django_payram.contrib.oscar.orders import due, order_model, paid_status
from django_payram.contrib.oscar.sources import record
from django_payram.models import log_fields
from django_payram.signals import payment_paid, payment_refunded, payment_updated

if TYPE_CHECKING:
    from django_payram.models import Payment

logger = logging.getLogger("django_payram")


@payment_paid.on(order_model())
def pay_order(order: Any, payment: Payment, **kwargs: Any) -> None:  # noqa: ARG001 - the arguments of a receiver
    """Write the debit down, and give the order its status."""
    record(order, payment)
    set_paid_status(order, payment)


@payment_updated.on(order_model())
@payment_refunded.on(order_model())
def follow(order: Any, payment: Payment, **kwargs: Any) -> None:  # noqa: ARG001 - the arguments of a receiver
    """Write down what more has come of a paid payment, and what was sent back."""
    record(order, payment)


def set_paid_status(order: Any, payment: Payment) -> None:
    """Give the order the status that ``PAYRAM_OSCAR_PAID_STATUS`` names, once, by Oscar's pipeline.

    The payment is recorded whether or not the pipeline allows it: a person reads why in the log.
    """
    status = paid_status()
    # An order that has had the status may have been shipped since.
    if not status or order.status == status or order.status_changes.filter(new_status=status).exists():
        return
    if not payment.covers(due(order), order.currency):
        logger.error(
            "Order %s costs more than its payment %s brought: it stays %r.",
            order.number,
            payment,
            order.status,
            extra=log_fields(payment),
        )
        return
    try:
        order.set_status(status)
    except InvalidOrderStatus:
        logger.error(  # noqa: TRY400 - no traceback is logged as it is
            "Order %s is paid by %s, but OSCAR_ORDER_STATUS_PIPELINE leads from %r not to %r.",
            order.number,
            payment,
            order.status,
            status,
            extra=log_fields(payment),
        )
