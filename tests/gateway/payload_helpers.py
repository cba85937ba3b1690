"""Payloads as tests write them, and what they are read as."""

from __future__ import annotations

import json
from decimal import Decimal

from django_payram.gateway import payloads
from django_payram.gateway.payloads import OtherEvent, PaymentUpdate

REFERENCE = "6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11"


ADDRESS = "0x2222222222222222222222222222222222222222"


EXPLORER = "https://etherscan.example/tx/0xaaaa"


def body(**given):
    return json.dumps(given).encode()


def webhook(**given):
    return payloads.read_webhook(body(reference_id=REFERENCE, **given))


def update(word, state, **fields):
    """An update as the samples have it: numbers as text, and nothing that is not named."""
    for name in ("requested_usd", "filled_usd", "filled_amount"):
        if name in fields:
            fields[name] = Decimal(fields[name])
    return PaymentUpdate(word=word, state=state, **fields)


WHO = {"customer_id": "order-1042", "invoice_id": "INV-1042"}


S4 = {
    **WHO,
    "reference": REFERENCE,
    "requested_usd": "49.99",
    "currency": "ETH",
    "blockchain": "ETH",
    "deposit_address": ADDRESS,
    "explorer_url": EXPLORER,
    "confirmations_required": 12,
    "on_chain": True,
}


V8 = {**WHO, "reference": REFERENCE, "currency": "USDC", "confirmations": 0, "confirmations_required": 0}


OTHER = {
    "other/ping": OtherEvent("payout.ping"),
    "other/payout-pending-approval": OtherEvent("payout.pending-approval"),
    "other/payout-failed": OtherEvent("payout.failed"),
}
