"""The view that PayRam's webhooks are sent to. Each answer tells PayRam whether to send again; none is a redirect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse, RawPostDataException, UnreadablePostError
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramError
from django_payram.gateway import payloads
from django_payram.gateway.redaction import redact, redact_bytes
from django_payram.gateway.signatures import NotAuthenticated, authenticate, proofs
from django_payram.models import DATABASE_BUSY, log_fields
from django_payram.payments import webhooks
from django_payram.payments.webhooks import WebhookResult
from django_payram.views.decorators import RETRY_AFTER_SECONDS, outside_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_payram.conf import Project

logger = logging.getLogger("django_payram")

MAX_BODY = 64 * 1024
LONGEST_LENGTH = 18
"""Digits of a Content-Length; Python refuses to read numbers of thousands of digits."""

NEVER_STORED = {"Cache-Control": "max-age=0, no-cache, no-store, must-revalidate, private"}
"""What Django's never_cache says; that decorator parses it anew for every answer."""

ANSWERS = {
    WebhookResult.RECORDED: (200, "Webhook received successfully."),
    WebhookResult.NO_NEWS: (200, "Nothing has changed."),
    WebhookResult.UNMATCHED: (200, "The reference is not known here; the webhook was kept."),
    WebhookResult.RECEIVER_FAILED: (
        500,
        "The payment was recorded, but a receiver of the shop failed. Please send again.",
    ),
}


class WebhookError(Exception):
    """The request gets this answer and nothing else happens."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


class WebhookView(View):
    """Handles PayRam's webhooks: POST with a signature or a key, and the GET with a JSON body of PayRam's FAQ."""

    http_method_names = ["get", "post", "head", "options"]
    is_payram_webhook = True
    """By this ``manage.py check`` finds the view in the URLs."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, open to PayRam, which has no session, and out of every surrounding transaction."""
        # Decorating dispatch would build these decorators anew for every webhook.
        return outside_transactions(csrf_exempt(login_not_required(super().as_view(**initkwargs))))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Handle a webhook."""
        try:
            return _answer(*_handle(request))
        except WebhookError as exc:
            return _answer(exc.status, exc.message)
        except DATABASE_BUSY as exc:
            logger.warning("A webhook found the database busy. %s", redact(str(exc)))
            return _answer(503, "The database is busy. Please send again.")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Handle a webhook that came by GET, as PayRam's documents of 2025 describe it."""
        return self.post(request)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Say in JSON which methods there are."""
        refused = super().http_method_not_allowed(request)
        answer = _answer(405, "PayRam's webhooks come by GET or POST.")
        answer["Allow"] = refused["Allow"]
        return answer

    def head(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Answer a monitor."""
        return HttpResponse(headers=NEVER_STORED)


def _answer(status: int, message: str) -> HttpResponse:
    answer = JsonResponse({"message": message}, status=status, headers=NEVER_STORED)
    if status == 503:
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _handle(request: HttpRequest) -> tuple[int, str]:
    if request.headers.get("X-Webhook-Test", "").strip().lower() == "true":
        return 200, "The test webhook arrived."
    body = _read_body(request)
    project = _authenticate(request, body)
    # A sender may quote a key. The signature covered it; from here on nothing holds it.
    body = redact_bytes(body)
    event = _parse(request, body, project)
    if isinstance(event, payloads.OtherEvent):
        logger.info("PayRam sent the event %r, which is not about a payment.", event.event_type)
        return 200, "The event is not about a payment."
    try:
        return ANSWERS[webhooks.handle_webhook(event, project=project)]
    except PayramError as exc:
        fields = log_fields(exc.payment, reference=event.reference or "", project=project.name)
        logger.warning("A webhook about %s could not be confirmed. %s", event.reference, exc, extra=fields)
        raise WebhookError(503, "PayRam could not be asked about the payment. Please send again.") from exc


def _read_body(request: HttpRequest) -> bytes:
    too_large = WebhookError(413, f"The body is larger than {MAX_BODY} bytes.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise WebhookError(400, "The header Content-Length is not a number.")
    if len(length) > LONGEST_LENGTH or int(length) > MAX_BODY:
        raise too_large
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise too_large from exc
    except (UnreadablePostError, RawPostDataException) as exc:
        raise WebhookError(400, "The body could not be read.") from exc
    if len(body) > MAX_BODY:
        raise too_large
    return body


def _authenticate(request: HttpRequest, body: bytes) -> Project:
    signable = bool(body) or request.method != "GET"
    try:
        return authenticate(conf.projects(), proofs(request), body, signable=signable)
    except NotAuthenticated as exc:
        logger.warning("A webhook was refused. %s", exc)
        raise WebhookError(401, str(exc)) from exc


def _parse(request: HttpRequest, body: bytes, project: Project) -> payloads.PaymentUpdate | payloads.OtherEvent:
    try:
        if request.method == "GET" and not body:
            return payloads.read_query(_query(request))
        return payloads.read_webhook(body)
    except PayramDataError as exc:
        webhooks.keep_unreadable(project=project, payload=_text(request, body), error=str(exc))
        raise WebhookError(400, str(exc)) from exc


def _query(request: HttpRequest) -> dict[str, str]:
    return {name: redact(value, shortest=conf.SHORTEST_KEY) for name, value in request.GET.dict().items()}


def _text(request: HttpRequest, body: bytes) -> str:
    """Return what arrived as text."""
    return body.decode(errors="replace") if body else urlencode(_query(request))
