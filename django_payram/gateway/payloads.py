"""PayRam's JSON about payments, read into frozen values, here alone.

Of a webhook its decoded JSON is kept beside them, without keys and personal fields.

PayRam has changed its spelling many times and self-hosted servers are rarely updated, so every API version is read.
``SPELLINGS`` names each spelling; a value given under two spellings that disagree is refused. None always means that
PayRam did not say, never zero. Numbers keep their unit: only what is surely in US dollars becomes a ``…_usd`` value.

Python's own JSON reader accepts NaN, lets the last of two equal keys win, and follows any nesting. Money must not be
read that way: ``_decode`` refuses all three.

Documented in PayRam's API reference under "Create payment", "Payment status" and "Webhooks".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import timezone
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from django_payram.exceptions import PayramDataError
from django_payram.gateway.redaction import clean
from django_payram.models import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,128}")
NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
TICKER_OR_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .:_/?=&()+-]*")
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]+")
# Explorers write it last: …/tx/0x1f…, …/#/transaction/1f…, …/tx/1f…?tab=state.
TRANSACTION_HASH = re.compile(r"/([0-9A-Za-z]{4,128})/?(?:[?#][^/]*)?\Z")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

# What PayRam's words mean. VERIFYING (2024) is money on the chain that is not confirmed: still open. Any other word
# (UNDEFINED, something new) is kept as a word and has no state.
STATES: Mapping[str, State] = MappingProxyType(
    {
        "OPEN": State.OPEN,
        "VERIFYING": State.OPEN,
        "PARTIALLY_FILLED": State.PARTIALLY_FILLED,
        "FILLED": State.FILLED,
        "OVER_FILLED": State.OVER_FILLED,
        "CANCELLED": State.CANCELED,
        "CANCELED": State.CANCELED,
    }
)

# Our name for a field: PayRam's spelling, as errors quote it, and the others that some version has used.
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reference": ("reference_id", "referenceID", "referenceId"),
        "url": ("url",),
        "word": ("paymentState", "payment_state"),
        # Webhooks say only "status"; where a payment state stands beside it, that one counts.
        "status": ("status",),
        "requested_usd": ("amount_in_usd", "amountInUSD"),
        "amount": ("amount",),
        "filled_usd": ("filled_amount_in_usd", "filledAmountInUSD", "filled_amount_usd"),
        "filled_amount": ("filled_amount", "filledAmount"),
        "currency": ("currency", "currency_symbol", "currencySymbol"),
        "blockchain": ("blockchain_symbol", "blockchainSymbol"),
        "deposit_address": ("deposit_address", "depositAddress"),
        "explorer_url": ("explorer_transaction", "explorerTransaction"),
        "confirmations": ("confirmation_current", "confirmationCurrent"),
        "confirmations_required": ("confirmation_required", "confirmationRequired"),
        "payment_info": ("payment_info", "paymentInfo"),
        "customer_id": ("customer_id", "customerID", "customerId"),
        "invoice_id": ("invoice_id", "invoiceID", "invoiceId"),
        "event_type": ("event_type", "eventType"),
    }
)

MAX_DEPTH = 32
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH}."
MAX_DIGITS = 64
"""Longer numbers are refused: no amount, time or count needs them, and they cost time to convert."""
MAX_EXPONENT = 999
"""Larger and smaller numbers are refused."""

MAX_URL = 2000
"""Characters of a payment page's address that fit into its column. A part of an address leads nowhere."""

ERROR_MESSAGES = ("message", "error", "detail")
ERROR_CODES = ("code",)


@dataclass(frozen=True)
class CreatedPayment:
    """PayRam's answer to the create call: its reference, and the page where the customer pays."""

    reference: str
    url: str


@dataclass(frozen=True)
class PaymentUpdate:
    """What PayRam says of one payment, by webhook or as an answer.

    ``word`` is PayRam's own word for the state and ``state`` what it means, None for an unknown word.
    ``requested_usd`` and ``filled_usd`` are US dollars, and so is ``webhook_usd``, the sum that only the webhook names
    which made us ask. ``filled_amount`` is coin units since July 2026 and US dollars in older servers, so nothing is
    computed from it. ``url`` is the payment page, known only from the create call. ``asked_at`` is when PayRam was
    asked, None for a webhook's own word. ``payload`` is a webhook's decoded JSON as it may be kept: without keys and
    personal fields.
    """

    reference: str | None = None
    word: str = ""
    state: State | None = None
    requested_usd: Decimal | None = None
    filled_usd: Decimal | None = None
    webhook_usd: Decimal | None = None
    filled_amount: Decimal | None = None
    currency: str = ""
    blockchain: str = ""
    deposit_address: str = ""
    explorer_url: str = ""
    confirmations: int | None = None
    confirmations_required: int | None = None
    on_chain: bool = False
    customer_id: str | None = None
    invoice_id: str | None = None
    url: str = ""
    asked_at: datetime | None = None
    payload: object = field(default=None, repr=False, compare=False)

    @property
    def transaction_hash(self) -> str:
        """The hash of the transaction, which stands in PayRam's link to it; ``""`` when there is none."""
        found = TRANSACTION_HASH.search(self.explorer_url)
        return found[1] if found else ""

    @property
    def confirming(self) -> bool:
        """Whether money is on the chain and short of confirmations. Counts of 0 of 0 mean that none is awaited."""
        return self.on_chain and (self.confirmations or 0) < (self.confirmations_required or 0)


@dataclass(frozen=True)
class OtherEvent:
    """A webhook that is not about a payment: ``payout.ping``, ``payout.failed``."""

    event_type: str


@dataclass(frozen=True)
class ErrorAnswer:
    """An error envelope: PayRam's message and its code as text, in full length, both ``""`` when not given."""

    message: str
    code: str


def read_created(body: bytes) -> CreatedPayment | ErrorAnswer:
    """Read the answer to the create call. Raises PayramDataError when it is neither a payment nor an error."""
    fields = _decode(body)
    if _get(fields, "reference") is None and (failure := _error(fields)):
        return failure
    reference = _reference(fields)
    if reference is None:
        raise PayramDataError("PayRam's answer to the create call names no reference_id.")
    url = _text(fields, "url", MAX_URL + 1)
    if not url:
        raise PayramDataError("PayRam's answer to the create call has no url.", reference=reference)
    if len(url) > MAX_URL:
        raise PayramDataError(f"The url of PayRam's answer is longer than {MAX_URL} characters.", reference=reference)
    return CreatedPayment(reference=reference, url=url)


def read_status(body: bytes) -> PaymentUpdate | ErrorAnswer:
    """Read the answer to a status call. Raises PayramDataError when it is neither a payment nor an error."""
    fields = _decode(body)
    word = _get(fields, "word") or _get(fields, "status")
    if isinstance(word, str):
        return _update(fields)
    if failure := _error(fields):
        return failure
    raise PayramDataError("PayRam's answer names no payment state.")


def read_webhook(body: bytes) -> PaymentUpdate | OtherEvent:
    """Read the body of a webhook. Raises PayramDataError when it names no payment."""
    return _webhook(_decode(body))


def read_query(query: Mapping[str, str]) -> PaymentUpdate | OtherEvent:
    """Read a webhook whose fields came as a query string. Raises PayramDataError when it names no payment."""
    return _webhook(dict(query))


def read_kept(payload: object, *, customer_id: str) -> PaymentUpdate | None:
    """Read a webhook's payload that was kept, without the customer id; None when it names no payment."""
    if not isinstance(payload, dict):
        return None
    try:
        update = _webhook(_decode(json.dumps(payload).encode()))
    except PayramDataError:
        return None
    return replace(update, customer_id=customer_id or None) if isinstance(update, PaymentUpdate) else None


def read_error(body: bytes) -> ErrorAnswer:
    """Read an error answer of any envelope; what is not JSON has no message and no code."""
    try:
        return _error(_decode(body)) or ErrorAnswer("", "")
    except PayramDataError:
        return ErrorAnswer("", "")


def create_fields(
    *, customer_email: str, customer_id: str, amount_usd: Decimal, invoice_id: str, expires_at: datetime | None = None
) -> dict[str, str | float]:
    """Return the JSON fields of the create call.

    PayRam wants a JSON number. A float prints every amount of up to 15 digits exactly, and open_payment admits no
    longer ones. ``expire`` is a time as RFC 3339 writes it.
    """
    fields: dict[str, str | float] = {
        "customerEmail": customer_email,
        "customerId": customer_id,
        "amountInUSD": float(amount_usd),
        "invoiceID": invoice_id,
    }
    if expires_at is not None:
        fields["expire"] = expires_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return fields


def _webhook(fields: Mapping[str, object]) -> PaymentUpdate | OtherEvent:
    event_type = _text(fields, "event_type", 100)
    if event_type and _get(fields, "reference") is None:
        return OtherEvent(event_type)
    if _reference(fields) is None:
        raise PayramDataError("The webhook names no reference_id.")
    return _update(fields, payload=clean(fields))


def _update(fields: Mapping[str, object], *, payload: object = None) -> PaymentUpdate:
    word = (_text(fields, "word", 64) or _text(fields, "status", 64)).strip().upper()
    currency = _plain(fields, "currency", 32)
    in_usd = currency.upper() == "USD"
    requested = _usd(fields, "requested_usd")
    filled = _usd(fields, "filled_usd")
    confirmations, required = _count(fields, "confirmations"), _count(fields, "confirmations_required")
    return PaymentUpdate(
        reference=_reference(fields),
        word=word,
        state=STATES.get(word),
        requested_usd=_usd(fields, "amount") if requested is None and in_usd else requested,
        filled_usd=_usd(fields, "filled_amount") if filled is None and in_usd else filled,
        filled_amount=_coins(fields, "filled_amount"),
        currency="" if in_usd else currency,
        blockchain=_plain(fields, "blockchain", 32),
        deposit_address=_plain(fields, "deposit_address", 255),
        explorer_url=_link(fields, "explorer_url", 500),
        confirmations=confirmations,
        confirmations_required=required,
        on_chain=bool(confirmations or required or word == "VERIFYING" or _get(fields, "payment_info")),
        customer_id=_text(fields, "customer_id", 255) or None,
        invoice_id=_text(fields, "invoice_id", 255) or None,
        payload=payload,
    )


# JSON, read strictly


def _decode(body: bytes) -> Mapping[str, object]:
    value = _load(body)
    if not isinstance(value, dict):
        raise PayramDataError("The body is JSON but not an object.")
    return value


def _load(body: bytes) -> object:
    """Return the value of ``body``, every number as a Decimal.

    Raises PayramDataError, with a sentence for a person, for anything that is not UTF-8, not JSON, nested deeper than
    32, that has a key twice with different values, or a number that is not finite, too long or out of range.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_decimal,
            parse_int=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as exc:
        raise PayramDataError("The body is not UTF-8 text.") from exc
    except json.JSONDecodeError as exc:
        raise PayramDataError(f"The body is not JSON: {exc.msg} at character {exc.pos}.") from exc
    except RecursionError:
        raise PayramDataError(TOO_DEEP) from None
    if _is_too_deep(value):
        raise PayramDataError(TOO_DEEP)
    return value


def _decimal(literal: str) -> Decimal:
    if len(literal) > MAX_DIGITS:
        raise PayramDataError(f"The body holds a number of more than {MAX_DIGITS} characters.")
    try:
        number = Decimal(literal)
    except InvalidOperation:
        number = None
    # Python's arithmetic overflows long before its Decimal does.
    if number is None or abs(number.adjusted()) > MAX_EXPONENT:
        raise PayramDataError("The body holds a number that is out of range.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise PayramDataError(f"The body holds {name}, which is not a number.")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for key, item in pairs:
        if key in value and value[key] != item:
            raise PayramDataError(f"The body gives {key[:40]!r} twice, with different values.")
        value[key] = item
    return value


def _is_too_deep(value: object) -> bool:
    """Go down level by level, without recursion of our own."""
    level = [value]
    for _depth in range(MAX_DEPTH):
        inside = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inside for item in items]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


# One field, read by its kind


def _get(fields: Mapping[str, object], name: str) -> object:
    found = None
    for spelling in SPELLINGS[name]:
        value = fields.get(spelling)
        if found is None:
            found = value
        elif value is not None and _meaning(value) != _meaning(found):
            raise PayramDataError(f"The body gives {' and '.join(SPELLINGS[name])} with different values.")
    return found


def _meaning(value: object) -> object:
    """Return a value as it is compared under two spellings: 20.0 is "20", and CANCELLED is CANCELED."""
    if not isinstance(value, str):
        return value
    if NUMBER.fullmatch(value):
        return Decimal(value)
    return STATES.get(value.upper(), value)


def _reference(fields: Mapping[str, object]) -> str | None:
    value = _get(fields, "reference")
    if value is None:
        return None
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise PayramDataError(
            "The reference_id is not one of PayRam's: up to 128 letters, digits, hyphens and underscores."
        )
    return value


def _text(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read words for people and for comparison: control characters never reach the database, long ones are cut."""
    value = _get(fields, name)
    if value is None:
        return ""
    if isinstance(value, Decimal):
        value = str(value)
    if not isinstance(value, str):
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is not text.")
    return UNPRINTABLE.sub("", value)[:limit]


def _plain(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read a ticker, chain or address. People copy it and shops export it, so anything that cannot be one is dropped.

    None begins with a character that makes a spreadsheet compute.
    """
    text = _text(fields, name, limit)
    return text if TICKER_OR_ADDRESS.fullmatch(text) else ""


def _link(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read a web address that is shown as a link: anything but http and https is dropped."""
    link = _text(fields, name, limit + 1)
    return link if WEB_ADDRESS.fullmatch(link) and len(link) <= limit else ""


def _number(fields: Mapping[str, object], name: str) -> Decimal | None:
    value = _get(fields, name)
    if value is None or value == "":
        return None
    if not isinstance(value, Decimal | str) or not NUMBER.fullmatch(str(value)):
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is not a number.")
    number = Decimal(value)
    if number < 0:
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is negative.")
    return number


# SQLite keeps 15 digits of a decimal. A sum that is rounded once, here, reads back from every database as it was
# written, so that a repeated report is never mistaken for more money.
USD = Context(prec=15, rounding=ROUND_DOWN)
COINS = Context(prec=36, rounding=ROUND_DOWN)
WIDE = Context(prec=60, rounding=ROUND_DOWN)
"""Room for every amount below its limit with all its places, so that only the places are cut."""


def _usd(fields: Mapping[str, object], name: str) -> Decimal | None:
    return _fitted(fields, name, context=USD, places=8, limit=Decimal(10) ** 15)


def _coins(fields: Mapping[str, object], name: str) -> Decimal | None:
    return _fitted(fields, name, context=COINS, places=18, limit=Decimal(10) ** 18)


def _fitted(
    fields: Mapping[str, object], name: str, *, context: Context, places: int, limit: Decimal
) -> Decimal | None:
    number = _number(fields, name)
    if number is None:
        return None
    if number >= limit:
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is too large to be an amount.")
    return context.plus(number).quantize(Decimal(1).scaleb(-places), context=WIDE)


def _count(fields: Mapping[str, object], name: str) -> int | None:
    number = _number(fields, name)
    if number is None:
        return None
    if number != number.to_integral_value() or number > 1_000_000:
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is not a count.")
    return int(number)


def _error(fields: Mapping[str, object]) -> ErrorAnswer | None:
    """Read the nested, the flat and the simple envelope; None when the fields hold no error."""
    nested = fields.get("error")
    source = nested if isinstance(nested, dict) else fields
    message = _first(source, ERROR_MESSAGES)
    code = _first(source, ERROR_CODES)
    return ErrorAnswer(message=message, code=code) if message or code else None


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | Decimal):
            return UNPRINTABLE.sub(" ", str(value))
    return ""
