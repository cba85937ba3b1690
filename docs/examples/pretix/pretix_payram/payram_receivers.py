"""What pretix learns of its payments. Each may be called again, and does what is still to be done.

A webhook is about no organizer until its payment is found, so the scope is set here.
"""

import functools
from contextlib import suppress

from django.db.models import Sum
from django_scopes import scope
from pretix.base.models import OrderPayment, Quota

from django_payram.models import Payment
from django_payram.signals import payment_canceled, payment_paid, payment_refunded, payment_updated


def scoped(receiver):
    @functools.wraps(receiver)
    def receive(order_payment, payment, **kwargs):
        with scope(organizer=order_payment.order.event.organizer):
            receiver(order_payment, payment)

    return receive


@payment_paid.on(OrderPayment)
@scoped
def confirm(order_payment, payment):
    if order_payment.state in (OrderPayment.PAYMENT_STATE_CONFIRMED, OrderPayment.PAYMENT_STATE_REFUNDED):
        return
    # Late, and sold out since: pretix has written the money down, and the order stays as it is.
    with suppress(Quota.QuotaExceededException):
        order_payment.confirm()


@payment_updated.on(OrderPayment)
@scoped
def wait(order_payment, payment):
    """Whoever has sent something is offered no other way to pay."""
    if payment.has_money and order_payment.state == OrderPayment.PAYMENT_STATE_CREATED:
        order_payment.state = OrderPayment.PAYMENT_STATE_PENDING
        order_payment.save(update_fields=["state"])


@payment_canceled.on(OrderPayment)
@scoped
def fail(order_payment, payment):
    order_payment.fail()


@payment_refunded.on(OrderPayment)
@scoped
def refund(order_payment, payment):
    """Let the organizer decide what becomes of an order whose money was sent back. A surplus concerns no order."""
    kept = Payment.objects.for_order(order_payment).net_usd()
    known = order_payment.refunds.aggregate(sum=Sum("amount"))["sum"] or 0
    if (sent_back := order_payment.amount - kept - known) > 0:
        order_payment.create_external_refund(amount=sent_back)
