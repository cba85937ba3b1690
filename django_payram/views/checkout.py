"""Where a customer starts to pay: what a shop says of an order, and the view that makes its link."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import classonlymethod, method_decorator
from django.views import View

from django_payram import conf
from django_payram.exceptions import PayramAlreadyPaid, PayramError
from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY
from django_payram.payments import open_payment
from django_payram.views.decorators import outside_transactions, private, url_of
from django_payram.views.status import SESSION_KEY

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import Model
    from django.http import HttpRequest

    from django_payram.models import Payment

logger = logging.getLogger("django_payram")

UNAVAILABLE = (PayramError, *DATABASE_BUSY)
"""Trying again may well help: PayRam could not be asked, or the database was busy, a deadlock for instance."""


class Checkout:
    """Opens the payment of one order. A shop implements the first three methods in its view.

    Nothing here may come from the browser but the key of an order, and ``get_order`` must check whose order it is.
    """

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805 - Django's decorator
        """Return the view, out of ATOMIC_REQUESTS: the row must be committed before PayRam is called.

        A decorator of ``dispatch`` would be lost behind a mixin such as LoginRequiredMixin.
        """
        return outside_transactions(super().as_view(**initkwargs))  # type: ignore[misc] # of the view beside it

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
        """Open the payment, with the errors of :func:`django_payram.payments.open_payment`."""
        order: Model = self.get_order()
        return open_payment(
            order,
            amount=self.get_amount(order),
            email=self.get_email(order),
            customer_id=self.get_customer_id(order),
            project=self.get_project(order),
        )


@method_decorator(private, name="dispatch")
class CheckoutView(Checkout, View):
    """POST makes the payment link of an order and leads to PayRam's page (303).

    A shop subclasses it and implements ``get_order()``, ``get_amount(order)`` and ``get_email(order)``.
    """

    http_method_names = ["post", "options"]
    unavailable_template = "django_payram/unavailable.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Make the link, or show a page with a way to try again when PayRam cannot be asked."""
        try:
            payment = self.open_payment()
        except PayramAlreadyPaid as exc:
            return self._leave(exc.payment)
        except UNAVAILABLE as exc:
            logger.warning("No payment link could be made. %s", redact(str(exc)))
            return render(request, self.unavailable_template, status=503)
        # Late money is confirming on a closed link: there is nothing more to send.
        return self._leave(payment) if payment.closed_at else self._leave(payment, payment.url)

    def _leave(self, payment: Payment, url: str = "") -> HttpResponse:
        """Lead to PayRam's page, or to our status page."""
        # PayRam's return link may carry no reference: the session then knows which payment it was.
        if hasattr(self.request, "session"):
            self.request.session[SESSION_KEY] = str(payment.token)
        return HttpResponseRedirect(url or url_of(self.request, "status", payment.token), status=303)
