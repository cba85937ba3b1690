"""PayRam's JSON about payments, read into frozen values, here alone.

Of a webhook its decoded JSON is kept beside them, without keys and personal fields.

Documented in PayRam's API reference under "Create payment", "Payment status" and "Webhooks".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import timezone
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from django_payram.exceptions import PayramDataError
from django_payram.gateway.fields import (
    STATES,
    UNPRINTABLE,
    decode,
    read_coins,
    read_count,
    read_link,
    read_plain,
    read_reference,
    read_text,
    read_usd,
    value_of,
)
from django_payram.gateway.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django_payram.models import State

# Explorers write it last: …/tx/0x1f…, …/#/transaction/1f…, …/tx/1f…?tab=state.
TRANSACTION_HASH = re.compile(r"/([0-9A-Za-z]{4,128})/?(?:[?#][^/]*)?\Z")

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
    asked, None for a webhook's own word. ``fields`` is a webhook's decoded JSON.
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
    fields: Mapping[str, object] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def payload(self) -> object:
        """A webhook's decoded JSON as it may be kept: without keys and personal fields. None for an answer."""
        # Made when it is kept: most webhooks are repetitions, of which nothing is.
        return None if self.fields is None else clean(self.fields)

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
    fields = decode(body)
    if value_of(fields, "reference") is None and (failure := _error(fields)):
        return failure
    reference = read_reference(fields)
    if reference is None:
        raise PayramDataError("PayRam's answer to the create call names no reference_id.")
    url = read_text(fields, "url", MAX_URL + 1)
    if not url:
        raise PayramDataError("PayRam's answer to the create call has no url.", reference=reference)
    if len(url) > MAX_URL:
        raise PayramDataError(f"The url of PayRam's answer is longer than {MAX_URL} characters.", reference=reference)
    return CreatedPayment(reference=reference, url=url)


def read_status(body: bytes) -> PaymentUpdate | ErrorAnswer:
    """Read the answer to a status call. Raises PayramDataError when it is neither a payment nor an error."""
    fields = decode(body)
    word = value_of(fields, "word") or value_of(fields, "status")
    if isinstance(word, str):
        return _update(fields)
    if failure := _error(fields):
        return failure
    raise PayramDataError("PayRam's answer names no payment state.")


def read_webhook(body: bytes) -> PaymentUpdate | OtherEvent:
    """Read the body of a webhook. Raises PayramDataError when it names no payment."""
    return _webhook(decode(body))


def read_query(query: Mapping[str, str]) -> PaymentUpdate | OtherEvent:
    """Read a webhook whose fields came as a query string. Raises PayramDataError when it names no payment."""
    return _webhook(dict(query))


def read_kept(payload: object, *, customer_id: str) -> PaymentUpdate | None:
    """Read a webhook's payload that was kept, without the customer id; None when it names no payment."""
    if not isinstance(payload, dict):
        return None
    try:
        update = _webhook(decode(json.dumps(payload).encode()))
    except PayramDataError:
        return None
    return replace(update, customer_id=customer_id or None) if isinstance(update, PaymentUpdate) else None


def read_error(body: bytes) -> ErrorAnswer:
    """Read an error answer of any envelope; what is not JSON has no message and no code."""
    try:
        return _error(decode(body)) or ErrorAnswer("", "")
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
    event_type = read_text(fields, "event_type", 100)
    if event_type and value_of(fields, "reference") is None:
        return OtherEvent(event_type)
    if read_reference(fields) is None:
        raise PayramDataError("The webhook names no reference_id.")
    return _update(fields, kept=fields)


def _update(fields: Mapping[str, object], *, kept: Mapping[str, object] | None = None) -> PaymentUpdate:
    word = (read_text(fields, "word", 64) or read_text(fields, "status", 64)).strip().upper()
    currency = read_plain(fields, "currency", 32)
    in_usd = currency.upper() == "USD"
    requested = read_usd(fields, "requested_usd")
    filled = read_usd(fields, "filled_usd")
    confirmations, required = read_count(fields, "confirmations"), read_count(fields, "confirmations_required")
    return PaymentUpdate(
        reference=read_reference(fields),
        word=word,
        state=STATES.get(word),
        requested_usd=read_usd(fields, "amount") if requested is None and in_usd else requested,
        filled_usd=read_usd(fields, "filled_amount") if filled is None and in_usd else filled,
        filled_amount=read_coins(fields, "filled_amount"),
        currency="" if in_usd else currency,
        blockchain=read_plain(fields, "blockchain", 32),
        deposit_address=read_plain(fields, "deposit_address", 255),
        explorer_url=read_link(fields, "explorer_url", 500),
        confirmations=confirmations,
        confirmations_required=required,
        on_chain=bool(confirmations or required or word == "VERIFYING" or value_of(fields, "payment_info")),
        customer_id=read_text(fields, "customer_id", 255) or None,
        invoice_id=read_text(fields, "invoice_id", 255) or None,
        fields=kept,
    )


# JSON, read strictly


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
