"""Which row of the shop a payment belongs to, under whatever model that row was loaded."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib.contenttypes.models import ContentType
from django.db.models import CompositePrimaryKey

from django_payram.exceptions import InvalidPaymentRequest
from django_payram.models.databases import database

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model

LONGEST_KEY = 200
"""Characters that the column ``order_id`` holds."""

TOKEN_DIGITS = 12
"""So much of the first payment's token stands in the order's customer id."""


@dataclass(frozen=True)
class OrderKey:
    """How a payment remembers its order: the content type of the model that owns the key, and the key as text."""

    type: ContentType
    id: str

    def live_slot(self, purpose: str) -> str:
        """Return the value of ``Payment.live_slot`` that the order's one live link for ``purpose`` has."""
        if not purpose:
            return f"{self.type.pk}:{self.id}"
        # Both together may be longer than the column, and hold any character: the length tells where the key ends.
        bill = f"{len(self.id)}:{self.id}:{purpose}"
        return f"{self.type.pk}#{hashlib.sha256(bill.encode()).hexdigest()}"

    def customer_id(self, *, prefix: str, token: UUID) -> str:
        """Return the customer id of the order's payments for one purpose, the first of which has ``token``.

        Without the token the same id would come again after a restored backup, in another installation of the shop
        with the same PayRam project, or for a key that is given out again: and with it somebody else's money. Each
        purpose has a first payment, and so an id of its own: PayRam cancels a customer's open link when another one
        is made, and a deposit must not cancel the balance.
        """
        return f"{prefix}{self.type.app_label}.{self.type.model}-{self.id}-{token.hex[:TOKEN_DIGITS]}"

    def is_customer_id(self, text: str) -> bool:
        """Return whether ``text`` is such a customer id, whatever its prefix and token."""
        named = re.escape(f"{self.type.app_label}.{self.type.model}-{self.id}-")
        return re.search(rf"{named}[0-9a-f]{{{TOKEN_DIGITS}}}\Z", text) is not None


def order_key(order: Model) -> OrderKey:
    """Return how payments remember ``order``. Raises InvalidPaymentRequest for a key that cannot be remembered."""
    field = key_field(type(order))
    if isinstance(field, CompositePrimaryKey):
        kind = type(order).__name__
        raise InvalidPaymentRequest(
            "order", f"must have one key: {kind} has a composite primary key, by which no payment can remember it."
        )
    if any(link is not None and not link.primary_key for link in _links_above(field)):
        raise InvalidPaymentRequest("order", f"must be the parent's row: a {type(order).__name__} has two keys.")
    text = str(getattr(order, field.attname))
    if len(text) > LONGEST_KEY:
        raise InvalidPaymentRequest("order", f"must have a key of at most {LONGEST_KEY} characters.")
    return OrderKey(content_type(order), text)


def key_field(model: type[Model]) -> Any:
    """Return the field of ``model`` that holds the key under which its orders are remembered: the root model's.

    That is the primary key, or the link to the parent where a model that inherits by tables has another one.
    """
    parents = cast("type[Model]", model._meta.concrete_model)._meta.parents  # noqa: SLF001 - Django's documented name
    link = next(iter(parents.values()), None)
    return link or model._meta.pk  # noqa: SLF001


def _links_above(field: Any) -> list[Any]:
    """Return the links from the model that ``field`` leads to up to the root model."""
    links = []
    while field is not None and field.remote_field is not None:
        field = next(iter(field.related_model._meta.parents.values()), None)  # noqa: SLF001
        links.append(field)
    return links


def number_of(order: Model) -> str:
    """Return what people call ``order``: its ``number``, or its key where it has none that can be shown."""
    number = getattr(order, "number", None)
    text = "" if number is None or callable(number) else str(number).strip()
    return text if text and text.isprintable() and len(text) <= LONGEST_KEY else order_key(order).id


def content_type(model: Model | type[Model]) -> ContentType:
    """Return the content type under which orders of ``model`` are remembered, as the payments' database knows it.

    The concrete model of a proxy, the root of a model that inherits from others by its tables: an order is one order,
    whichever of its models it was loaded as.
    """
    root = cast("type[Model]", model._meta.concrete_model)  # noqa: SLF001 - Django's documented name
    while parents := root._meta.parents:  # noqa: SLF001
        root = next(iter(parents))
    return ContentType.objects.db_manager(database()).get_for_model(root)
