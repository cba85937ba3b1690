"""How much of a coin is due, and the links that wallets open."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_payram.gateway.payment_methods import PaymentMethod
from django_payram.payments.quotes import Offer
from django_payram.payments.wallets import coin_amount, wallet_link

MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
CONTRACT = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
ADDRESS = "0x" + "5" * 40
DUE = Decimal("49.99")


def method(code, **facts):
    currency, blockchain = code.split("-")
    usual = {"network": "mainnet", "family": "", "token_address": "", "standard": "", "precision": 6}
    return PaymentMethod(blockchain, currency, **{**usual, "price_usd": Decimal(1), **facts})


@pytest.mark.parametrize(
    ("way", "link"),
    [
        (method("SOL-SOL"), f"solana:{ADDRESS}?amount=49.99"),
        (method("USDC-SOL", token_address=MINT), f"solana:{ADDRESS}?amount=49.99&spl-token={MINT}"),
        (method("ETH-BASE"), f"ethereum:{ADDRESS}@8453?value=49990000000000000000"),
        (method("POL-POLYGON"), f"ethereum:{ADDRESS}@137?value=49990000000000000000"),
        (
            method("USDC-BASE", token_address=CONTRACT),
            f"ethereum:{CONTRACT}@8453/transfer?address={ADDRESS}&uint256=49990000",
        ),
        (method("BTC-BTC"), f"bitcoin:{ADDRESS}?amount=49.99"),
        (method("TRX-TRX"), f"tron:{ADDRESS}?amount=49.99"),
    ],
    ids=lambda given: getattr(given, "code", None),
)
def test_a_wallet_opens_the_standard_form_of_each_network(way, link):
    assert wallet_link(way, ADDRESS, DUE) == link


@pytest.mark.parametrize(
    "code", ["USDC-SOL", "USDC-ETH", "ETH-POLYGON", "MATIC-ETH", "USDT-TRX", "ETH-BTC", "DOGE-DOGE"]
)
def test_no_link_sends_the_coin_of_a_network_in_place_of_another(code):
    """A wallet that is given no contract sends the network's own coin."""
    assert wallet_link(method(code), ADDRESS, DUE) == ""


@pytest.mark.parametrize("network", ["Sepolia", "testnet", ""])
def test_no_link_opens_where_the_network_may_be_one_for_tests(network):
    assert wallet_link(method("ETH-ETH", network=network), ADDRESS, DUE) == ""


def test_a_network_for_tests_is_named():
    offer = Offer(method("ETH-ETH", network="Sepolia"), DUE)
    assert offer.network == "Ethereum (Sepolia)"
    for network in ("", "ETH", "Ethereum", "Mainnet"):
        assert replace(offer, method=method("ETH-ETH", network=network)).network == "Ethereum"


@pytest.mark.parametrize(("precision", "price"), [(0, "96000"), (2, "96000"), (4, "96000"), (0, "1000000000")])
def test_no_amount_is_shown_that_rounding_makes_much_more_than_is_due(precision, price):
    assert coin_amount(DUE, method("BTC-BTC", precision=precision, price_usd=Decimal(price))) is None


@pytest.mark.parametrize(
    ("due", "precision", "price", "amount"),
    [
        ("49.99", 8, "96000", "0.00052073"),
        ("0.01", 8, "96000", "0.00000011"),
        ("49.99", 2, "1", "49.99"),
        ("49.99", 6, "0.9998", "50"),
        ("100000000", 18, "0.25", "400000000"),
        ("0.01", 18, "1000000", "0.00000001"),
    ],
)
def test_the_amount_is_rounded_up_to_what_a_wallet_sends(due, precision, price, amount):
    coin = method("XYZ-ETH", precision=precision, price_usd=Decimal(price))
    assert coin_amount(Decimal(due), coin) == Decimal(amount)


@given(
    st.decimals("0.01", "9999999999999", places=2),
    st.decimals("0.00000001", "10000000", places=8),
    st.integers(0, 18),
)
def test_whoever_sends_the_amount_has_paid_it_and_hardly_more(due, price, precision):
    coins = coin_amount(due, method("XYZ-ETH", precision=precision, price_usd=price))
    step = Fraction(1, 10 ** min(precision, 8))
    # Decimal computes with 28 digits, fewer than such an amount may have.
    assert coins is None or Fraction(coins) - step < Fraction(due) / Fraction(price) <= Fraction(coins)
