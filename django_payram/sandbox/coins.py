"""The coins and chains of the pretend market: fixed prices, made-up addresses."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

HEX = "0123456789abcdef"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

MOST_PLACES = 8
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Family:
    """Chains that share the form of their addresses; ``token_standard`` is the kind of their contracts."""

    prefix: str
    alphabet: str
    length: int
    hash_prefix: str
    token_standard: str = ""


@dataclass(frozen=True)
class Coin:
    """One coin on one network; ``price`` is in USD for one whole coin."""

    currency: str
    currency_name: str
    network: str
    network_name: str
    family: str
    decimals: int
    price: Decimal
    contract: str

    @property
    def code(self) -> str:
        """How the payment page's form names this coin: ``USDC-BASE``."""
        return f"{self.currency}-{self.network}"

    @property
    def standard(self) -> str:
        """What kind of coin it is: ``ERC20``, ``TRC20``, or its own ticker when it is the chain's native coin."""
        is_native = self.contract in {"", NO_CONTRACT}
        return self.currency if is_native else FAMILIES[self.family].token_standard


FAMILIES = {
    "BTC_Family": Family("bc1q", BECH32, 38, ""),
    "ETH_Family": Family("0x", HEX, 40, "0x", "ERC20"),
    "TRX_Family": Family("T", BASE58, 33, "", "TRC20"),
}

NO_CONTRACT = "0x0000000000000000000000000000000000000000"
ETH_PRICE = Decimal(3700)
DOLLAR = Decimal(1)

COINS = tuple(
    Coin(*row)
    for row in (
        ("USDC", "USD Coin", "ETH", "Ethereum", "ETH_Family", 6, DOLLAR, "0x" + "3" * 40),
        ("USDC", "USD Coin", "BASE", "Base", "ETH_Family", 6, DOLLAR, "0x" + "5" * 40),
        ("USDT", "Tether USD", "ETH", "Ethereum", "ETH_Family", 6, DOLLAR, "0x" + "6" * 40),
        ("USDT", "Tether USD", "TRX", "Tron", "TRX_Family", 6, DOLLAR, "T" + "6" * 33),
        ("ETH", "Ether", "ETH", "Ethereum", "ETH_Family", 18, ETH_PRICE, NO_CONTRACT),
        ("ETH", "Ether", "BASE", "Base", "ETH_Family", 18, ETH_PRICE, NO_CONTRACT),
        ("BTC", "Bitcoin", "BTC", "Bitcoin", "BTC_Family", 8, Decimal(96000), ""),
        ("TRX", "Tron", "TRX", "Tron", "TRX_Family", 6, Decimal("0.25"), ""),
    )
)
BY_CODE = {coin.code: coin for coin in COINS}
FAMILY_OF = {coin.network: coin.family for coin in COINS}
USUAL = COINS[0]


def find_coin(currency: str | None, network: str | None) -> Coin | None:
    """The coin of that pair of tickers, or None when it is not in the table."""
    return BY_CODE.get(f"{currency}-{network}")


def usual_coin(network: str | None) -> Coin:
    """What is sent on a network when nobody says in which coin."""
    return next((coin for coin in COINS if coin.network == network), USUAL)


def coin_amount(usd: Decimal, *, coin: Coin) -> Decimal:
    """What ``usd`` costs in ``coin``, rounded up, so that paying it always suffices."""
    places = min(coin.decimals, MOST_PLACES)
    return (usd / coin.price).quantize(Decimal(1).scaleb(-places), rounding=ROUND_UP)


def worth(amount: Decimal, *, coin: Coin) -> Decimal:
    """What an amount of ``coin`` is worth in USD, to the cent: a sum that was rounded to be sent is still that sum."""
    return (amount * coin.price).quantize(CENT, rounding=ROUND_HALF_UP)


def deposit_address(customer_id: str, *, family: str) -> str:
    """The customer's permanent address on a family of chains.

    The characters come from a hash and carry no valid checksum, so that wallets refuse them:
    nobody can lose real coins to a pretend address.
    """
    form = FAMILIES[family]
    seed = f"{family}:{customer_id}".encode()
    numbers = hashlib.shake_256(seed).digest(form.length)
    letters = "".join(form.alphabet[number % len(form.alphabet)] for number in numbers)
    if form.alphabet == HEX:
        letters = _wrong_checksum(letters)
    return form.prefix + letters


def transaction_hash(family: str) -> str:
    """A made-up hash for a new transaction."""
    return FAMILIES[family].hash_prefix + secrets.token_hex(32)


def _wrong_checksum(letters: str) -> str:
    # Ethereum's checksum is the case of the letters. Cases that merely alternate are wrong in
    # all but a few of a million addresses.
    return "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(letters))
