"""Reading JSON of PayRam's, and one field of it by its kind.

PayRam has changed its spelling many times and self-hosted servers are rarely updated, so every API version is read.
``SPELLINGS`` names each spelling; a value given under two spellings that disagree is refused. None always means that
PayRam did not say, never zero. Numbers keep their unit: only what is surely in US dollars becomes a ``…_usd`` value.

Python's own JSON reader accepts NaN, lets the last of two equal keys win, and follows any nesting. Money must not be
read that way: ``decode`` refuses all three.
"""

from __future__ import annotations

import json
import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from django_payram.exceptions import PayramDataError
from django_payram.models import State

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,128}")
NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
TICKER_OR_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .:_/?=&()+-]*")
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]+")
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
        # Of the ways to pay, the prices and the deposit address.
        "blockchain_code": ("blockchainCode", "blockchain_code"),
        "currency_code": ("currencyCode", "currency_code"),
        "network": ("network",),
        "token_address": ("tokenAddress", "token_address"),
        "standard": ("standard",),
        "family": ("family", "Family"),
        "wallet_precision": ("walletPrecision", "wallet_precision"),
        "price": ("price",),
        "address": ("Address", "address", "depositAddress", "deposit_address"),
    }
)

MAX_DEPTH = 32
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH}."
MAX_DIGITS = 64
"""Longer numbers are refused: no amount, time or count needs them, and they cost time to convert."""
MAX_EXPONENT = 999
"""Larger and smaller numbers are refused."""


def decode(body: bytes) -> Mapping[str, object]:
    """Return the fields of an object, read as :func:`load` reads. Raises PayramDataError, also for anything else."""
    value = load(body)
    if not isinstance(value, dict):
        raise PayramDataError("The body is JSON but not an object.")
    return value


def load(body: bytes) -> object:
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


def value_of(fields: Mapping[str, object], name: str) -> object:
    """Return a field under whichever spelling it has, None without it. Raises PayramDataError for two that disagree."""
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


def read_reference(fields: Mapping[str, object]) -> str | None:
    """Read PayRam's reference. Raises PayramDataError for one that cannot be its own."""
    value = value_of(fields, "reference")
    if value is None:
        return None
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise PayramDataError(
            "The reference_id is not one of PayRam's: up to 128 letters, digits, hyphens and underscores."
        )
    return value


def read_text(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read words for people and for comparison: control characters never reach the database, long ones are cut."""
    value = value_of(fields, name)
    if value is None:
        return ""
    if isinstance(value, Decimal):
        value = str(value)
    if not isinstance(value, str):
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is not text.")
    return UNPRINTABLE.sub("", value)[:limit]


def read_plain(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read a ticker, chain or address. People copy it and shops export it, so anything that cannot be one is dropped.

    None begins with a character that makes a spreadsheet compute.
    """
    text = read_text(fields, name, limit)
    return text if TICKER_OR_ADDRESS.fullmatch(text) else ""


def read_link(fields: Mapping[str, object], name: str, limit: int) -> str:
    """Read a web address that is shown as a link: anything but http and https is dropped."""
    link = read_text(fields, name, limit + 1)
    return link if WEB_ADDRESS.fullmatch(link) and len(link) <= limit else ""


def read_number(fields: Mapping[str, object], name: str) -> Decimal | None:
    """Read a number from zero, written as one or as text. Raises PayramDataError for anything else."""
    value = value_of(fields, name)
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


def read_usd(fields: Mapping[str, object], name: str) -> Decimal | None:
    """Read US dollars, cut to eight places. Raises PayramDataError for what cannot be an amount."""
    return _fitted(fields, name, context=USD, places=8, limit=Decimal(10) ** 15)


def read_coins(fields: Mapping[str, object], name: str) -> Decimal | None:
    """Read an amount of a coin, cut to eighteen places. Raises PayramDataError for what cannot be one."""
    return _fitted(fields, name, context=COINS, places=18, limit=Decimal(10) ** 18)


def _fitted(
    fields: Mapping[str, object], name: str, *, context: Context, places: int, limit: Decimal
) -> Decimal | None:
    number = read_number(fields, name)
    if number is None:
        return None
    if number >= limit:
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is too large to be an amount.")
    return context.plus(number).quantize(Decimal(1).scaleb(-places), context=WIDE)


def read_count(fields: Mapping[str, object], name: str) -> int | None:
    """Read a whole number of up to a million. Raises PayramDataError for anything else."""
    number = read_number(fields, name)
    if number is None:
        return None
    if number != number.to_integral_value() or number > 1_000_000:
        raise PayramDataError(f"The field {SPELLINGS[name][0]} is not a count.")
    return int(number)
