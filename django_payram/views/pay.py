"""Paying in the shop: the coin and its network are chosen, and the address is shown, without PayRam's own page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from django_payram.exceptions import PayramError, PayramUnavailable
from django_payram.gateway.redaction import redact
from django_payram.models import log_fields
from django_payram.payments.quotes import NotOffered, choose
from django_payram.views.customer_status import customer_status
from django_payram.views.decorators import url_of
from django_payram.views.pay_block import pay_block
from django_payram.views.status import CustomerView, refreshed, status_page

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from django_payram.models import Payment

logger = logging.getLogger("django_payram")


class Refusal(NamedTuple):
    """Why a choice was not kept, in a sentence, and the HTTP status that says so."""

    sentence: _StrPromise
    status: int


NOT_OFFERED = Refusal(_("This coin is not offered for your payment. Please choose another one."), 400)
NO_ADDRESS = Refusal(_("The payment server gave no address for this coin. Please choose another one."), 503)
NO_ANSWER = Refusal(_("The payment server does not answer just now. Please try again in a minute."), 503)


def refused(payment: Payment, code: str) -> Refusal | None:
    """Keep the customer's choice of a coin, or return why it was not kept.

    For a payment that takes no money nothing is chosen.
    """
    if not customer_status(payment).url:
        return None
    try:
        choose(payment, code)
    except NotOffered:
        return NOT_OFFERED
    except PayramError as exc:
        logger.warning(
            "No deposit address for payment %s. %s", payment.token, redact(str(exc)), extra=log_fields(payment)
        )
        return NO_ANSWER if isinstance(exc, PayramUnavailable) else NO_ADDRESS
    return None


class PayView(CustomerView):
    """GET leads to where the payment can be paid: its status page, or PayRam's page if its server is too old for that.

    POST with ``method`` chooses a coin and network (``USDC-BASE``); an empty one takes the choice back.
    """

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        """Ask PayRam how the payment can be paid, and lead there."""
        payment = refreshed(token)
        status = customer_status(payment)
        if status.url and pay_block(request, payment, status, begin=True) is None:
            return HttpResponseRedirect(status.url)
        return HttpResponseRedirect(url_of(request, "status", payment.token))

    def post(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        """Keep the choice, and show the address to send to."""
        payment = refreshed(token)
        refusal = refused(payment, request.POST.get("method", ""))
        if refusal is not None:
            return status_page(request, payment, problem=str(refusal.sentence), code=refusal.status)
        return HttpResponseRedirect(url_of(request, "status", payment.token), status=303)
