"""JSON of unknown origin is read strictly or refused with one kind of error, and never takes long."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_payram.exceptions import PayramDataError
from django_payram.gateway.fields import MAX_DEPTH, MAX_DIGITS
from django_payram.gateway.fields import load as loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(10**20), 10**20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def nested(depth, left=b"[", right=b"]"):
    return left * depth + right * depth


# --- what is read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" true ", True),
        (b'"a"', "a"),
        (b"[]", []),
        (b'{"a": {"b": []}}', {"a": {"b": []}}),
        (b'"\\u20ac \xe2\x82\xac"', "€ €"),
        (b'\xef\xbb\xbf{"a": 1}', {"a": Decimal(1)}),
        (b'"\\"[[[["', '"[[[['),
        (b'{"a\\\\": "]"}', {"a\\": "]"}),
    ],
)
def test_json_is_read(body, value):
    assert loads(body) == value


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("0", "0"),
        ("49.99", "49.99"),
        ("0.1", "0.1"),
        ("-5", "-5"),
        ("1e3", "1E+3"),
        ("10.50", "10.50"),
        ("18", "18"),
        ("1E-8", "1E-8"),
    ],
)
def test_every_number_is_a_decimal_as_written(literal, text):
    """F33: a sum never passes through binary fractions."""
    value = loads(literal.encode())
    assert type(value) is Decimal
    assert str(value) == text


@settings(deadline=None)
@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is not JSON: Expecting value at character 0."),
        (b"{", "The body is not JSON: Expecting property name enclosed in double quotes at character 1."),
        (b"[1] 2", "The body is not JSON: Extra data at character 4."),
        (b'"a', "The body is not JSON: Unterminated string starting at at character 0."),
        (b"<html>", "The body is not JSON: Expecting value at character 0."),
        (b"\xff", "The body is not UTF-8 text."),
        (b'{"a": "\xe4"}', "The body is not UTF-8 text."),
        (b"\xff\xfe1\x00", "The body is not UTF-8 text."),
        (b"NaN", "The body holds NaN, which is not a number."),
        (b'{"amount": Infinity}', "The body holds Infinity, which is not a number."),
        (b"[-Infinity]", "The body holds -Infinity, which is not a number."),
        (b'{"a": 1, "a": 2}', "The body gives 'a' twice, with different values."),
        (b'[{"b": {"a": 1, "b": 1, "a": "1"}}]', "The body gives 'a' twice, with different values."),
        (b'{"%s": 1, "%s": 2}' % ((b"k" * 50,) * 2), f"The body gives '{'k' * 40}' twice, with different values."),
    ],
)
def test_anything_else_is_refused_with_a_sentence(body, reason):
    """F12, F33."""
    with pytest.raises(PayramDataError) as caught:
        loads(body)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "literal",
    [
        *("1e9999999999999999999", "-1e-99999999999999999999", "0.1E+99999999999999999999"),
        *("11e9990000", "1e-9990000", "1e1000", "-1e-1000", "0.1e1001"),
    ],
)
def test_an_exponent_that_decimal_cannot_hold_or_compute_with_is_refused(literal):
    """F33: exponent bombs are refused, not raised as an arithmetic error, wherever in the body they stand."""
    with pytest.raises(PayramDataError, match=r"^The body holds a number that is out of range\.$"):
        loads(literal.encode())


@pytest.mark.parametrize("literal", ["1e999", "9.9e999", "-1e-999", "0e0"])
def test_numbers_that_nobody_needs_are_read_as_long_as_they_can_be_computed_with(literal):
    assert loads(literal.encode()) == Decimal(literal)


def test_a_key_given_twice_with_the_same_value_is_read():
    assert loads(b'{"a": 1, "b": 2, "a": 1.0}') == {"a": Decimal(1), "b": Decimal(2)}


def test_numbers_have_at_most_64_characters():
    assert MAX_DIGITS == 64
    longest = "-" + "9" * 63
    assert loads(longest.encode()) == Decimal(longest)
    for literal in ("9" * 65, "0." + "9" * 63):
        with pytest.raises(PayramDataError, match=r"^The body holds a number of more than 64 characters\.$"):
            loads(literal.encode())


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_ends_at_a_depth_of_32(left, right):
    """F12: deep JSON is refused before any reader's recursion meets it."""
    assert MAX_DEPTH == 32
    levels = left.count(b"[") + left.count(b"{")
    assert loads(left * (32 // levels) + b"1" + right * (32 // levels))
    with pytest.raises(PayramDataError, match=r"^The body is nested deeper than 32\.$"):
        loads(b"[" + left * (32 // levels) + b"1" + right * (32 // levels) + b"]")


def test_brackets_that_close_make_room_again():
    assert loads(b"[" + b",".join([nested(31)] * 20) + b"]")
    assert loads(b"[" + b",".join([b'{"a":{}}'] * 40) + b"]")
    with pytest.raises(PayramDataError, match="nested deeper"):
        loads(b"[" + nested(5) + b"," + nested(5, b'{"a":', b"}").replace(b":}", b":1}") + b"," + nested(32) + b"]")


@pytest.mark.parametrize("text", ["[" * 100, '"' + "[" * 100, "\\" + "{" * 100, "[\n" * 100])
def test_brackets_inside_strings_do_not_count(text):
    assert loads(json.dumps(text).encode()) == text


def test_the_deepest_nest_is_refused_without_recursion():
    with pytest.raises(PayramDataError, match="nested deeper"):
        loads(b"[" * 500_000)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 30_000 + b"\\",
        b'"' + b'\\"' * 500_000 + b"\\",
        b'"' * 500_000,
        b"[" + b'"a",' * 250_000,
        b"{" + b"\\" * 500_000,
    ],
    ids=["escapes", "more escapes", "quotes", "strings", "backslashes"],
)
def test_a_hostile_body_costs_no_more_than_its_length(body):
    """Reading takes milliseconds; with a cost that grows by the square it would take minutes."""
    started = time.thread_time()
    with pytest.raises(PayramDataError):
        loads(body)
    assert time.thread_time() - started < 20


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode) | st.text(alphabet='[]{}",:\\ 0123456789eE+-.NaInfity').map(str.encode))
def test_bytes_are_read_or_are_refused(body):
    """F12."""
    with suppress(PayramDataError):
        loads(body)
