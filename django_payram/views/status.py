"""Where a customer sees what became of the payment. The token in the address is the credential."""

from __future__ import annotations

import logging
import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY, Payment, database, log_fields, order_type
from django_payram.payments.refresh import refresh_if_stale
from django_payram.views.customer_status import customer_status
from django_payram.views.decorators import RETRY_AFTER_SECONDS, outside_transactions, private, url_of
from django_payram.views.pay_block import pay_block
from django_payram.views.shop import shop_facts

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


logger = logging.getLogger("django_payram")

SESSION_KEY = "payram_payment"
MOST_REMEMBERED = 10
"""Payments of one session."""
REMEMBERED_FOR = timedelta(days=2)
TOKEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AGAIN = "again"
"""The parameter of the return page that calls itself."""

# Servers since June 2026 add the reference and the invoice id to the return link, under names they do not document.
REFERENCE_NAMES = ("reference_id", "referenceId", "reference")
INVOICE_NAMES = ("invoice_id", "invoiceId", "invoiceID")

STATUS_TEMPLATE = "django_payram/status.html"

LEAST_SECRET = 20
"""Characters of a reference that nobody guesses. A shorter one, of an old server, is no credential by itself."""


@method_decorator([private, login_not_required, outside_transactions], name="dispatch")
class CustomerView(View):
    """A page that a customer reads. Nobody need log in: the token is the credential."""

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer 503 while the database cannot be used: it is restarted, or its standby takes over."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except DATABASE_BUSY as exc:
            fields = log_fields(token=kwargs.get("token", ""))
            logger.warning("A page about a payment found the database busy. %s", redact(str(exc)), extra=fields)
            answer = self.busy(request)
            answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return answer

    def busy(self, request: HttpRequest) -> HttpResponse:
        """Return the answer for now."""
        # Without context processors: those of many shops ask the database.
        return HttpResponse(render_to_string("django_payram/busy.html", {"request": request}), status=503)


class StatusView(CustomerView):
    """The status page. It asks PayRam itself, at most every few seconds, so that a lost webhook heals here."""

    template_name = STATUS_TEMPLATE

    def get(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        """Show what is known of the payment now."""
        return status_page(request, refreshed(token), template_name=self.template_name)


class ReturnView(CustomerView):
    """Where PayRam's success and cancel links lead. Coming here proves nothing: the status page asks PayRam.

    The links of old servers say nothing of the payment. Then it is one of those that the session remembers.
    """

    template_name = "django_payram/return.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Lead to the payment's status page, or list those that it may be."""
        payment = _by_reference(request) or _by_invoice(request)
        found = [payment] if payment else _by_session(request)
        if len(found) == 1:
            return HttpResponseRedirect(url_of(request, "status", found[0].token))
        context = {
            "payments": [(url_of(request, "status", one.token), one, customer_status(one)) for one in found],
            "is_repeated": not found and _lacks_strict_cookie(request),
            "shop": shop_facts(request),
        }
        return render(request, self.template_name, context)


def remember(request: HttpRequest, payment: Payment) -> None:
    """Let the visitor's session know which payment it is about: PayRam's return link may carry no reference."""
    if hasattr(request, "session"):
        known = [token for token in _remembered(request) if token != str(payment.token)]
        request.session[SESSION_KEY] = [*known, str(payment.token)][-MOST_REMEMBERED:]


def _remembered(request: HttpRequest) -> list[str]:
    known = getattr(request, "session", {}).get(SESSION_KEY, [])
    # A session of an older release holds one token, and a shop may keep sessions where a visitor writes.
    tokens = known if isinstance(known, list) else [known]
    return [token for token in tokens if isinstance(token, str) and TOKEN.fullmatch(token)]


def _lacks_strict_cookie(request: HttpRequest) -> bool:
    """Return whether the browser may have a session that it does not show to a visitor who comes from another site.

    A page of ours that calls itself again is shown the cookie.
    """
    is_strict = str(settings.SESSION_COOKIE_SAMESITE).lower() == "strict"
    return is_strict and settings.SESSION_COOKIE_NAME not in request.COOKIES and AGAIN not in request.GET


def status_page(
    request: HttpRequest,
    payment: Payment,
    *,
    template_name: str = STATUS_TEMPLATE,
    problem: str = "",
    code: int = 200,
) -> HttpResponse:
    """Return the page about a payment. ``problem`` is a sentence about what the customer has just tried."""
    status = customer_status(payment)
    context = {
        "payment": payment,
        "status": status,
        "order_url": _of_order(payment, "get_absolute_url"),
        "retry_url": _of_order(payment, "get_payment_url") if status.is_repeatable else "",
        "pay": pay_block(request, payment, status, problem=problem),
        "problem": problem,
        "shop": shop_facts(request, payment),
    }
    return render(request, template_name, context, status=code)


def refreshed(token: uuid.UUID) -> Payment:
    """Return the payment of a token as PayRam knows it, or what it tops up. Raises Http404."""
    payment = Payment.objects.using(database()).select_related("parent").filter(token=token).first()
    if payment is None:
        raise Http404
    # A top-up's money counts for what it tops up, and that is what the customer wants to know about.
    return refresh_if_stale(payment.parent or payment)


def _of_order(payment: Payment, method: str) -> str:
    """Return an address that the shop's order gives by a method of that name; ``""`` where it has none."""
    if payment.order_type_id is None or order_type(payment).model_class() is None:
        return ""
    try:
        find = getattr(payment.order, method, None)
    except (ValidationError, ValueError):
        # The model has another kind of key since.
        return ""
    return str(find()) if find is not None else ""


def _first(request: HttpRequest, names: tuple[str, ...]) -> str:
    return next((request.GET[name] for name in names if request.GET.get(name)), "")


def _by_reference(request: HttpRequest) -> Payment | None:
    reference = _first(request, REFERENCE_NAMES)
    if len(reference) < LEAST_SECRET or "\x00" in reference:
        return None
    return Payment.objects.using(database()).filter(reference=reference).first()


def _by_invoice(request: HttpRequest) -> Payment | None:
    return _by_token(_first(request, INVOICE_NAMES))


def _by_session(request: HttpRequest) -> list[Payment]:
    """Return the payments that the session was about in the last days, the newest first."""
    since = timezone.now() - REMEMBERED_FOR
    rows = Payment.objects.using(database()).filter(token__in=_remembered(request), created_at__gte=since)
    return list(rows.order_by("-created_at", "-pk"))


def _by_token(text: str) -> Payment | None:
    try:
        token = uuid.UUID(text)
    except ValueError:
        return None
    return Payment.objects.using(database()).filter(token=token).first()
