"""How much of a coin is due, and the address as wallets read it. No database, no clock, no settings."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_payram.gateway.payment_methods import PaymentMethod

NETWORK_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "BTC": "Bitcoin",
        "ETH": "Ethereum",
        "TRX": "Tron",
        "BASE": "Base",
        "POLYGON": "Polygon",
        "MATIC": "Polygon",
        "ARB": "Arbitrum One",
        "ARBITRUM": "Arbitrum One",
        "OP": "Optimism",
        "OPTIMISM": "Optimism",
        "BSC": "BNB Smart Chain",
        "AVAX": "Avalanche",
        "SOL": "Solana",
        "LTC": "Litecoin",
        "DOGE": "Dogecoin",
        "TON": "TON",
    }
)
"""What people call the networks that PayRam names by a code."""

EVM_CHAINS: Mapping[str, int] = MappingProxyType({"ETH": 1, "BASE": 8453, "POLYGON": 137})
"""The chain ids of Ethereum's family, as EIP-155 numbers them."""
EVM_COINS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"ETH": frozenset({"ETH"}), "BASE": frozenset({"ETH"}), "POLYGON": frozenset({"POL", "MATIC"})}
)
"""The coin in which fees are paid there."""
EVM_COIN_PLACES = 18

TOKEN_PLACES: Mapping[tuple[str, str], int] = MappingProxyType(
    {(coin, chain): 6 for coin in ("USDC", "USDT") for chain in EVM_CHAINS}
)
"""The decimals of a token's contract. PayRam gives the places that a wallet shows, which need not be the same."""

EVM_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{40}")
NO_CONTRACT = frozenset({"", "0x" + 40 * "0"})

MOST_PLACES = 8
"""Nobody types more places, and wallets send these of every coin that has them."""
WIDE = Context(prec=60, rounding=ROUND_UP)


def network_name(blockchain: str) -> str:
    """Return what people call a network, or its code."""
    return NETWORK_NAMES.get(blockchain.upper(), blockchain)


def coin_amount(usd: Decimal, method: PaymentMethod) -> Decimal | None:
    """Return how much of a coin ``usd`` US dollars are, rounded up to what a wallet can send.

    None when PayRam gives no price.
    """
    if not method.price_usd:
        return None
    places = min(method.precision, MOST_PLACES)
    return WIDE.divide(usd, method.price_usd).quantize(Decimal(1).scaleb(-places), context=WIDE)


def wallet_link(method: PaymentMethod, address: str, amount: Decimal | None) -> str:
    """Return the link that a wallet opens with everything filled in; ``""`` where no standard is sure to be right.

    BIP 21 for Bitcoin, EIP-681 for Ethereum's family, Solana Pay, and the scheme of Tron's wallets for its own coin.
    """
    # A test network has the codes of the real one, and a wallet would send real coins.
    if amount is None or not _is_main_network(method):
        return ""
    chain, is_token = method.blockchain.upper(), method.token_address.lower() not in NO_CONTRACT
    written = f"{amount.normalize():f}"
    if chain in EVM_CHAINS:
        return _eip_681(method, address, amount, is_token=is_token)
    if chain == "SOL":
        token = {"spl-token": method.token_address} if is_token else {}
        return f"solana:{quote(address)}?{urlencode({'amount': written, **token})}"
    scheme = {"BTC": "bitcoin", "TRX": "tron"}.get(chain)
    # Tron's scheme knows no tokens: a wallet would send its own coin.
    is_own_coin = method.currency.upper() == chain and not is_token
    return f"{scheme}:{quote(address)}?amount={written}" if scheme and is_own_coin else ""


def _eip_681(method: PaymentMethod, address: str, amount: Decimal, *, is_token: bool) -> str:
    chain = method.blockchain.upper()
    if not is_token:
        is_own_coin = method.currency.upper() in EVM_COINS[chain]
        units = _units(amount, EVM_COIN_PLACES)
        return f"ethereum:{address}@{EVM_CHAINS[chain]}?value={units}" if is_own_coin else ""
    places = TOKEN_PLACES.get((method.currency.upper(), chain))
    if places is None or method.precision > places or not EVM_ADDRESS.fullmatch(method.token_address):
        return ""
    call = urlencode({"address": address, "uint256": _units(amount, places)})
    return f"ethereum:{method.token_address}@{EVM_CHAINS[chain]}/transfer?{call}"


def _units(amount: Decimal, places: int) -> int:
    return int(amount.scaleb(places, context=WIDE))


def _is_main_network(method: PaymentMethod) -> bool:
    chain = method.blockchain.upper()
    return method.network.lower() in {"", "mainnet", chain.lower(), network_name(chain).lower()}
