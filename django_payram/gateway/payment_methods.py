"""How a payment can be paid without PayRam's own page: coins with their networks, prices and addresses.

Documented in PayRam's API reference, November 2025, under "Blockchain currencies of a payment", "Deposit address" and
"Ticker". Servers before that do not know these calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from django_payram.exceptions import PayramDataError
from django_payram.gateway.fields import load, read_count, read_number, read_plain, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_METHODS = 200
"""More ways to pay are not read: nobody would choose from them."""
MOST_PLACES = 18

LEAST_PRICE, MOST_PRICE = Decimal("1e-15"), Decimal("1e12")
"""No coin costs less or more US dollars; amounts at such a price would be nonsense, or have too many digits."""

LONGEST_CODE, LONGEST_ADDRESS = 20, 128
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]{0,19}")

# What an address of a family looks like. Its checksum is not computed: PayRam has made it, and wallets check it.
# Bitcoin's old form would be Tron's as well, but begins with no T.
ADDRESSES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "ETH": re.compile(r"0x[0-9A-Fa-f]{40}"),
        "TRX": re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}"),
        "BTC": re.compile(r"[A-Za-z]{2,4}1[02-9ac-hj-np-z]{11,87}|(?!T)[1-9A-HJ-NP-Za-km-z]{26,35}"),
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

    One that lacks what is needed to be sent money by, or says it oddly, is left out; and so is a second one of the same
    code, because a choice would mean either.
    """
    found: dict[str, PaymentMethod] = {}
    for row in _rows(body):
        method = _method(row)
        if method is not None:
            found.setdefault(method.code, method)
    return list(found.values())


def read_prices(body: bytes) -> Prices:
    """Read what coins cost. Raises PayramDataError when it is not a list.

    A price that cannot be one is left out, as one that PayRam does not say.
    """
    return dict(found for row in _rows(body) if (found := _price(row)) is not None)


def price_of(method: PaymentMethod, prices: Prices) -> Decimal | None:
    """Return what a coin costs, None when PayRam does not say."""
    return prices.get(_key(method.blockchain, method.currency, method.token_address))


def read_address(body: bytes, method: PaymentMethod) -> str:
    """Read the address that was assigned. Raises PayramDataError when it is not one of the coin's network."""
    value = load(body)
    fields = value if isinstance(value, dict) else {}
    address = read_plain(fields, "address", LONGEST_ADDRESS + 1)
    asked, answered = _family(method.family), _family(read_plain(fields, "family", 2 * LONGEST_CODE))
    form = ADDRESSES.get(asked or method.blockchain.upper(), ANY_ADDRESS)
    if not form.fullmatch(address) or (asked and answered and asked != answered):
        raise PayramDataError("PayRam gave no deposit address of the network that was chosen.")
    return address


def _rows(body: bytes) -> list[dict[str, object]]:
    rows = load(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PayramDataError("PayRam's answer is not a list of coins.")
    return rows[:MOST_METHODS]


def _method(row: Mapping[str, object]) -> PaymentMethod | None:
    try:
        precision, contract = read_count(row, "wallet_precision"), value_of(row, "token_address")
        method = PaymentMethod(
            blockchain=read_plain(row, "blockchain_code", LONGEST_CODE + 1),
            currency=read_plain(row, "currency_code", LONGEST_CODE + 1),
            network=read_plain(row, "network", 2 * LONGEST_CODE),
            family=read_plain(row, "family", 2 * LONGEST_CODE),
            token_address=read_plain(row, "token_address", LONGEST_ADDRESS + 1),
            standard=read_plain(row, "standard", LONGEST_CODE),
            precision=MOST_PLACES + 1 if precision is None else precision,
        )
    except PayramDataError:
        return None
    # A contract that was dropped or cut would make another coin of it.
    is_whole = bool(method.token_address) == bool(contract) and len(method.token_address) <= LONGEST_ADDRESS
    is_named = CODE.fullmatch(method.blockchain) and CODE.fullmatch(method.currency)
    return method if is_whole and is_named and method.precision <= MOST_PLACES else None


def _price(row: Mapping[str, object]) -> tuple[tuple[str, str, str], Decimal] | None:
    try:
        price = read_number(row, "price")
        key = _key(
            read_plain(row, "blockchain_code", LONGEST_CODE),
            read_plain(row, "currency_code", LONGEST_CODE),
            read_plain(row, "token_address", LONGEST_ADDRESS),
        )
    except PayramDataError:
        return None
    return (key, price) if price is not None and LEAST_PRICE <= price <= MOST_PRICE else None


def _family(name: str) -> str:
    return name.upper().removesuffix("_FAMILY")


def _key(blockchain: str, currency: str, token_address: str) -> tuple[str, str, str]:
    # Native coins have no contract, which some servers write as zeros.
    contract = token_address.lower()
    return blockchain.upper(), currency.upper(), contract if contract.strip("0x") else ""
