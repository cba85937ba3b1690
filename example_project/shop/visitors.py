"""Whose order is it? Guests are known by their session, users by their account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from shop.models import Order

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

SESSION_KEY = "orders"


def remember(request: HttpRequest, order: Order) -> None:
    """Let the visitor's session own ``order``."""
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, []), order.pk]


def orders_of(request: HttpRequest) -> QuerySet[Order]:
    """Return the orders that this visitor may see."""
    mine = Q(pk__in=request.session.get(SESSION_KEY, []))
    if request.user.is_authenticated:
        mine |= Q(user=request.user)
    return Order.objects.filter(mine)
