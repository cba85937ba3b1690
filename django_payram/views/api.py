"""Our JSON, by the REST framework: the checkout, where a payment stands, and how it can be paid in the shop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid
from django_payram.gateway.redaction import redact
from django_payram.models import log_fields
from django_payram.views.checkout import UNAVAILABLE, Checkout, refusal
from django_payram.views.customer_status import customer_status
from django_payram.views.pay import NOT_OFFERED, refused
from django_payram.views.pay_block import pay_block
from django_payram.views.schema import answers
from django_payram.views.serializers import (
    BusySerializer,
    CheckoutSerializer,
    ChoiceSerializer,
    PaidSerializer,
    PaymentMethodsSerializer,
    PaymentStatusSerializer,
    ProblemSerializer,
    methods_facts,
    status_facts,
)
from django_payram.views.status import CustomerView, refreshed, remember

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest, HttpResponse
    from rest_framework.request import Request

logger = logging.getLogger("django_payram")


class _Throttle(SimpleRateThrottle):
    """Counts calls by user, or client address for guests. The settings of the REST framework may name another rate."""

    usual_rate: str

    def get_rate(self) -> str:
        """Return the rate of the settings, or our own."""
        return str(api_settings.DEFAULT_THROTTLE_RATES.get(self.scope or "") or self.usual_rate)

    def get_cache_key(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002
        """Count per user, or per client address for guests."""
        user = getattr(request, "user", None)
        ident = user.pk if user is not None and user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CheckoutThrottle(_Throttle):
    """At most 30 calls a minute and user, or client address for guests.

    Another rate is set under ``payram-checkout`` in REST framework's DEFAULT_THROTTLE_RATES.
    """

    scope = "payram-checkout"
    usual_rate = "30/minute"


class StatusThrottle(_Throttle):
    """At most 300 calls a minute and client address: a page asks every few seconds, and offices share an address.

    Another rate is set under ``payram-status`` in REST framework's DEFAULT_THROTTLE_RATES.
    """

    scope = "payram-status"
    usual_rate = "300/minute"


class _CustomerAPIView(CustomerView, APIView):
    """JSON that a customer's page reads. The token in the address is the credential, so that no cookie is needed.

    What the shop says of its own API does not hold here: a version that these addresses lack would be a 404.
    """

    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = ()
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser, FormParser, MultiPartParser)
    versioning_class = None
    throttle_classes = (StatusThrottle,)

    def busy(self, request: HttpRequest) -> HttpResponse:
        """Return the answer for now."""
        answer = Response({"message": _("The shop is busy. Please try again.")}, status.HTTP_503_SERVICE_UNAVAILABLE)
        rendered: HttpResponse = self.finalize_response(self.initialize_request(request), answer)
        return rendered


class StatusAPIView(_CustomerAPIView):
    """Where a payment stands. PayRam is asked at most every few seconds."""

    @answers(status_200=PaymentStatusSerializer, status_503=BusySerializer)
    def get(self, request: Request, token: uuid.UUID) -> Response:  # noqa: ARG002
        """Return what is known of the payment now."""
        payment = refreshed(token)
        return Response(PaymentStatusSerializer(status_facts(payment, customer_status(payment))).data)


class PaymentMethodsAPIView(_CustomerAPIView):
    """How a payment can be paid without leaving the shop, for front ends of the shop's own."""

    http_method_names = ["get", "head", "post", "options"]

    @answers(status_200=PaymentMethodsSerializer, status_503=BusySerializer)
    def get(self, request: Request, token: uuid.UUID) -> Response:
        """Return the coins and networks with what is due now, and the address of the chosen one."""
        return self._methods(request, token)

    @answers(
        ChoiceSerializer,
        status_200=PaymentMethodsSerializer,
        status_400=ProblemSerializer,
        status_503=ProblemSerializer,
    )
    def post(self, request: Request, token: uuid.UUID) -> Response:
        """Choose a coin and network, and return the address to send to."""
        asked = ChoiceSerializer(data=request.data)
        payment = refreshed(token)
        problem = refused(payment, asked.validated_data["method"]) if asked.is_valid() else NOT_OFFERED
        if problem is not None:
            return _problem(str(problem.sentence), problem.status)
        return self._methods(request, token)

    def _methods(self, request: Request, token: uuid.UUID) -> Response:
        payment = refreshed(token)
        now = customer_status(payment)
        block = pay_block(request, payment, now, begin=True)
        return Response(PaymentMethodsSerializer(methods_facts(block, now)).data)


def _problem(detail: str, code: int) -> Response:
    return Response({"detail": detail}, status=code)


class CheckoutAPIView(Checkout, APIView):
    """POST makes the payment link of an order: 201 with ``token``, ``url``, ``reference_id``, ``state``, ``status``.

    A shop subclasses it and implements ``get_order()``, ``get_amount(order)`` and ``get_email(order)``. 400 means that
    the order cannot be paid as it is, 409 that it is paid already, 503 that PayRam cannot be asked now.
    """

    throttle_classes = (CheckoutThrottle,)
    renderer_classes = (JSONRenderer,)

    @answers(
        status_201=CheckoutSerializer,
        status_400=ProblemSerializer,
        status_409=PaidSerializer,
        status_503=ProblemSerializer,
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """Make the link. The request has no body: amount and customer are the shop's to say."""
        try:
            payment = self.open_payment()
        except PayramAlreadyPaid as exc:
            body = {"detail": _("The order has been paid already."), "token": str(exc.payment.token)}
            return Response(body, status=status.HTTP_409_CONFLICT)
        except InvalidPaymentRequest as exc:
            logger.error("An order cannot be paid as it is, at %s. %s", request.path, redact(str(exc)))  # noqa: TRY400
            return _problem(refusal(exc), status.HTTP_400_BAD_REQUEST)
        except UNAVAILABLE as exc:
            fields = log_fields(getattr(exc, "payment", None))
            logger.warning("No payment link could be made. %s", redact(str(exc)), extra=fields)
            text = _("No payment link could be made just now. Please try again in a minute.")
            return _problem(text, status.HTTP_503_SERVICE_UNAVAILABLE)
        remember(request, payment)
        return Response(CheckoutSerializer(payment).data, status=status.HTTP_201_CREATED)
