"""Coins, prices and addresses, as PayRam's servers write them."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_payram.conf import project
from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.gateway.client import client_for
from django_payram.gateway.payment_methods import PaymentMethod, price_of, read_address, read_methods, read_prices
from django_payram.payments import open_payment

EVM, CONTRACT = "0x" + "2" * 40, "0x" + "3" * 40
ROW = {
    "blockchainCode": "ETH",
    "network": "Ethereum",
    "currencyCode": "USDC",
    "currency": "USD Coin",
    "customerAddress": "",
    "tokenAddress": CONTRACT,
    "standard": "ERC20",
    "walletPrecision": 6,
    "family": "ETH_Family",
    "recommended": True,
}


def methods(*rows):
    return read_methods(json.dumps(rows).encode())


def test_a_way_to_pay_is_read():
    (found,) = methods(ROW)
    assert found == PaymentMethod("ETH", "USDC", "Ethereum", "ETH_Family", CONTRACT, "ERC20", 6)
    assert found.code == "USDC-ETH"


@pytest.mark.parametrize(
    "change",
    [
        {"walletPrecision": None},
        {"walletPrecision": 19},
        {"blockchainCode": ""},
        {"blockchainCode": None},
        {"currencyCode": ""},
        {"currencyCode": "USDC-ETH"},
        {"currencyCode": "<script>"},
    ],
)
def test_one_that_lacks_what_sending_needs_is_left_out(change):
    assert [method.code for method in methods({**ROW, **change}, {**ROW, "currencyCode": "USDT"})] == ["USDT-ETH"]


@pytest.mark.parametrize("read", [read_methods, read_prices])
@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b"7", b'"x"', b"[1]", b"[[]]"])
def test_what_is_no_list_of_coins_is_refused(read, body):
    with pytest.raises(PayramDataError):
        read(body)


def test_places_that_are_no_count_are_refused():
    with pytest.raises(PayramDataError):
        methods({**ROW, "walletPrecision": -1})


def test_a_price_is_found_by_chain_coin_and_contract():
    row = {"blockchainCode": "ETH", "currencyCode": "USDC", "tokenAddress": CONTRACT, "price": "1.0"}
    native = {"blockchainCode": "ETH", "currencyCode": "ETH", "tokenAddress": "0x" + "0" * 40, "price": 3700}
    prices = read_prices(json.dumps([row, native]).encode())
    (usdc,) = methods({**ROW, "tokenAddress": CONTRACT.upper().replace("X", "x")})
    assert price_of(usdc, prices) == Decimal(1)
    (ether,) = methods({**ROW, "currencyCode": "ETH", "tokenAddress": ""})
    assert price_of(ether, prices) == Decimal(3700)
    # A token that calls itself by the same name is another one.
    (other,) = methods({**ROW, "tokenAddress": "0x" + "4" * 40})
    assert price_of(other, prices) is None


@pytest.mark.parametrize("price", ["0", 0, None, "", "0.000"])
def test_a_coin_without_a_price_has_none(price):
    row = {"blockchainCode": "ETH", "currencyCode": "USDC", "tokenAddress": CONTRACT, "price": price}
    assert read_prices(json.dumps([row]).encode()) == {}


@pytest.mark.parametrize("price", ["-1", "NaN", "1e99999", "a"])
def test_a_price_that_is_no_number_is_refused(price):
    with pytest.raises(PayramDataError):
        read_prices(json.dumps([{**ROW, "price": price}]).encode())


@pytest.mark.parametrize("name", ["Address", "address", "depositAddress", "deposit_address"])
def test_an_address_is_read_under_every_spelling(name):
    assert read_address(json.dumps({name: EVM, "Status": "active"}).encode(), family="ETH_Family") == EVM


@pytest.mark.parametrize(
    ("family", "address"),
    [
        ("ETH_Family", EVM[:-1]),
        ("ETH_Family", EVM + "2"),
        ("ETH_Family", "T" + "6" * 33),
        ("ETH_Family", ""),
        ("TRX_Family", EVM),
        ("TRX_Family", "T" + "0" * 33),
        ("BTC_Family", EVM),
        ("BTC_Family", "bc1q" + "b" * 38),
        ("SOL_Family", "short"),
        ("SOL_Family", "javascript:alert(1)//aaaaaaaa"),
        ("", "x" * 129),
    ],
)
def test_an_address_of_another_form_is_not_shown_to_anybody(family, address):
    with pytest.raises(PayramDataError, match="no deposit address"):
        read_address(json.dumps({"Address": address}).encode(), family=family)


def test_two_addresses_in_one_answer_are_refused():
    body = json.dumps({"Address": EVM, "depositAddress": "0x" + "5" * 40}).encode()
    with pytest.raises(PayramDataError):
        read_address(body, family="ETH_Family")


@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=20))
def test_whatever_arrives_is_read_or_refused(value):
    body = json.dumps(value).encode()
    for read in (read_methods, read_prices, lambda body: read_address(body, family="ETH_Family")):
        with suppress(PayramDataError):
            read(body)


def test_the_client_asks_for_coins_and_prices_and_an_address(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    client = client_for(project())
    found = {method.code: method for method in client.payment_methods(payment.reference)}
    assert found["BTC-BTC"].price_usd == Decimal(96000)
    assert client.assign_address(payment.reference, found["USDC-BASE"]).startswith("0x")
    with pytest.raises((PayramRefused, PayramUnavailable)):
        client.payment_methods("unknown-reference")
