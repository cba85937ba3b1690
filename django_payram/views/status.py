"""Where a customer sees what became of the payment. The token in the address is the credential."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views import View

from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY, Payment, database, order_type
from django_payram.payments.refresh import refresh_if_stale
from django_payram.views.customer_status import customer_status
from django_payram.views.decorators import RETRY_AFTER_SECONDS, outside_transactions, private, url_of

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_payram.views.customer_status import CustomerStatus

logger = logging.getLogger("django_payram")

SESSION_KEY = "payram_payment"

# Servers since June 2026 add the reference and the invoice id to the return link, under names they do not document.
REFERENCE_NAMES = ("reference_id", "referenceId", "reference")
INVOICE_NAMES = ("invoice_id", "invoiceId", "invoiceID")

LEAST_SECRET = 20
"""Characters of a reference that nobody guesses. A shorter one, of an old server, is no credential by itself."""


@method_decorator([private, login_not_required, outside_transactions], name="dispatch")
class _CustomerView(View):
    """A page that a customer reads. Nobody need log in: the token is the credential."""

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer 503 while the database cannot be used: it is restarted, or its standby takes over."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except DATABASE_BUSY as exc:
            logger.warning("A page about a payment found the database busy. %s", redact(str(exc)))
            answer = self.busy(request)
            answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return answer

    def busy(self, request: HttpRequest) -> HttpResponse:
        """Return the answer for now."""
        # Without context processors: those of many shops ask the database.
        return HttpResponse(render_to_string("django_payram/busy.html", {"request": request}), status=503)


class StatusView(_CustomerView):
    """The status page. It asks PayRam itself, at most every few seconds, so that a lost webhook heals here."""

    template_name = "django_payram/status.html"

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        """Show what is known of the payment now."""
        payment = _refreshed(token)
        context = {"payment": payment, "status": customer_status(payment), "order_url": _order_url(payment)}
        return render(request, self.template_name, context)


class StatusAPIView(_CustomerView):
    """The same as JSON, without anything that tells who the customer is."""

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:  # noqa: ARG002
        """Return what is known of the payment now."""
        payment = _refreshed(token)
        return JsonResponse(_as_json(payment, customer_status(payment)))

    def busy(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        """Return the answer for now."""
        return JsonResponse({"message": gettext("The shop is busy. Please try again.")}, status=503)


class ReturnView(_CustomerView):
    """Where PayRam's success and cancel links lead. Coming here proves nothing: the status page asks PayRam."""

    template_name = "django_payram/return.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Lead to the payment's status page, or say what to do when the payment cannot be found out."""
        payment = _by_reference(request) or _by_invoice(request) or _by_session(request)
        if payment is None:
            return render(request, self.template_name)
        return HttpResponseRedirect(url_of(request, "status", payment.token))


def remember(request: HttpRequest, payment: Payment) -> None:
    """Let the visitor's session know which payment it is about: PayRam's return link may carry no reference."""
    if hasattr(request, "session"):
        request.session[SESSION_KEY] = str(payment.token)


def _refreshed(token: uuid.UUID) -> Payment:
    payment = Payment.objects.using(database()).select_related("parent").filter(token=token).first()
    if payment is None:
        raise Http404
    # A top-up's money counts for what it tops up, and that is what the customer wants to know about.
    return refresh_if_stale(payment.parent or payment)


def _order_url(payment: Payment) -> str:
    """Return where the shop shows the order, if its model is still there and says so."""
    if payment.order_type_id is None or order_type(payment).model_class() is None:
        return ""
    try:
        find = getattr(payment.order, "get_absolute_url", None)
    except (ValidationError, ValueError):
        # The model has another kind of key since.
        return ""
    return find() if find is not None else ""


def _as_json(payment: Payment, now: CustomerStatus) -> dict[str, object]:
    return {
        "token": str(payment.token),
        "state": payment.state,
        "status": now.status.value,
        "message": now.sentence,
        "is_paid": payment.is_paid,
        "is_final": now.is_final,
        "amount_usd": str(now.amount_usd),
        "received_usd": str(now.received_usd),
        "missing_usd": str(now.missing_usd),
        "surplus_usd": str(now.surplus_usd),
        "forgiven_usd": str(now.forgiven_usd),
        "refunded_usd": str(now.refunded_usd),
        "price_amount": str(payment.price[0]),
        "price_currency": payment.price[1],
        "expires_at": payment.expires_at and payment.expires_at.isoformat(),
        "confirmations": payment.confirmations,
        "confirmations_required": payment.confirmations_required,
    }


def _first(request: HttpRequest, names: tuple[str, ...]) -> str:
    return next((request.GET[name] for name in names if request.GET.get(name)), "")


def _by_reference(request: HttpRequest) -> Payment | None:
    reference = _first(request, REFERENCE_NAMES)
    if len(reference) < LEAST_SECRET or "\x00" in reference:
        return None
    return Payment.objects.using(database()).filter(reference=reference).first()


def _by_invoice(request: HttpRequest) -> Payment | None:
    return _by_token(_first(request, INVOICE_NAMES))


def _by_session(request: HttpRequest) -> Payment | None:
    session = getattr(request, "session", {})
    return _by_token(session.get(SESSION_KEY, ""))


def _by_token(text: str) -> Payment | None:
    try:
        token = uuid.UUID(text)
    except ValueError:
        return None
    return Payment.objects.using(database()).filter(token=token).first()
