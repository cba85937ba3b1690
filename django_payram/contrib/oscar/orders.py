"""What Oscar's orders say: what is due, whether they may be paid, whose they are, and where they are shown."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse
from oscar.core.loading import get_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

CODE = "payram"
"""The code of Oscar's SourceType, and the name of the method in the session of a checkout."""
NAME = "PayRam"

ZERO = Decimal(0)


def order_model() -> Any:
    """Return the shop's model of an order: Oscar's, or its fork."""
    return get_model("order", "Order")


def source_type() -> Any:
    """Return Oscar's type of the sources that are paid through PayRam."""
    found, _is_new = get_model("payment", "SourceType").objects.get_or_create(code=CODE, defaults={"name": NAME})
    return found


def source_of(order: Any, currency: str | None = None) -> Any:
    """Return the order's source that is paid through PayRam, in that currency or in any; None where there is none."""
    sources = order.sources.filter(source_type__code=CODE)
    if currency is not None:
        sources = sources.filter(currency=currency)
    return sources.order_by("pk").first()


def covered(sources: Iterable[Any]) -> Decimal:
    """Return what these sources of other kinds pay: a gift card, for instance."""
    return sum(
        (max(source.amount_allocated, source.amount_debited) - source.amount_refunded for source in sources), ZERO
    )


def due(order: Any) -> Decimal:
    """Return what is to be paid through PayRam, in the order's currency: its total less what other sources pay."""
    others = order.sources.exclude(source_type__code=CODE)
    total: Decimal = order.total_incl_tax
    return max(total - covered(others), ZERO)


def paid_status() -> str:
    """Return the status that a paid order gets, ``""`` when the shop has not named one."""
    return str(getattr(settings, "PAYRAM_OSCAR_PAID_STATUS", None) or "")


def leads_to(status: str) -> bool:
    """Return whether the pipeline of orders leads to ``status`` from anywhere."""
    return any(status in following for following in order_model().pipeline.values())


def may_be_paid(order: Any) -> bool:
    """Return whether the customer may be led to PayRam: that way was chosen, something is due, and it can become paid.

    By the pipeline a canceled order cannot become what ``PAYRAM_OSCAR_PAID_STATUS`` names, so it takes no money.
    """
    wanted = paid_status()
    is_possible = not wanted or not leads_to(wanted) or wanted in order.available_statuses()
    return is_possible and source_of(order) is not None and due(order) > 0


def is_own(request: HttpRequest, order: Any, proof: str = "") -> bool:
    """Return whether the visitor may pay ``order``.

    It is the visitor's own, was placed in this session, or is a guest's whose page Oscar has opened to the visitor: by
    the hash in its address, ``proof``, and the e-mail address.
    """
    if order.user_id is not None and order.user_id == request.user.pk:
        return True
    if request.session.get("checkout_order_id") == order.pk:
        return True
    is_guests = order.user_id is None and bool(order.guest_email)
    is_known = is_guests and request.session.get("anon_order_email") == order.guest_email
    return bool(proof) and is_known and order.check_verification_hash(proof)


def pay_url(order: Any, *, with_proof: bool = False) -> str:
    """Return where the order is paid by a POST; with the hash of a guest's order, for the page that has it already."""
    if with_proof and order.user_id is None:
        return reverse("payram_oscar:pay-as-guest", args=[order.number, order.verification_hash()])
    return reverse("payram_oscar:pay", args=[order.number])


def order_url(order: Any) -> str:
    """Return the address that leads whoever may see the order to its page."""
    return reverse("payram_oscar:order", args=[order.number])


def give_addresses() -> None:
    """Let the status page of a payment lead back to the order, and offer another link: Oscar's order has no address."""
    model = order_model()
    for name, method in (("get_absolute_url", order_url), ("get_payment_url", pay_url)):
        if not hasattr(model, name):
            model.add_to_class(name, method)
