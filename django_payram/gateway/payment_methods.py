"""How a payment can be paid without PayRam's own page: coins with their networks, prices and addresses.

Documented in PayRam's API reference, November 2025, under "Blockchain currencies of a payment", "Deposit address" and
"Ticker". Servers before that do not know these calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from django_payram.exceptions import PayramDataError
from django_payram.gateway.fields import load, read_count, read_number, read_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

MOST_METHODS = 200
"""More ways to pay are not read: nobody would choose from them."""
MOST_PLACES = 18

LONGEST_CODE, LONGEST_ADDRESS = 20, 128
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]*")

# What an address of a family looks like. Its checksum is not computed: PayRam has made it, and wallets check it.
ADDRESSES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "ETH": re.compile(r"0x[0-9A-Fa-f]{40}"),
        "TRX": re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}"),
        "BTC": re.compile(r"[A-Za-z]{2,4}1[02-9ac-hj-np-z]{11,87}|[1-9A-HJ-NP-Za-km-z]{26,35}"),
    }
)
ANY_ADDRESS = re.compile(r"[A-Za-z0-9]{20,128}")


@dataclass(frozen=True)
class PaymentMethod:
    """A coin on a network, as PayRam offers it for a payment. ``precision`` is how many places a wallet sends."""

    blockchain: str
    currency: str
    network: str
    family: str
    token_address: str
    standard: str
    precision: int
    price_usd: Decimal | None = None
    """US dollars for one whole coin, None when PayRam does not say."""

    @property
    def code(self) -> str:
        """The coin and its network in one word: ``USDC-BASE``."""
        return f"{self.currency}-{self.blockchain}"


Prices = dict[tuple[str, str, str], "Decimal"]
"""US dollars for one coin, by blockchain, currency and contract of the token in lower case."""


def read_methods(body: bytes) -> list[PaymentMethod]:
    """Read the ways to pay. Raises PayramDataError when they are not a list of them.

    One that lacks what is needed to be sent money by is left out.
    """
    methods = [
        PaymentMethod(
            blockchain=read_plain(row, "blockchain_code", LONGEST_CODE),
            currency=read_plain(row, "currency_code", LONGEST_CODE),
            network=read_plain(row, "network", 2 * LONGEST_CODE),
            family=read_plain(row, "family", 2 * LONGEST_CODE),
            token_address=read_plain(row, "token_address", LONGEST_ADDRESS),
            standard=read_plain(row, "standard", LONGEST_CODE),
            precision=precision,
        )
        for row in _rows(body)
        if (precision := read_count(row, "wallet_precision")) is not None and precision <= MOST_PLACES
    ]
    return [method for method in methods if CODE.fullmatch(method.blockchain) and CODE.fullmatch(method.currency)]


def read_prices(body: bytes) -> Prices:
    """Read what coins cost. Raises PayramDataError when it is not a list, or a price is not a number."""
    return {
        _key(
            read_plain(row, "blockchain_code", LONGEST_CODE),
            read_plain(row, "currency_code", LONGEST_CODE),
            read_plain(row, "token_address", LONGEST_ADDRESS),
        ): price
        for row in _rows(body)
        if (price := read_number(row, "price"))
    }


def price_of(method: PaymentMethod, prices: Prices) -> Decimal | None:
    """Return what a coin costs, None when PayRam does not say."""
    return prices.get(_key(method.blockchain, method.currency, method.token_address))


def read_address(body: bytes, *, family: str) -> str:
    """Read the address that was assigned. Raises PayramDataError when it is not one of that family."""
    value = load(body)
    address = read_plain(value, "address", LONGEST_ADDRESS + 1) if isinstance(value, dict) else ""
    form = ADDRESSES.get(family.upper().removesuffix("_FAMILY"), ANY_ADDRESS)
    if not form.fullmatch(address):
        raise PayramDataError("PayRam gave no deposit address of the network that was chosen.")
    return address


def _rows(body: bytes) -> list[dict[str, object]]:
    rows = load(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PayramDataError("PayRam's answer is not a list of coins.")
    return rows[:MOST_METHODS]


def _key(blockchain: str, currency: str, token_address: str) -> tuple[str, str, str]:
    # Native coins have no contract, which some servers write as zeros.
    contract = token_address.lower()
    return blockchain.upper(), currency.upper(), contract if contract.strip("0x") else ""
