"""Keys: none is shared by two projects, and none is shown."""

from __future__ import annotations

import pytest

from django_payram import conf
from django_payram.conf import Problem
from django_payram.conf.options import LONGEST_DEADLINE
from django_payram.gateway.redaction import quoted, redact, redact_bytes
from django_payram.models import CRASHED_AFTER
from tests.conf.helpers import KEY, OTHER_KEY, PLAIN, URL


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"API_KEY": KEY}, {"API_KEY": KEY}),
        ({"API_KEY": [OTHER_KEY, KEY]}, {"API_KEY": "x" * 32, "WEBHOOK_KEYS": [KEY]}),
        ({"API_KEY": OTHER_KEY, "WEBHOOK_KEYS": KEY}, {"API_KEY": (KEY,)}),
    ],
)
def test_a_key_that_two_projects_share_is_refused(settings, one, other):
    """F48: the key decides the project."""
    settings.PAYRAM = {"eu": {"BASE_URL": URL, **one}, "us": {"BASE_URL": URL, **other}}
    assert list(conf.problems()) == [
        Problem(
            "E006",
            "PAYRAM['eu'] and PAYRAM['us'] share a key.",
            "Give each project its own key: the key tells which project a webhook belongs to.",
        )
    ]


def test_one_project_may_repeat_its_key_and_two_may_differ(settings):
    settings.PAYRAM = {
        "eu": {"BASE_URL": URL, "API_KEY": [KEY, KEY], "WEBHOOK_KEYS": [KEY]},
        "us": {"BASE_URL": URL, "API_KEY": OTHER_KEY},
    }
    assert list(conf.problems()) == []


def test_blank_keys_are_not_shared(settings):
    settings.PAYRAM = {name: {"BASE_URL": URL, "API_KEY": ["", " ", 5]} for name in ("eu", "us")}
    assert {problem.check for problem in conf.problems()} == {"E004"}


def test_every_key_is_taken_out_of_a_text(settings):
    settings.PAYRAM = {
        "eu": {"BASE_URL": URL, "API_KEY": [KEY, "a" * 20], "WEBHOOK_KEYS": "w" * 20},
        "us": {"API_KEY": (OTHER_KEY,)},
        "broken": 5,
        "odd": {"API_KEY": 7, "WEBHOOK_KEYS": ["", " ", None]},
    }
    text = f"{KEY}, {'a' * 20}, {'w' * 20}; {OTHER_KEY}{OTHER_KEY} a 7 None"
    assert redact(text) == "[key], [key], [key]; [key][key] a 7 None"


@pytest.mark.parametrize("around", ["{}0123", "0123{}", "x{}x"])
def test_of_a_key_that_holds_another_one_nothing_stays_behind(declare, around):
    longer = around.format(KEY)
    declare(API_KEY=[KEY, longer])
    assert redact(f"{longer} {KEY}") == "[key] [key]"


def test_the_words_of_others_are_quoted_on_one_line_without_keys_and_cut_last(declare):
    declare()
    assert quoted(f"a\r\nb\x00{KEY}\u2028c", 100) == "a  b [key] c"
    assert quoted(f"said {KEY}", 8) == "said [ke"


def test_the_names_are_those_of_all_projects_usable_or_not(settings):
    settings.PAYRAM = {"eu": PLAIN, 5: None}
    assert conf.names() == ["eu", "5"]
    del settings.PAYRAM
    assert conf.names() == []


def test_without_a_setting_there_is_nothing_to_take_out(settings):
    del settings.PAYRAM
    assert redact(f"text {KEY}") == f"text {KEY}"


@pytest.mark.parametrize(("key", "kept"), [("shop", True), ("a" * 15, True), ("a" * 16, False)])
def test_a_body_that_has_yet_to_be_read_keeps_words_that_happen_to_be_a_short_key(settings, key, kept):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": key}}
    body = f'{{"customerID": "{key}.order:1"}}'.encode()
    assert (redact_bytes(body) == body) is kept
    assert key not in redact(body.decode())


def test_no_call_lasts_until_its_attempt_counts_as_crashed():
    assert CRASHED_AFTER.total_seconds() > LONGEST_DEADLINE


def test_a_key_that_holds_another_one_is_cut_out_whole(settings):
    inner, outer = "key-of-sixteen-letters", "a-key-of-sixteen-letters-more"
    settings.PAYRAM = {
        "default": {"BASE_URL": "https://pay.example.com", "API_KEY": inner},
        "second": {"BASE_URL": "https://pay.example.com", "API_KEY": outer},
    }
    assert redact(f"<{outer}> <{inner}>") == "<[key]> <[key]>"


def test_a_key_of_one_letter_is_cut_out_as_well(settings):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": "#"}}
    assert redact("a#b") == "a[key]b"
