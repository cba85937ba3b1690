"""Where a customer starts to pay."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import classonlymethod, method_decorator
from django.views import View

from django_payram import conf
from django_payram.checkout import UNAVAILABLE, Checkout
from django_payram.exceptions import PayramAlreadyPaid
from django_payram.privacy import private
from django_payram.transactions import outside_transactions
from django_payram.views.status import SESSION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_payram.models import Payment

logger = logging.getLogger("django_payram")


@method_decorator(private, name="dispatch")
class CheckoutView(Checkout, View):
    """POST makes the payment link of an order and leads to PayRam's page (303).

    A shop subclasses it and implements ``get_order()``, ``get_amount(order)`` and ``get_email(order)``.
    """

    http_method_names = ["post", "options"]
    unavailable_template = "django_payram/unavailable.html"

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:  # noqa: N805 - Django's decorator
        """Return the view, out of ATOMIC_REQUESTS: the row must be committed before PayRam is called.

        A decorator of ``dispatch`` would be lost behind a mixin such as LoginRequiredMixin.
        """
        return outside_transactions(super().as_view(**initkwargs))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Make the link, or show a page with a way to try again when PayRam cannot be asked."""
        try:
            payment = self.open_payment()
        except PayramAlreadyPaid as exc:
            return self._leave(exc.payment, reverse("payram:status", args=[exc.payment.token]))
        except UNAVAILABLE as exc:
            logger.warning("No payment link could be made. %s", conf.redact(str(exc)))
            return render(request, self.unavailable_template, status=503)
        return self._leave(payment, payment.url)

    def _leave(self, payment: Payment, url: str) -> HttpResponse:
        # PayRam's return link may carry no reference: the session then knows which payment it was.
        if hasattr(self.request, "session"):
            self.request.session[SESSION_KEY] = str(payment.token)
        return HttpResponseRedirect(url, status=303)
