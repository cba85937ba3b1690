"""Sums and counts in PayRam's JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_payram.exceptions import PayramDataError
from tests.gateway.payload_helpers import webhook

# Numbers


@pytest.mark.parametrize("written", [49.99, "49.99", "49.990", "4999e-2", "4.999E+1"])
def test_a_sum_is_read_from_number_or_text(written):
    assert webhook(filled_amount_in_usd=written).filled_usd == Decimal("49.99")


@pytest.mark.parametrize("written", [None, ""])
def test_null_and_blank_mean_unknown_and_zero_means_zero(written):
    assert webhook(filled_amount_in_usd=written).filled_usd is None
    assert webhook(filled_amount_in_usd=0).filled_usd == 0
    assert webhook(filled_amount_in_usd="0").filled_usd == 0


@pytest.mark.parametrize(
    "written",
    [
        "abc",
        " 5",
        "5 ",
        "+5",
        "1,000.00",
        "0x10",
        "NaN",
        "Infinity",
        "sNaN",
        "1_000",
        ".5",
        "5.",
        "1e100",
        "1" * 41,
        "0." + "1" * 41,
        "5\n",
        "\u0664\u0669",
        "\uff15",
        True,
        False,
        [],
        {},
    ],
)
@pytest.mark.parametrize("name", ["filled_amount", "filled_amount_in_usd", "amount_in_usd", "confirmation_current"])
def test_what_is_not_plainly_a_number_is_refused(name, written):
    """F33."""
    with pytest.raises(PayramDataError, match=f"^The field {name} is not a number\\.$"):
        webhook(**{name: written})


@pytest.mark.parametrize("written", [-1, "-0.01", "-1e-40"])
@pytest.mark.parametrize("name", ["filled_amount", "filled_amount_in_usd", "amount_in_usd", "confirmation_current"])
def test_a_negative_number_is_refused(name, written):
    """F33."""
    with pytest.raises(PayramDataError, match=f"^The field {name} is negative\\.$"):
        webhook(**{name: written})


def test_the_longest_numbers_that_are_read():
    assert webhook(filled_amount="0" * 39 + "5." + "0" * 40 + "e+00").filled_amount == 5
    assert webhook(filled_amount="1e-99").filled_amount == 0
    assert webhook(filled_amount="-0").filled_amount == 0


@pytest.mark.parametrize(
    ("name", "limit"), [("filled_amount_in_usd", 10**15), ("amount_in_usd", 10**15), ("filled_amount", 10**18)]
)
def test_an_amount_that_no_column_holds_is_refused(name, limit):
    field = {"filled_amount_in_usd": "filled_usd", "amount_in_usd": "requested_usd"}.get(name, name)
    assert getattr(webhook(**{name: limit - 1}), field) == limit - 1
    for written in (limit, f"{limit}.01", "1e90"):
        with pytest.raises(PayramDataError, match=f"^The field {name} is too large to be an amount\\.$"):
            webhook(**{name: written})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("49.99", "49.99000000"),
        ("0.123456789", "0.12345678"),
        ("0.999999999", "0.99999999"),
        ("12345678.12345678", "12345678.12345670"),
        ("999999999999999.9", "999999999999999.00000000"),
        ("12345678901234.99", "12345678901234.90000000"),
        ("0.000000009", "0E-8"),
    ],
)
def test_dollars_have_15_digits_and_8_places_rounded_down(written, read):
    assert str(webhook(filled_amount_in_usd=written).filled_usd) == read
    assert str(webhook(amount_in_usd=written).requested_usd) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.013512", "0.013512000000000000"),
        ("0.1234567890123456789", "0.123456789012345678"),
        ("123456789012345678.1234567890123456789", "123456789012345678.123456789012345678"),
        ("999999999999999999.9999999999999999999", "999999999999999999.999999999999999999"),
        ("0.0000000000000000009", "0E-18"),
    ],
)
def test_coins_have_18_places_rounded_down(written, read):
    assert str(webhook(filled_amount=written).filled_amount) == read


@pytest.mark.parametrize(("written", "read"), [(0, 0), (12, 12), ("7", 7), (3.0, 3), ("1e3", 1000), (1_000_000, 10**6)])
def test_a_count_is_a_whole_number(written, read):
    update = webhook(confirmation_current=written, confirmation_required=written)
    assert (update.confirmations, update.confirmations_required) == (read, read)
    assert type(update.confirmations) is int


@pytest.mark.parametrize("written", [0.5, "11.999", 1_000_001, "1e9", "1e99"])
@pytest.mark.parametrize("name", ["confirmation_current", "confirmation_required"])
def test_anything_else_is_no_count(name, written):
    with pytest.raises(PayramDataError, match=f"^The field {name} is not a count\\.$"):
        webhook(**{name: written})


# Units


@pytest.mark.parametrize("currency", ["USD", "usd", "Usd"])
def test_amounts_in_usd_are_dollars_and_no_coin(currency):
    update = webhook(currency=currency, amount="49.99", filled_amount="20")
    assert (update.requested_usd, update.filled_usd) == (Decimal("49.99"), Decimal(20))
    assert (update.filled_amount, update.currency) == (Decimal(20), "")


@pytest.mark.parametrize("currency", ["USDC", "USDT", "ETH", None, "US"])
def test_amounts_of_another_unit_are_never_dollars(currency):
    """F32: an amount whose unit is not sure cannot be compared with ours."""
    update = webhook(currency=currency, amount="49.99", filled_amount="20")
    assert (update.requested_usd, update.filled_usd) == (None, None)
    assert (update.filled_amount, update.currency) == (Decimal(20), currency or "")


def test_a_sum_that_is_named_in_dollars_counts_before_one_that_is_only_labelled():
    update = webhook(currency="USD", amount="1", amount_in_usd="2", filled_amount="3", filled_amount_in_usd="0")
    assert (update.requested_usd, update.filled_usd, update.filled_amount) == (2, 0, 3)


def test_an_amount_without_use_is_not_even_read():
    assert webhook(currency="ETH", amount="?").requested_usd is None


# What is on the chain


@pytest.mark.parametrize(
    ("given", "on_chain"),
    [
        ({}, False),
        ({"confirmation_current": 0, "confirmation_required": 0}, False),
        ({"confirmation_current": 1}, True),
        ({"confirmation_required": 12}, True),
        ({"status": "VERIFYING"}, True),
        ({"status": "verifying"}, True),
        ({"status": "OPEN"}, False),
        ({"payment_info": []}, False),
        ({"payment_info": {}}, False),
        ({"payment_info": None}, False),
        ({"payment_info": [{"transaction_hash": "0xaaaa"}]}, True),
        ({"payment_info": {"transaction_hash": "0xaaaa"}}, True),
        ({"paymentInfo": [{"transaction_hash": "0xaaaa"}]}, True),
    ],
)
def test_money_is_on_the_chain_when_a_transaction_or_confirmations_are_named(given, on_chain):
    assert webhook(**given).on_chain is on_chain
