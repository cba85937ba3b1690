"""Paying in the shop: the coin and its network are chosen, and the address is shown, without PayRam's own page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _

from django_payram.exceptions import PayramError
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

logger = logging.getLogger("django_payram")


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
        if customer_status(payment).url:
            try:
                choose(payment, request.POST.get("method", ""))
            except NotOffered:
                problem = _("This coin is not offered for your payment. Please choose another one.")
                return status_page(request, payment, problem=problem, code=400)
            except PayramError as exc:
                logger.warning(
                    "No deposit address for payment %s. %s", payment.token, redact(str(exc)), extra=log_fields(payment)
                )
                problem = _("The payment server gave no address for this coin. Please choose another one.")
                return status_page(request, payment, problem=problem, code=503)
        return HttpResponseRedirect(url_of(request, "status", payment.token), status=303)
