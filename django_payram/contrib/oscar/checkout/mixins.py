"""What a shop with a checkout of its own adds to its view."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http.response import HttpResponseRedirectBase

from django_payram.contrib.oscar.orders import CODE, ZERO, covered, may_be_paid, pay_url
from django_payram.contrib.oscar.sources import new_source


class PayramCheckout:
    """Stands before Oscar's PaymentDetailsView: the order is placed first, then its customer is led to PayRam.

    PayRam is never called here, where ATOMIC_REQUESTS may have opened a transaction: the browser posts once more, to a
    view that is in none.
    """

    def is_paid_by_payram(self) -> bool:
        """Return whether PayRam was chosen: by ``checkout_session.pay_by("payram")``, or because nothing was."""
        return self.checkout_session.payment_method() in (None, "", CODE)  # type: ignore[attr-defined] # of the view

    def handle_payment(self, order_number: Any, total: Any, **kwargs: Any) -> None:
        """Have a source saved with the order, for what the shop's other sources leave to be paid."""
        super().handle_payment(order_number, total, **kwargs)  # type: ignore[misc] # of the view
        rest = total.incl_tax - covered(self._payment_sources or ())  # type: ignore[attr-defined] # of the view
        if rest > ZERO and self.is_paid_by_payram():
            self.add_payment_source(new_source(total.currency, rest))  # type: ignore[attr-defined] # of the view

    def handle_successful_order(self, order: Any) -> Any:
        """Lead on to the payment, by 307: the browser posts again, and "Place order" is the only click."""
        response = super().handle_successful_order(order)  # type: ignore[misc] # of the view
        if isinstance(response, HttpResponseRedirectBase) and may_be_paid(order):
            response.status_code = HTTPStatus.TEMPORARY_REDIRECT
            response["Location"] = pay_url(order)
        return response
