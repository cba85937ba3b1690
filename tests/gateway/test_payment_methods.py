"""What PayRam says of how a payment can be paid, by servers that say it oddly."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from django_payram.conf import project
from django_payram.exceptions import PayramDataError, PayramRefused
from django_payram.gateway.client import client_for
from django_payram.gateway.payment_methods import price_of, read_address, read_methods, read_prices
from django_payram.payments import open_payment

BITCOIN = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
TRON = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
ETHEREUM = "0x" + "5" * 40
SOLANA = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"


def row(code="USDC-BASE", **given):
    currency, blockchain = code.split("-")
    names = {"blockchainCode": blockchain, "currencyCode": currency, "network": "Base", "family": "ETH_Family"}
    return {**names, "tokenAddress": "0x" + "3" * 40, "standard": "ERC20", "walletPrecision": 6, **given}


def methods(*rows):
    return read_methods(json.dumps(rows).encode())


def prices(*rows):
    return read_prices(json.dumps(rows).encode())


def address(given, family="ETH_Family", blockchain="BASE"):
    (method,) = methods(row(family=family))
    return read_address(json.dumps(given).encode(), replace(method, blockchain=blockchain))


@pytest.mark.parametrize(
    "odd",
    [
        {"walletPrecision": "six"},
        {"walletPrecision": 19},
        {"walletPrecision": None},
        {"walletPrecision": -1},
        {"currencyCode": ["USDC"]},
        {"currencyCode": "<b>"},
        {"currencyCode": "U" * 21},
        {"blockchainCode": ""},
        {"tokenAddress": " 0x" + "3" * 40},
        {"tokenAddress": "a" * 129},
        {"tokenAddress": {}},
    ],
)
def test_a_coin_that_cannot_be_read_is_left_out_and_no_other(odd):
    """A contract that is dropped or cut would make another coin of it."""
    assert [method.code for method in methods(row(**odd), row("ETH-ETH"))] == ["ETH-ETH"]


def test_of_two_coins_with_one_code_the_first_is_offered():
    """A choice names a code, and would mean either."""
    (method,) = methods(row(), row(tokenAddress="0x" + "4" * 40))
    assert method.token_address == "0x" + "3" * 40


@pytest.mark.parametrize("price", ["N/A", "-1", "0", "", None, "NaN", [], "1e-30", "1e30"])
def test_a_price_that_cannot_be_one_is_missing_and_no_other(price):
    first, second = methods(row(), row("ETH-ETH"))
    read = prices(row(price=price), row("ETH-ETH", price="3700.5"))
    assert (price_of(first, read), price_of(second, read)) == (None, Decimal("3700.5"))


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'"a"', b"null", b"[[]]", b"<html>", b""])
def test_what_is_no_list_of_coins_is_refused(body):
    for read in (read_methods, read_prices):
        with pytest.raises(PayramDataError):
            read(body)


@pytest.mark.parametrize(
    ("given", "family", "blockchain"),
    [
        ({"Address": ETHEREUM, "Family": "ETH_Family"}, "ETH_Family", "BASE"),
        ({"depositAddress": ETHEREUM}, "eth_family", "BASE"),
        ({"Address": BITCOIN, "Family": "BTC_Family"}, "BTC_Family", "BTC"),
        ({"Address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}, "BTC_Family", "BTC"),
        ({"Address": TRON}, "TRX_Family", "TRX"),
        ({"Address": SOLANA, "Family": "SOL_Family"}, "SOL_Family", "SOL"),
        ({"Address": ETHEREUM, "Family": "ETH_Family"}, "", "ETH"),
    ],
)
def test_the_address_of_the_network_is_taken(given, family, blockchain):
    assert address(given, family, blockchain) in given.values()


@pytest.mark.parametrize(
    ("given", "family", "blockchain"),
    [
        ({"Address": TRON}, "BTC_Family", "BTC"),
        ({"Address": BITCOIN}, "TRX_Family", "TRX"),
        ({"Address": BITCOIN}, "ETH_Family", "BASE"),
        ({"Address": BITCOIN}, "", "ETH"),
        ({"Address": BITCOIN, "Family": "BTC_Family"}, "SOL_Family", "SOL"),
        ({"Address": ETHEREUM, "depositAddress": ETHEREUM[:-1] + "6"}, "ETH_Family", "BASE"),
        ({"Address": ETHEREUM + "?value=1"}, "ETH_Family", "BASE"),
        ({"Address": ""}, "SOL_Family", "SOL"),
        ({"Address": "javascript:alert(1)//" + "a" * 30}, "SOL_Family", "SOL"),
        ({}, "ETH_Family", "BASE"),
        ([], "ETH_Family", "BASE"),
        (None, "ETH_Family", "BASE"),
    ],
)
def test_an_address_of_another_network_is_refused(given, family, blockchain):
    with pytest.raises(PayramDataError):
        address(given, family, blockchain)


@given_any(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=20))
def test_whatever_arrives_is_read_or_refused(value):
    body = json.dumps(value).encode()
    for read in (read_methods, read_prices, lambda _body: address(value)):
        with suppress(PayramDataError):
            read(body)


def test_the_client_asks_for_coins_with_prices_and_for_an_address(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    client = client_for(project())
    found = {method.code: method for method in client.payment_methods(payment.reference)}
    assert found["BTC-BTC"].price_usd == Decimal(96000)
    assert client.assign_address(payment.reference, found["USDC-BASE"]).startswith("0x")
    with pytest.raises(PayramRefused):
        client.payment_methods("unknown-reference")
