"""Coins due, and what wallets open."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_payram.gateway.payment_methods import PaymentMethod
from django_payram.payments.wallets import coin_amount, network_name, wallet_link

EVM, TOKEN = "0x" + "2" * 40, "0x" + "3" * 40
BTC, TRON, SOLANA = "bc1q" + "q" * 38, "T" + "6" * 33, "S" * 44


def method(blockchain="BTC", currency=None, *, network="", token="", precision=8, price="1"):
    price_usd = None if price is None else Decimal(price)
    return PaymentMethod(blockchain, currency or blockchain, network, "", token, "", precision, price_usd)


@pytest.mark.parametrize(
    ("usd", "price", "precision", "coins"),
    [
        ("49.99", "1", 6, "49.990000"),
        ("49.99", "1.0001", 6, "49.985002"),
        ("49.99", "96000", 8, "0.00052073"),
        ("49.99", "3700", 18, "0.01351082"),
        ("10", "3", 2, "3.34"),
        ("10", "3", 0, "4"),
        ("0.01", "96000", 8, "0.00000011"),
        ("0.000001", "96000", 8, "0.00000001"),
    ],
)
def test_what_is_due_is_rounded_up_to_what_a_wallet_sends(usd, price, precision, coins):
    assert coin_amount(Decimal(usd), method(price=price, precision=precision)) == Decimal(coins)


@given(
    st.decimals("0.01", "9999999999999", places=2),
    st.decimals("0.00000001", "10000000", places=8),
    st.integers(0, 18),
)
def test_whoever_sends_the_amount_has_paid_it_and_hardly_more(usd, price, precision):
    coins = coin_amount(usd, method(price=price, precision=precision))
    step = Decimal(1).scaleb(-min(precision, 8))
    assert coins * price >= usd
    assert (coins - step) * price < usd


def test_without_a_price_nothing_is_due_in_coins():
    assert coin_amount(Decimal(1), method(price=None)) is None


@pytest.mark.parametrize(
    ("way", "address", "amount", "link"),
    [
        (method(), BTC, "0.0005", f"bitcoin:{BTC}?amount=0.0005"),
        (method(network="Bitcoin"), BTC, "20", f"bitcoin:{BTC}?amount=20"),
        (method("ETH"), EVM, "0.01351082", f"ethereum:{EVM}@1?value=13510820000000000"),
        (method("BASE", "ETH"), EVM, "1", f"ethereum:{EVM}@8453?value=1000000000000000000"),
        (method("POLYGON", "POL"), EVM, "2", f"ethereum:{EVM}@137?value=2000000000000000000"),
        (
            method("ETH", "USDC", token=TOKEN, precision=6),
            EVM,
            "49.99",
            f"ethereum:{TOKEN}@1/transfer?address={EVM}&uint256=49990000",
        ),
        (
            method("POLYGON", "USDT", network="polygon", token=TOKEN, precision=2),
            EVM,
            "49.99",
            f"ethereum:{TOKEN}@137/transfer?address={EVM}&uint256=49990000",
        ),
        (method("TRX"), TRON, "58", f"tron:{TRON}?amount=58"),
        (method("SOL"), SOLANA, "0.5", f"solana:{SOLANA}?amount=0.5"),
        (method("SOL", "USDC", token="M" * 44), SOLANA, "5", f"solana:{SOLANA}?amount=5&spl-token={'M' * 44}"),
    ],
)
def test_a_wallet_gets_what_its_standard_says(way, address, amount, link):
    assert wallet_link(way, address, Decimal(amount)) == link


@pytest.mark.parametrize(
    ("way", "address"),
    [
        # A token on Tron: the scheme knows Tron's own coin alone.
        (method("TRX", "USDT", token=TRON), TRON),
        # A test network under the code of the real one.
        (method("ETH", network="Sepolia"), EVM),
        (method("BTC", network="testnet"), BTC),
        # Decimals that nobody knows for sure.
        (method("ETH", "DAI", token=TOKEN, precision=18), EVM),
        (method("BSC", "USDT", token=TOKEN, precision=18), EVM),
        (method("ETH", "USDC", token=TOKEN, precision=8), EVM),
        # A token without a contract of the right form, and a coin that is not the chain's own.
        (method("ETH", "USDC", token="0x12", precision=6), EVM),
        (method("ETH", "USDC", precision=6), EVM),
        (method("POLYGON", "ETH"), EVM),
        (method("BTC", "RUNES"), BTC),
        (method("DOGE"), "D" * 34),
    ],
)
def test_where_no_standard_is_sure_there_is_no_link(way, address):
    assert wallet_link(way, address, Decimal(1)) == ""


def test_without_an_amount_there_is_no_link():
    assert wallet_link(method(), BTC, None) == ""


@pytest.mark.parametrize(
    ("code", "name"), [("ETH", "Ethereum"), ("trx", "Tron"), ("BASE", "Base"), ("NEW", "NEW"), ("", "")]
)
def test_networks_have_names(code, name):
    assert network_name(code) == name
