from salesman.core.utils import get_salesman_model

from django_payram.models import Payment
from django_payram.signals import payment_paid, payment_refunded

Order = get_salesman_model("Order")


@payment_paid.on(Order)
def pay_order(order, payment, **kwargs):
    """May be called again: the order has one payment for a reference."""
    if order.payments.filter(transaction_id=payment.reference).exists():
        return
    order.pay(payment.amount_usd, payment.reference, payment_method="payram")
    # An order that was canceled meanwhile has its money written down, and stays canceled.
    if order.is_paid and order.status in order.Status.get_payable():
        order.status = order.Status.PROCESSING
        order.save()


@payment_refunded.on(Order)
def refund_order(order, payment, **kwargs):
    """Once nothing is kept of what was paid for the order, by whatever links."""
    if not Payment.objects.for_order(order).net_usd():
        order.status = order.Status.REFUNDED
        order.save()
