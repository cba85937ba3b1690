"""The API for shops: create a payment, ask about one, health and version."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import find_coin
from django_payram.sandbox.messages import Request, Response, decode, json_response
from django_payram.sandbox.payloads import coin_snake_status
from django_payram.sandbox.payments import UnknownPayment
from django_payram.sandbox.processor import CreateRequest, Processor, dollars

if TYPE_CHECKING:
    from collections.abc import Mapping

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


ABOUT = {"/api/v1/health": HEALTH, "/api/v1/version": VERSION}

NOT_FOUND = json_response({"message": "Not found"}, status=404)
UNAUTHORIZED = json_response({"error": {"code": "UNAUTHORIZED", "message": "Unauthorised access!"}}, status=401)
UNAUTHORIZED_FLAT = json_response({"code": 1, "message": "Unauthorized access"}, status=401)


class Refused(Exception):
    """The request gets this answer instead of what it asked for."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def is_call(request: Request) -> bool:
    """Whether a request is for the API rather than for a page."""
    return request.path.startswith(PREFIX)


def is_create(request: Request) -> bool:
    """Whether a request opens a payment."""
    return request.method == "POST" and request.path.rstrip("/") == CREATE


def is_status(request: Request) -> bool:
    """Whether a request asks about a payment."""
    return request.path.startswith((STATUS, SNAKE_STATUS))


def answer(processor: Processor, request: Request) -> Response:
    """The answer to a request for the API."""
    try:
        if is_create(request):
            return _create(processor, request)
        if request.method in {"GET", "HEAD"} and is_status(request):
            return _status(processor, request)
    except Refused as refusal:
        return refusal.response
    about = ABOUT.get(request.path.rstrip("/")) if request.method in {"GET", "HEAD"} else None
    return json_response(about) if about and processor.api_version.has_health else NOT_FOUND


def _create(processor: Processor, request: Request) -> Response:
    _require_key(processor, request)
    if request.body is None:
        raise Refused(json_response({"message": "Request body too large"}, status=413))
    try:
        wanted = _create_request(processor, _fields(request.body))
    except ValueError as exc:
        raise Refused(_invalid(processor, f"{INVALID} {exc}")) from exc
    payment = processor.create(wanted, site=request.site)
    host = {"host": request.site} if processor.api_version.names_host else {}
    return json_response({**host, "reference_id": payment.reference, "url": payment.url})


def _status(processor: Processor, request: Request) -> Response:
    """``/payment/reference/{reference}``, and ``/payment/ref/`` in snake_case."""
    version = processor.api_version
    if version.status_needs_key or "authorization" in request.headers:
        _require_key(processor, request)
    reference = request.path.removeprefix(STATUS).removeprefix(SNAKE_STATUS)
    if not reference:
        raise Refused(_invalid(processor, INVALID))
    try:
        payment = processor.payment(reference)
    except UnknownPayment as exc:
        raise Refused(_unauthorized(processor) if version.unknown_reference == 401 else NOT_FOUND) from exc
    in_snake = request.path.startswith(SNAKE_STATUS) and version.nested_errors
    write = coin_snake_status if in_snake else version.status
    return json_response(write(payment, processor.project, version.word(payment)))


def _require_key(processor: Processor, request: Request) -> None:
    if "authorization" in request.headers:
        raise Refused(NOT_FOUND)
    if not processor.has_key(request.headers.get("api-key", "")):
        raise Refused(_unauthorized(processor))


def _unauthorized(processor: Processor) -> Response:
    return UNAUTHORIZED if processor.api_version.nested_errors else UNAUTHORIZED_FLAT


def _invalid(processor: Processor, message: str) -> Response:
    error = {"code": 3, "message": message}
    return json_response({"error": error} if processor.api_version.nested_errors else error, status=400)


# --- reading the body of a new payment -----------------------------------------------------------


def _create_request(processor: Processor, fields: Mapping[str, object]) -> CreateRequest:
    options = fields if processor.api_version.reads_options else {}
    return CreateRequest(
        customer_email=_text(fields, "customerEmail"),
        customer_id=_text(fields, "customerId"),
        amount_usd=_amount(fields),
        invoice_id=_text(fields, "invoiceID") if fields.get("invoiceid") else "",
        expires_at=_expiry(options, now=processor.now()),
        # A pair that PayRam does not know is ignored, as is half a pair.
        coin=find_coin(str(options.get("currency")), str(options.get("network"))),
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
