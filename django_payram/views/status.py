"""Where a customer sees what became of the payment. The token in the address is the credential."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View

from django_payram.lifecycle import freshen
from django_payram.models import Payment, database, order_type
from django_payram.phases import standing
from django_payram.privacy import private
from django_payram.transactions import outside_transactions

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from django_payram.phases import Standing

SESSION_KEY = "payram_payment"

# Servers since June 2026 add the reference and the invoice id to the return link, under names they do not document.
REFERENCE_NAMES = ("reference_id", "referenceId", "reference")
INVOICE_NAMES = ("invoice_id", "invoiceId", "invoiceID")

LEAST_SECRET = 20
"""Characters of a reference that nobody guesses. A shorter one, of an old server, is no credential by itself."""

public = method_decorator([private, login_not_required, outside_transactions], name="dispatch")


@public
class StatusView(View):
    """The status page. It asks PayRam itself, at most every few seconds, so that a lost webhook heals here."""

    http_method_names = ["get", "head", "options"]
    template_name = "django_payram/status.html"

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        """Show what is known of the payment now."""
        payment = freshen(_payment(token))
        context = {"payment": payment, "standing": standing(payment), "order_url": _order_url(payment)}
        return render(request, self.template_name, context)


@public
class StatusAPIView(View):
    """The same as JSON, without anything that tells who the customer is."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:  # noqa: ARG002
        """Return what is known of the payment now."""
        payment = freshen(_payment(token))
        return JsonResponse(_as_json(payment, standing(payment)))


@public
class ReturnView(View):
    """Where PayRam's success and cancel links lead. Coming here proves nothing: the status page asks PayRam."""

    http_method_names = ["get", "head", "options"]
    template_name = "django_payram/return.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Lead to the payment's status page, or say what to do when the payment cannot be told."""
        payment = _by_reference(request) or _by_invoice(request) or _by_session(request)
        if payment is None:
            return render(request, self.template_name)
        return HttpResponseRedirect(reverse("payram:status", args=[payment.token]))


def _payment(token: uuid.UUID) -> Payment:
    payment = Payment.objects.using(database()).select_related("parent").filter(token=token).first()
    if payment is None:
        raise Http404
    # A top-up's money counts for what it tops up, and that is what the customer wants to know about.
    return payment.parent or payment


def _order_url(payment: Payment) -> str:
    """Return where the shop shows the order, if its model is still there and says so."""
    if payment.order_type_id is None or order_type(payment).model_class() is None:
        return ""
    find = getattr(payment.order, "get_absolute_url", None)
    return find() if find is not None else ""


def _as_json(payment: Payment, now: Standing) -> dict[str, object]:
    return {
        "token": str(payment.token),
        "state": payment.state,
        "phase": now.phase.value,
        "message": now.sentence,
        "is_paid": payment.is_paid,
        "is_final": now.is_final,
        "amount_usd": str(now.amount_usd),
        "received_usd": str(now.received_usd),
        "missing_usd": str(now.missing_usd),
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
