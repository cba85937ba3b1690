"""Where a customer starts to pay: what a shop says of an order, and the view that makes its link."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import classonlymethod
from django.utils.translation import gettext
from django.views import View

from django_payram import conf
from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid, PayramError
from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY, USD, log_fields, number_of
from django_payram.payments import aopen_payment, open_payment
from django_payram.views.decorators import outside_transactions, private, url_of
from django_payram.views.status import remember

if TYPE_CHECKING:
    from datetime import timedelta
    from decimal import Decimal

    from django.http import HttpRequest

    from django_payram.models import Payment

logger = logging.getLogger("django_payram")

UNAVAILABLE = (PayramError, *DATABASE_BUSY)
"""Trying again may well help: PayRam could not be asked, or the database was busy, a deadlock for instance."""

FAILURES = (InvalidPaymentRequest, *UNAVAILABLE)


class Checkout:
    """Opens the payment of one order. A shop implements the first three methods in its view.

    Nothing here may come from the browser but the key of an order, and ``get_order`` must check whose order it is.
    """

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805 - Django's decorator
        """Return the view, out of ATOMIC_REQUESTS, caches and frames.

        The row must be committed before PayRam is called. A decorator of ``dispatch`` would be lost behind a mixin such
        as LoginRequiredMixin.
        """
        view = super().as_view(**initkwargs)  # type: ignore[misc] # of the view beside it
        return outside_transactions(private(_dispatched_in_thread(view) if iscoroutinefunction(view) else view))

    def get_order(self) -> Any:
        """Return the visitor's own order, or raise Http404."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_order().")

    def get_amount(self, order: Any) -> Decimal | int | str:
        """Return what is to be paid for ``order``, with at most two places, in the currency of ``get_currency``."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_amount(order).")

    def get_email(self, order: Any) -> str:
        """Return the customer's e-mail address."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_email(order).")

    def get_currency(self, order: Any) -> str:  # noqa: ARG002 - for shops to override
        """Return the code of the currency of the amount; others than US dollars need the option ``RATES``."""
        return USD

    def get_purpose(self, order: Any) -> str:  # noqa: ARG002 - for shops to override
        """Return which of the order's bills is to be paid, ``""`` for the only one."""
        return ""

    def get_customer_id(self, order: Any) -> str | None:  # noqa: ARG002 - for shops to override
        """Return PayRam's customer id, or None for one id per order and purpose."""
        return None

    def get_project(self, order: Any) -> str:  # noqa: ARG002 - for shops to override
        """Return the name of the PayRam project."""
        return conf.DEFAULT_PROJECT

    def get_expires_in(self, order: Any) -> timedelta | None:  # noqa: ARG002 - for shops to override
        """Return how long the link lives, None to leave it to PayRam."""
        return None

    def payment_arguments(self, order: Any) -> dict[str, Any]:
        """Return what ``open_payment`` is called with beside the order."""
        return {
            "amount": self.get_amount(order),
            "email": self.get_email(order),
            "currency": self.get_currency(order),
            "purpose": self.get_purpose(order),
            "customer_id": self.get_customer_id(order),
            "project": self.get_project(order),
            "expires_in": self.get_expires_in(order),
        }

    def open_payment(self) -> Payment:
        """Open the payment, with the errors of :func:`django_payram.payments.open_payment`."""
        order = self.get_order()
        return open_payment(order, **self.payment_arguments(order))


class CheckoutAnswers:
    """What became of opening a payment, as a page or a redirect."""

    request: HttpRequest
    unavailable_template = "django_payram/unavailable.html"
    confirm_template = "django_payram/confirm.html"
    refused_template = "django_payram/not_payable.html"
    embedded = False
    """Whether customers pay in the shop, without PayRam's own page. Servers that are too old for it lead there."""

    def way_back(self, order: Any) -> HttpResponse:
        """Answer a GET, such as one that follows a login: lead to the order's page, or ask whether to go on."""
        find = getattr(order, "get_absolute_url", None)
        if find is not None:
            return HttpResponseRedirect(find())
        return render(self.request, self.confirm_template, {"number": number_of(order)})

    def lead(self, payment: Payment) -> HttpResponse:
        """Lead to where the customer pays, or to the status page when there is nothing to pay."""
        remember(self.request, payment)
        if payment.is_open and not self.embedded:
            return HttpResponseRedirect(payment.url, status=303)
        # Late money is confirming on a closed link, or the order has been paid: there is nothing more to send.
        page = "pay" if payment.is_open else "status"
        return HttpResponseRedirect(url_of(self.request, page, payment.token), status=303)

    def failed(self, exc: Exception) -> HttpResponse:
        """Lead to the status page of a paid order, or say what is wrong. Raises what it has no answer for."""
        if isinstance(exc, PayramAlreadyPaid):
            return self.lead(exc.payment)
        if isinstance(exc, InvalidPaymentRequest):
            logger.error("An order cannot be paid as it is, at %s. %s", self.request.path, redact(str(exc)))
            return render(self.request, self.refused_template, {"sentence": refusal(exc)}, status=400)
        fields = log_fields(getattr(exc, "payment", None))
        logger.warning("No payment link could be made. %s", redact(str(exc)), extra=fields)
        return render(self.request, self.unavailable_template, status=503)


def refusal(exc: InvalidPaymentRequest) -> str:
    """Return what the customer is told when the shop has asked for a payment that cannot be."""
    if exc.argument == "email":
        return gettext("The e-mail address of this order cannot be used for the payment. Please correct it.")
    return gettext("This order cannot be paid as it is. Please contact the shop.")


class CheckoutView(CheckoutAnswers, Checkout, View):
    """POST makes the payment link of an order and leads to PayRam's page (303); GET leads back to the order.

    A shop subclasses it and implements ``get_order()``, ``get_amount(order)`` and ``get_email(order)``.
    """

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Lead to the order's page, or ask whether to go on where it has none."""
        return self.way_back(self.get_order())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Make the link, or show a page with a way to try again when PayRam cannot be asked."""
        try:
            payment = self.open_payment()
        except FAILURES as exc:
            return self.failed(exc)
        return self.lead(payment)


class AsyncCheckoutView(CheckoutAnswers, Checkout, View):
    """The same for a shop that runs under ASGI. The shop's methods may use the database as usual, or be coroutines.

    While another click of the same customer makes the link, no thread waits for it.
    """

    http_method_names = ["get", "head", "post", "options"]

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Lead to the order's page, or ask whether to go on where it has none."""
        return await sync_to_async(self.way_back)(await _called(self.get_order))

    async def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Make the link, or show a page with a way to try again when PayRam cannot be asked."""
        try:
            payment = await self.aopen_payment()
        except FAILURES as exc:
            return await sync_to_async(self.failed)(exc)
        return await sync_to_async(self.lead)(payment)

    async def aopen_payment(self) -> Payment:
        """Open the payment, with the errors of :func:`django_payram.payments.open_payment`."""
        order = await _called(self.get_order)
        arguments = await sync_to_async(self.payment_arguments)(order)
        for name, value in arguments.items():
            arguments[name] = await value if inspect.isawaitable(value) else value
        return await aopen_payment(order, **arguments)


async def _called(method: Any) -> Any:
    return await method() if inspect.iscoroutinefunction(method) else await sync_to_async(method)()


def _dispatched_in_thread(view: Any) -> Any:
    """Return an asynchronous view whose mixins may use the database: LoginRequiredMixin looks who the user is."""

    @functools.wraps(view)
    async def dispatched(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # A mixin answers itself, or leaves it to the coroutine of post().
        answer: Any = await sync_to_async(lambda: view(request, *args, **kwargs))()
        return (await answer) if inspect.isawaitable(answer) else answer  # type: ignore[no-any-return]

    return dispatched
