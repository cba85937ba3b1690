"""The answers and webhooks of each API version of PayRam: functions from payment to JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote
from zlib import crc32

from django_payram.sandbox.coins import CENT, USUAL, coin_amount

if TYPE_CHECKING:
    from decimal import Decimal

    from django_payram.sandbox.api_versions import ApiVersion
    from django_payram.sandbox.coins import Coin
    from django_payram.sandbox.payments import Deposit, Payment

Json = dict[str, object]

EXPLORER = "https://explorer.example/tx/"


@dataclass(frozen=True, kw_only=True)
class Project:
    """What the merchant set in PayRam's dashboard, and the API version of that PayRam."""

    api_key: str = field(repr=False)
    api_version: ApiVersion
    merchant: str
    success_url: str
    cancel_url: str
    webhook_url: str
    confirmations_required: int


def plain(number: Decimal) -> str:
    """A decimal without an exponent and without trailing zeros."""
    return format(number.normalize(), "f")


def usd(number: Decimal) -> str:
    """Dollars with two places, or with more when they carry more."""
    return format(number.quantize(CENT) if number == number.quantize(CENT) else number, "f")


def received(payment: Payment) -> str | None:
    """The confirmed dollars; None before any came."""
    return usd(payment.filled_usd) if payment.filled_usd else None


def received_coins(payment: Payment) -> str | None:
    """The confirmed coins; None before any came."""
    return plain(coin_amount(payment.filled_usd, coin=payment.coin)) if payment.filled_usd and payment.coin else None


def asked(payment: Payment) -> str:
    """The requested sum in the chosen coin, in dollars before the choice."""
    return plain(coin_amount(payment.amount_usd, coin=payment.coin)) if payment.coin else usd(payment.amount_usd)


def explorer(payment: Payment) -> str:
    """The page of the newest transaction; empty when there is none."""
    return EXPLORER + payment.deposits[-1].transaction if payment.deposits else ""


def timestamp(moment: datetime, *, timespec: str) -> str:
    """RFC 3339, in UTC."""
    return moment.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


# --- where a customer pays -----------------------------------------------------------------


def old_checkout(site: str, reference: str) -> str:
    """2024: ``/pay`` with the address that answers with the state."""
    status = quote(f"{site}/api/v1/payment/ref/{reference}", safe="")
    return f"{site}/pay?reference_id={reference}&status_url={status}"


def split_checkout(site: str, reference: str) -> str:
    """2025: ``/payments`` with the address of the API beside it."""
    return f"{checkout(site, reference)}&host={site}"


def checkout(site: str, reference: str) -> str:
    """2026: ``/payments`` alone."""
    return f"{site}/payments?reference_id={reference}"


# --- answers about a payment -----------------------------------------------------------------


def snake_status(payment: Payment, project: Project, word: str, *, amount: str) -> Json:
    """The snake_case answer of 2025 and before."""
    coin = payment.coin
    return {
        "payment_state": word,
        "amount": amount,
        "filled_amount": received_coins(payment) or "0",
        "filled_amount_in_usd": received(payment) or "0",
        "currency_symbol": coin.currency if coin else None,
        "currency_address": coin.contract if coin else None,
        "currency_decimals": coin.decimals if coin else None,
        "blockchain_symbol": coin.network if coin else None,
        "deposit_address": payment.deposit_address,
        "created_at": timestamp(payment.created_at, timespec="seconds"),
        "success_url": project.success_url,
        "cancel_url": project.cancel_url,
    }


def coin_snake_status(payment: Payment, project: Project, word: str) -> Json:
    """2024: ``amount`` counts coins."""
    return snake_status(payment, project, word, amount=asked(payment))


def dollar_snake_status(payment: Payment, project: Project, word: str) -> Json:
    """2025: ``amount`` counts dollars."""
    return snake_status(payment, project, word, amount=usd(payment.amount_usd))


def camel_status(payment: Payment, project: Project, word: str) -> Json:
    """Late 2025: camelCase, and null for all that is not known yet."""
    coin = payment.coin
    return {
        "invoiceID": payment.invoice_id,
        "customerID": payment.customer_id,
        "currencySymbol": coin.currency if coin else None,
        "blockchainSymbol": coin.network if coin else None,
        "currencyAddress": coin.contract if coin else None,
        "currencyName": coin.currency_name if coin else None,
        "currencyDesc": f"{coin.currency_name} on {coin.network_name}" if coin else None,
        "currencyDecimals": coin.decimals if coin else None,
        "amountInUSD": usd(payment.amount_usd),
        "filledAmount": received(payment),
        "filledAmountInUSD": received(payment),
        "paymentState": word,
        "merchantName": project.merchant,
        "depositAddress": payment.deposit_address,
        "referenceID": payment.reference,
        "successURL": project.success_url,
        "cancelURL": project.cancel_url,
        "createdAt": timestamp(payment.created_at, timespec="microseconds"),
        "explorerTransaction": explorer(payment),
        "externalPlatformID": 1,
    }


def confirming_status(payment: Payment, project: Project, word: str) -> Json:
    """2026: as before, with confirmations, and ``filledAmount`` in coins."""
    return {
        **camel_status(payment, project, word),
        "filledAmount": received_coins(payment),
        "confirmationCurrent": payment.confirmations,
        "confirmationRequired": payment.confirmations_required,
    }


# --- paying without PayRam's page ---------------------------------------------------------------


def ticker(coin: Coin) -> Json:
    """A coin and its price; PayRam's documents: "Advance Integration"."""
    return {**_coin(coin), "price": plain(coin.price)}


def way_to_pay(coin: Coin, *, address: str) -> Json:
    """A coin in which a payment can be paid; PayRam's documents: "Get Blockchain Currencies"."""
    return {
        **_coin(coin),
        "network": coin.network_name,
        "currency": coin.currency,
        "customerAddress": address,
        "recommended": coin == USUAL,
        "mostUsed": coin == USUAL,
    }


def documented_address(address: str, family: str) -> Json:
    """The answer in PayRam's documents of November 2025: "Assign Deposit Address"."""
    return {"id": crc32(address.encode()), "Address": address, "Family": family, "Status": "active"}


def bare_address(address: str, family: str) -> Json:
    """The answer as a server of 2026 was seen to give it."""
    del family
    return {"depositAddress": address}


def _coin(coin: Coin) -> Json:
    return {
        "blockchainCode": coin.network,
        "currencyCode": coin.currency,
        "tokenAddress": coin.contract,
        "standard": coin.standard,
        "walletPrecision": coin.decimals,
        "family": coin.family,
    }


# --- webhooks -----------------------------------------------------------------------------


def webhook_2024(payment: Payment, word: str, now: int) -> Json:
    """February 2024: strings throughout, amounts in coins."""
    return {
        "customer_id": payment.customer_id,
        "reference_id": payment.reference,
        "invoice_id": payment.invoice_id,
        "status": word,
        "amount": asked(payment),
        "currency": payment.currency or "USD",
        "filled_amount": received_coins(payment) or "0",
        "filled_amount_in_usd": received(payment) or "0",
        "timestamp": str(now),
        "payment_info": {},
    }


def webhook_faq(payment: Payment, word: str, now: int) -> Json:
    """2025, as the FAQ describes it: ``payment_state``, and no time."""
    del now
    return {
        "reference_id": payment.reference,
        "amount": usd(payment.amount_usd),
        "deposit_address": payment.deposit_address,
        "payment_state": word,
        "filled_amount": received_coins(payment) or "0",
        "filled_amount_in_usd": received(payment) or "0",
    }


def webhook_late_2025(payment: Payment, word: str, now: int) -> Json:
    """December 2025: numbers, all in dollars."""
    del now
    return {
        "reference_id": payment.reference,
        "invoice_id": payment.invoice_id,
        "customer_id": payment.customer_id,
        "customer_email": payment.customer_email,
        "status": word,
        "amount": payment.amount_usd,
        "filled_amount_in_usd": payment.filled_usd,
        "currency": "USD",
    }


def webhook_2026(payment: Payment, word: str, now: int) -> Json:
    """Since 3.1.2: confirmations while a deposit waits for them."""
    waiting = bool(payment.pending)
    return {
        "customer_id": payment.customer_id,
        "invoice_id": payment.invoice_id,
        "reference_id": payment.reference,
        "status": word,
        "amount": asked(payment),
        "currency": payment.currency or "USD",
        "filled_amount": received_coins(payment),
        "filled_amount_in_usd": received(payment),
        "sponsored_amount": "0",
        "sponsored_amount_in_usd": "0",
        "timestamp": now,
        "payment_info": [_transaction(one, payment=payment) for one in payment.deposits],
        "confirmation_current": payment.confirmations if waiting else 0,
        "confirmation_required": payment.confirmations_required if waiting else 0,
    }


def _transaction(deposit: Deposit, *, payment: Payment) -> Json:
    return {
        "source_address": deposit.source,
        "transaction_hash": deposit.transaction,
        "destination_address": payment.deposit_address,
        "block_number": deposit.block,
    }
