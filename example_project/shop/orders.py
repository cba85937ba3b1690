"""What happens to an order. Only this module changes an order's state and the stock.

Every function locks what it changes and may be called again without harm.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_payram.models import Payment
from django_payram.payments import record_refund, withdraw
from shop.models import Order, Product

if TYPE_CHECKING:
    from django.contrib.auth.models import User


CENT = Decimal("0.01")

EXPRESS = "express delivery"
"""The purpose of the payment for it."""
EXPRESS_FEE = Decimal("9.00")
"""In the currency of the order."""


class OrderError(Exception):
    """Says in a sentence for the customer why an order is not possible."""


class OutOfStockError(OrderError):
    """Fewer pieces are left than were asked for."""


def place(product: Product, *, quantity: int, name: str, email: str, user: User | None = None) -> Order:
    """Take ``quantity`` pieces off the shelf and return the new order for them.

    Raises OutOfStockError, with nothing written, when fewer are left.
    """
    with transaction.atomic():
        _take(product, quantity)
        total = product.price * quantity
        order = Order.objects.create(name=name, email=email, user=user, total=total, currency=product.currency)
        order.lines.create(product=product, quantity=quantity, unit_price=product.price)
    return order


def can_be_paid(order: Order) -> bool:
    """Return whether the customer should be offered to pay ``order``.

    When a link closed with only a part of the money on it, a person has to settle that first.
    """
    if order.state == Order.State.PARTLY_PAID:
        return Payment.objects.for_order(order).open().exists()
    return order.state in {Order.State.WAITING, Order.State.CANCELED}


@transaction.atomic
def reopen(order: Order) -> None:
    """Take the pieces of a canceled order off the shelf again, so that it can be paid after all.

    Does nothing to an order in another state. Raises OutOfStockError when too few are left.
    """
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.state != Order.State.CANCELED:
        return
    _hold(order)
    order.state = Order.State.WAITING
    order.save(update_fields=["state", "holds_stock"])


@transaction.atomic
def settle(order: Order, *, by_card: bool = False) -> bool:
    """Make ``order`` paid. Return whether that is new."""
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.state in {Order.State.PAID, Order.State.REFUNDED}:
        return False
    _hold_if_possible(order)
    order.state = Order.State.PAID
    order.paid_at = timezone.now()
    order.paid_by_card = by_card
    order.save(update_fields=["state", "paid_at", "paid_by_card", "holds_stock"])
    return True


def pay_by_card(order: Order, *, clerk: str) -> bool:
    """Make ``order`` paid by card: nobody is to pay it once more. Return whether that is new."""
    if not settle(order, by_card=True):
        return False
    # Only now: the customer gets no new link any more.
    for payment in order.payments.filter(purpose="").open():
        # One that is paid in this very moment cannot be withdrawn; its money is sent back.
        with suppress(ValueError):
            withdraw(payment, reason=_("Paid by card."), actor=clerk)
    return True


def send_back(order: Order, *, clerk: str) -> int:
    """Write down that a clerk has sent back all that was paid for ``order``. Return for how many payments.

    The money itself leaves the shop's wallet by hand: PayRam is not told.
    """
    paid = [payment for payment in order.payments.filter(parent=None) if payment.net_usd >= CENT]
    for payment in paid:
        left = payment.net_usd.quantize(CENT, rounding=ROUND_DOWN)
        record_refund(payment, amount_usd=left, note=_("Sent back by hand."), actor=clerk)
    return len(paid)


@transaction.atomic
def add_express_delivery(order: Order) -> bool:
    """Add express delivery to a paid order, which has a bill of its own then. Return whether that is new."""
    order = Order.objects.select_for_update().get(pk=order.pk)
    if not order.is_paid or order.express_fee:
        return False
    order.express_fee = EXPRESS_FEE
    order.save(update_fields=["express_fee"])
    return True


@transaction.atomic
def settle_express_delivery(order: Order) -> None:
    """Remember that express delivery is paid."""
    Order.objects.filter(pk=order.pk, express_paid_at=None).update(express_paid_at=timezone.now())


@transaction.atomic
def refund(order: Order) -> None:
    """Close ``order`` after its money was sent back, and put its pieces back on the shelf."""
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.state == Order.State.REFUNDED:
        return
    _release(order)
    order.state = Order.State.REFUNDED
    order.save(update_fields=["state", "holds_stock"])


@transaction.atomic
def note_part(order: Order) -> None:
    """Remember that a part of the money for ``order`` has arrived."""
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.state not in {Order.State.WAITING, Order.State.CANCELED}:
        return
    _hold_if_possible(order)
    order.state = Order.State.PARTLY_PAID
    order.save(update_fields=["state", "holds_stock"])


@transaction.atomic
def cancel(order: Order) -> bool:
    """Put the pieces of an order without money back on the shelf. Return whether that is new."""
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.state != Order.State.WAITING:
        return False
    _release(order)
    order.state = Order.State.CANCELED
    order.save(update_fields=["state", "holds_stock"])
    return True


def _take(product: Product, quantity: int) -> None:
    enough = Product.objects.filter(pk=product.pk, stock__gte=quantity)
    if not enough.update(stock=F("stock") - quantity):
        product.refresh_from_db(fields=["stock"])
        raise OutOfStockError(_too_few(product.stock))


def _too_few(left: int) -> str:
    if not left:
        return _("This is sold out.")
    return ngettext("Only %(left)d is left.", "Only %(left)d are left.", left) % {"left": left}


def _hold(order: Order) -> None:
    """Take the pieces of ``order`` off the shelf, all or none."""
    if order.holds_stock:
        return
    with transaction.atomic():
        for line in order.lines.select_related("product").order_by("product"):
            _take(line.product, line.quantity)
    order.holds_stock = True


def _hold_if_possible(order: Order) -> None:
    """Hold the pieces of an order whose money came late; without stock the admin shows the gap."""
    try:
        _hold(order)
    except OutOfStockError:
        order.holds_stock = False


def _release(order: Order) -> None:
    if not order.holds_stock:
        return
    for line in order.lines.order_by("product"):
        Product.objects.filter(pk=line.product_id).update(stock=F("stock") + line.quantity)
    order.holds_stock = False
