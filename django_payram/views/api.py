"""The checkout for shops whose front end speaks JSON."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid
from django_payram.gateway.redaction import redact
from django_payram.views.checkout import UNAVAILABLE, Checkout, refusal
from django_payram.views.status import remember

if TYPE_CHECKING:
    from rest_framework.request import Request

logger = logging.getLogger("django_payram")


class CheckoutThrottle(SimpleRateThrottle):
    """At most 30 calls a minute and user, or client address for guests.

    Another rate is set under ``payram-checkout`` in REST framework's DEFAULT_THROTTLE_RATES.
    """

    scope = "payram-checkout"

    def get_rate(self) -> str:
        """Return the rate of the settings, or our own."""
        return str(api_settings.DEFAULT_THROTTLE_RATES.get(self.scope) or "30/minute")

    def get_cache_key(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002
        """Count per user, or per client address for guests."""
        user = getattr(request, "user", None)
        ident = user.pk if user is not None and user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CheckoutAPIView(Checkout, APIView):
    """POST makes the payment link of an order: 201 with ``token``, ``url``, ``reference_id``, ``state``, ``status``.

    A shop subclasses it and implements ``get_order()``, ``get_amount(order)`` and ``get_email(order)``. 400 means that
    the order cannot be paid as it is, 409 that it is paid already, 503 that PayRam cannot be asked now.
    """

    throttle_classes = [CheckoutThrottle]

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """Make the link."""
        try:
            payment = self.open_payment()
        except PayramAlreadyPaid as exc:
            body = {"detail": _("The order has been paid already."), "token": str(exc.payment.token)}
            return Response(body, status=status.HTTP_409_CONFLICT)
        except InvalidPaymentRequest as exc:
            logger.error("An order cannot be paid as it is, at %s. %s", request.path, redact(str(exc)))  # noqa: TRY400
            return Response({"detail": refusal(exc)}, status=status.HTTP_400_BAD_REQUEST)
        except UNAVAILABLE as exc:
            logger.warning("No payment link could be made. %s", redact(str(exc)))
            body = {"detail": _("No payment link could be made just now. Please try again in a minute.")}
            return Response(body, status=status.HTTP_503_SERVICE_UNAVAILABLE)
        remember(request, payment)
        return Response(
            {
                "token": str(payment.token),
                "url": payment.url,
                "reference_id": payment.reference,
                "state": payment.state,
                "status": payment.status.value,
            },
            status=status.HTTP_201_CREATED,
        )
