"""The API for shops: create a payment, ask about one, health and version."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import Coin, find_coin
from django_payram.sandbox.jsontext import decode
from django_payram.sandbox.messages import Request, Response, json_response
from django_payram.sandbox.payloads import coin_snake_status
from django_payram.sandbox.payments import Payment, UnknownPayment
from django_payram.sandbox.processor import CreateRequest, Processor, dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/api/v1/"
CREATE = "/api/v1/payment"
STATUS = "/api/v1/payment/reference/"
SNAKE_STATUS = "/api/v1/payment/ref/"

INVALID = "The request is invalid."
TEXT_LENGTH = 255

HEALTH = {
    "status": "ok",
    "db": "ok",
    "version": "3.8.2",
    "workers": {"redis-server": "RUNNING", "deposit-processor": "RUNNING"},
}
VERSION = {"version": "3.8.2", "build": "main", "image": "payramapp/payram:3.8.2"}


class Refused(Exception):
    """The request gets this answer instead of what it asked for."""

    def __init__(self, response: Response) -> None:
        """Carry the answer."""
        super().__init__(response.status)
        self.response = response


def answer(processor: Processor, request: Request) -> Response:
    """The answer to a request whose path begins with ``/api/``."""
    try:
        return _route(request)(processor, request)
    except Refused as refusal:
        return refusal.response


def _route(request: Request) -> Callable[[Processor, Request], Response]:
    path = request.path
    if request.method == "POST":
        return create if path.rstrip("/") == CREATE else not_found
    if request.method not in {"GET", "HEAD"}:
        return not_found
    if path.startswith((STATUS, SNAKE_STATUS)):
        return status
    return READABLE.get(path.rstrip("/"), not_found)


def not_found(processor: Processor, request: Request) -> Response:
    """404, as for every path that is none."""
    del processor, request
    return json_response({"message": "Not found"}, status=404)


def create(processor: Processor, request: Request) -> Response:
    """``POST /api/v1/payment``."""
    _require_key(processor, request)
    if request.body is None:
        raise Refused(json_response({"message": "Request body too large"}, status=413))
    payment = processor.create(_create_request(processor, request.body), site=request.site)
    answer = {"reference_id": payment.reference, "url": payment.url}
    if processor.api_version.names_host:
        answer = {"host": request.site, **answer}
    return json_response(answer)


def status(processor: Processor, request: Request) -> Response:
    """``GET /api/v1/payment/reference/{reference}``, and ``/payment/ref/`` in snake_case."""
    if processor.api_version.status_needs_key or "authorization" in request.headers:
        _require_key(processor, request)
    reference = request.path.removeprefix(STATUS).removeprefix(SNAKE_STATUS)
    if not reference:
        raise Refused(_error(processor, 400, code=3, message=INVALID))
    payment = _find(processor, reference)
    api_version = processor.api_version
    in_snake = request.path.startswith(SNAKE_STATUS) and api_version.nested_errors
    spell = coin_snake_status if in_snake else api_version.status
    return json_response(spell(payment, processor.project, api_version.word(payment)))


def health(processor: Processor, request: Request) -> Response:
    """``GET /api/v1/health``; older servers have none."""
    if not processor.api_version.tells_health:
        return not_found(processor, request)
    return json_response(HEALTH)


def version(processor: Processor, request: Request) -> Response:
    """``GET /api/v1/version``; older servers have none."""
    if not processor.api_version.tells_health:
        return not_found(processor, request)
    return json_response(VERSION)


READABLE = {"/api/v1/health": health, "/api/v1/version": version}


def unauthorized(processor: Processor) -> Response:
    """401, in the form of the api_version."""
    if processor.api_version.nested_errors:
        error = {"code": "UNAUTHORIZED", "message": "Unauthorised access!"}
        return json_response({"error": error}, status=401)
    return json_response({"code": 1, "message": "Unauthorized access"}, status=401)


def _require_key(processor: Processor, request: Request) -> None:
    if "authorization" in request.headers:
        raise Refused(not_found(processor, request))
    if not processor.has_key(request.headers.get("api-key", "")):
        raise Refused(unauthorized(processor))


def _find(processor: Processor, reference: str) -> Payment:
    try:
        return processor.payment(reference)
    except UnknownPayment as exc:
        if processor.api_version.unknown_reference == 401:
            raise Refused(unauthorized(processor)) from exc
        raise Refused(json_response({"message": "Not found"}, status=404)) from exc


def _error(processor: Processor, status: int, *, code: int, message: str) -> Response:
    flat: dict[str, object] = {"code": code, "message": message}
    return json_response({"error": flat} if processor.api_version.nested_errors else flat, status=status)


# --- reading the body of a new payment -----------------------------------------------------------


def _create_request(processor: Processor, body: bytes) -> CreateRequest:
    try:
        fields = _fields(body)
        return _read_create_request(processor, fields)
    except ValueError as exc:
        raise Refused(_error(processor, 400, code=3, message=f"{INVALID} {exc}")) from exc


def _read_create_request(processor: Processor, fields: Mapping[str, object]) -> CreateRequest:
    options = fields if processor.api_version.reads_options else {}
    return CreateRequest(
        customer_email=_text(fields, "customerEmail"),
        customer_id=_text(fields, "customerId"),
        amount_usd=_amount(fields),
        invoice_id=_text(fields, "invoiceID") if fields.get("invoiceid") else "",
        expires_at=_expiry(options, now=processor.now()),
        coin=_coin(options),
    )


def _fields(body: bytes) -> dict[str, object]:
    """The fields under lower-case names: Go matches JSON names without regard to case."""
    value = decode(body)
    if not isinstance(value, dict):
        raise ValueError("The body should be a JSON object.")  # noqa: TRY004 - one kind of error for whatever is wrong in it
    return {str(name).lower(): field for name, field in value.items()}


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name.lower())
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_LENGTH:
        raise ValueError(f"{name} is required.")
    # A lone surrogate is JSON, yet no text that a page or a webhook could show.
    value.encode()
    return value


def _amount(fields: Mapping[str, object]) -> Decimal:
    value = fields.get("amountinusd")
    if not isinstance(value, Decimal):
        raise ValueError("amountInUSD should be a number.")  # noqa: TRY004 - one kind of error for whatever is wrong in it
    try:
        return dollars(value)
    except ValueError as exc:
        raise ValueError("Amount should be greater than 0.") from exc


def _expiry(fields: Mapping[str, object], *, now: datetime) -> datetime | None:
    value = fields.get("expire")
    if not value:
        return None
    moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if moment <= now:
        raise ValueError("expire should lie in the future.")
    return moment


def _coin(fields: Mapping[str, object]) -> Coin | None:
    """The chosen pair; one that PayRam does not know is ignored, as is half a pair."""
    return find_coin(str(fields.get("currency")), str(fields.get("network")))
