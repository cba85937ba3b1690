"""Where PayRam knocks. Every answer tells PayRam whether to come again; none is ever a redirect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse, RawPostDataException, UnreadablePostError
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_payram import conf, lifecycle, wire
from django_payram.authentication import NotAuthenticated, authenticate, proofs
from django_payram.exceptions import PayramDataError, PayramError
from django_payram.lifecycle import Heard
from django_payram.transactions import outside_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_payram.conf import Project

logger = logging.getLogger("django_payram")

MAX_BODY = 64 * 1024
LONGEST_LENGTH = 18
"""Digits of a Content-Length; Python refuses to read numbers of thousands of digits."""

RETRY_AFTER_SECONDS = 10

NEVER_STORED = {"Cache-Control": "max-age=0, no-cache, no-store, must-revalidate, private"}
"""What Django's never_cache says; that decorator parses it anew for every answer."""

ANSWERS = {
    Heard.RECORDED: (200, "Webhook received successfully."),
    Heard.NO_NEWS: (200, "No news."),
    Heard.UNMATCHED: (200, "The reference is not known here; the webhook was kept."),
    Heard.RECEIVER_FAILED: (500, "The payment was recorded, but a receiver of the shop failed. Please send again."),
}


class WebhookError(Exception):
    """The request gets this answer and nothing else happens."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class WebhookView(View):
    """Takes PayRam's webhooks: POST with a signature or a key, and the GET with a JSON body of PayRam's FAQ."""

    http_method_names = ["get", "post", "head", "options"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, open to PayRam, which has no session, and out of every surrounding transaction."""
        # Decorating dispatch would build these decorators anew for every webhook.
        return outside_transactions(csrf_exempt(login_not_required(super().as_view(**initkwargs))))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take a webhook."""
        try:
            return _answer(*_take(request))
        except WebhookError as exc:
            return _answer(exc.status, exc.message)
        except (OperationalError, InterfaceError) as exc:
            logger.warning("A webhook found the database busy. %s", conf.redact(str(exc)))
            return _answer(503, "The database is busy. Please send again.")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Take a webhook that came by GET, as PayRam's documents of 2025 describe it."""
        return self.post(request)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say in JSON which methods there are."""
        refused = super().http_method_not_allowed(request, *args, **kwargs)
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


def _take(request: HttpRequest) -> tuple[int, str]:
    if request.headers.get("X-Webhook-Test", "").strip().lower() == "true":
        return 200, "The test webhook arrived."
    body = _body(request)
    project = _project(request, body)
    # A sender may quote a key. The signature covered it; from here on nothing holds it.
    body = conf.redact_bytes(body)
    event = _event(request, body, project)
    if isinstance(event, wire.OtherEvent):
        logger.info("PayRam sent the event %r, which is not about a payment.", event.event_type)
        return 200, "The event is not about a payment."
    return _hear(event, project, _text(request, body))


def _body(request: HttpRequest) -> bytes:
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


def _project(request: HttpRequest, body: bytes) -> Project:
    signable = bool(body) or request.method != "GET"
    try:
        return authenticate(conf.projects(), proofs(request), body, signable=signable)
    except NotAuthenticated as exc:
        logger.warning("A webhook was refused. %s", exc)
        raise WebhookError(401, str(exc)) from exc


def _event(request: HttpRequest, body: bytes, project: Project) -> wire.Report | wire.OtherEvent:
    try:
        if request.method == "GET" and not body:
            return wire.read_query(_query(request))
        return wire.read_webhook(body)
    except PayramDataError as exc:
        lifecycle.keep_unreadable(project=project, payload=_text(request, body), error=str(exc))
        raise WebhookError(400, str(exc)) from exc


def _query(request: HttpRequest) -> dict[str, str]:
    return {name: conf.redact(value, shortest=conf.SHORTEST_KEY) for name, value in request.GET.dict().items()}


def _text(request: HttpRequest, body: bytes) -> str:
    """Return what arrived as text that can be kept, without keys."""
    text = body.decode("utf-8", "replace") if body else urlencode(_query(request))
    return conf.redact(text.replace("\x00", ""))


def _hear(report: wire.Report, project: Project, payload: str) -> tuple[int, str]:
    try:
        heard = lifecycle.hear(report, project=project, payload=payload)
    except PayramError as exc:
        logger.warning("A webhook about %s could not be confirmed. %s", report.reference, exc)
        raise WebhookError(503, "PayRam could not be asked about the payment. Please send again.") from exc
    return ANSWERS[heard]
