"""The API for shops: create a payment, ask about one, show one without PayRam's page, health and version."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import COINS, FAMILIES, FAMILY_OF, deposit_address, find_coin
from django_payram.sandbox.messages import Request, Response, decode, json_response
from django_payram.sandbox.payloads import coin_snake_status, ticker, way_to_pay
from django_payram.sandbox.payments import UnknownPayment
from django_payram.sandbox.processor import CreateRequest, Processor, positive_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django_payram.sandbox.payments import Payment

PREFIX = "/api/v1/"
CREATE = "/api/v1/payment"
STATUS = "/api/v1/payment/reference/"
SNAKE_STATUS = "/api/v1/payment/ref/"
TICKER = "/api/v1/ticker"
WAYS_TO_PAY = "/api/v1/blockchain-currency/reference/"
ASSIGN = "/api/v1/deposit-address/reference/"

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
        if processor.api_version.lists_coins and (act := _showing(request)):
            return act(processor, request)
    except Refused as refusal:
        return refusal.response
    about = ABOUT.get(request.path.rstrip("/")) if request.method in {"GET", "HEAD"} else None
    return json_response(about) if about and processor.api_version.has_health else NOT_FOUND


def _create(processor: Processor, request: Request) -> Response:
    _require_key(processor, request)
    try:
        wanted = _create_request(processor, _fields(request))
    except ValueError as exc:
        raise Refused(_invalid(processor, f"{INVALID} {exc}")) from exc
    payment = processor.create(wanted, site=request.site)
    host = {"host": request.site} if processor.api_version.names_host else {}
    return json_response({**host, "reference_id": payment.reference, "url": payment.url})


def _status(processor: Processor, request: Request) -> Response:
    """``/payment/reference/{reference}``, and ``/payment/ref/`` in snake_case."""
    version = processor.api_version
    prefix = SNAKE_STATUS if request.path.startswith(SNAKE_STATUS) else STATUS
    payment = _asked(processor, request, prefix)
    in_snake = prefix == SNAKE_STATUS and version.nested_errors
    write = coin_snake_status if in_snake else version.status
    return json_response(write(payment, processor.project, version.word(payment)))


def _showing(request: Request) -> Callable[[Processor, Request], Response] | None:
    """What a call asks for by which the shop shows a payment itself."""
    match "GET" if request.method == "HEAD" else request.method:
        case "GET" if request.path.startswith(WAYS_TO_PAY):
            return _ways_to_pay
        case "GET" if request.path.rstrip("/") == TICKER:
            return _ticker
        case "POST" if request.path.startswith(ASSIGN):
            return _assign
    return None


def _ways_to_pay(processor: Processor, request: Request) -> Response:
    """``/blockchain-currency/reference/{reference}``: the coins, with the customer's addresses as far as there are."""
    customer_id = _asked(processor, request, WAYS_TO_PAY).customer_id
    addresses = {family: processor.customer_address(customer_id, family=family) or "" for family in FAMILIES}
    return json_response([way_to_pay(coin, address=addresses[coin.family]) for coin in COINS])


def _ticker(processor: Processor, request: Request) -> Response:
    """``/ticker``: the coins with their prices."""
    _check_key(processor, request)
    return json_response([ticker(coin) for coin in COINS])


def _assign(processor: Processor, request: Request) -> Response:
    """``/deposit-address/reference/{reference}``: the customer's address on the family of a chain, for good."""
    payment = _asked(processor, request, ASSIGN)
    try:
        network = _network(_fields(request))
        processor.assign(payment.reference, network=network)
    except ValueError as exc:
        raise Refused(_invalid(processor, f"{INVALID} {exc}")) from exc
    family = FAMILY_OF[network]
    address = deposit_address(payment.customer_id, family=family)
    return json_response(processor.api_version.assigned(address, family))


def _asked(processor: Processor, request: Request, prefix: str) -> Payment:
    """The payment whose reference follows the prefix."""
    _check_key(processor, request)
    reference = request.path.removeprefix(prefix)
    if not reference:
        raise Refused(_invalid(processor, INVALID))
    try:
        return processor.payment(reference)
    except UnknownPayment as exc:
        hides = processor.api_version.unknown_reference == 401
        raise Refused(_unauthorized(processor) if hides else NOT_FOUND) from exc


def _check_key(processor: Processor, request: Request) -> None:
    """Insist on the key where servers do so for every call."""
    if processor.api_version.always_needs_key or "authorization" in request.headers:
        _require_key(processor, request)


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


# --- reading bodies --------------------------------------------------------------------------------


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


def _fields(request: Request) -> dict[str, object]:
    """The fields under lower-case names: Go matches JSON names without regard to case."""
    if request.body is None:
        raise Refused(json_response({"message": "Request body too large"}, status=413))
    value = decode(request.body)
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
        return positive_sum(value)
    except ValueError as exc:
        raise ValueError("Amount should be greater than 0.") from exc


def _network(fields: Mapping[str, object]) -> str:
    value = _text(fields, "blockchain_code")
    if value not in FAMILY_OF:
        raise ValueError("blockchain_code is unknown.")
    return value


def _expiry(fields: Mapping[str, object], *, now: datetime) -> datetime | None:
    value = fields.get("expire")
    if not value:
        return None
    moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if moment <= now:
        raise ValueError("expire should lie in the future.")
    return moment
