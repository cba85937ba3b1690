"""What a shop tells a checkout view: the order, its amount, its e-mail. All of it on the server side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError

from django_payram import conf
from django_payram.exceptions import PayramError
from django_payram.lifecycle import open_payment

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import Model

    from django_payram.models import Payment

UNAVAILABLE = (PayramError, OperationalError, InterfaceError)
"""Trying again may well help: PayRam could not be asked, or the database was busy, a deadlock for instance."""


class Checkout:
    """Opens the payment of one order. A shop implements the first three methods in its view.

    Nothing here may come from the browser but the key of an order, and ``get_order`` must check whose order it is.
    """

    def get_order(self) -> Any:
        """Return the visitor's own order, or raise Http404."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_order().")

    def get_amount(self, order: Any) -> Decimal | int | str:
        """Return what is to be paid for ``order``, in US dollars with at most two places."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_amount(order).")

    def get_email(self, order: Any) -> str:
        """Return the customer's e-mail address."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_email(order).")

    def get_customer_id(self, order: Any) -> str | None:  # noqa: ARG002 - for shops to override
        """Return PayRam's customer id, or None for one id per order."""
        return None

    def get_project(self, order: Any) -> str:  # noqa: ARG002 - for shops to override
        """Return the name of the PayRam project."""
        return conf.DEFAULT_PROJECT

    def open_payment(self) -> Payment:
        """Open the payment, with the errors of :func:`django_payram.lifecycle.open_payment`."""
        order: Model = self.get_order()
        return open_payment(
            order,
            amount=self.get_amount(order),
            email=self.get_email(order),
            customer_id=self.get_customer_id(order),
            project=self.get_project(order),
        )
