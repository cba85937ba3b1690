"""The options of a project: right values are used, wrong ones are refused in the same words everywhere."""

from __future__ import annotations

import pytest

from django_payram import conf
from django_payram.conf import Problem
from tests.conf.helpers import KEY, URL, complaint

NO_ADDRESS = "must be the address of your PayRam server, such as https://pay.example.com"


NO_HOST = "must start with https:// and name a host"


TOO_MUCH = "must not hold a user name, a query or a fragment"


BLANK = "holds a blank key, which would match nothing"


NO_KEY = "holds a key with white space around it or characters that no key has"


NO_KEYS = "must be a string, or a list of strings during a rotation"


NO_FLAG = "must be True or False"


NO_SECONDS = "must be a number of seconds above 0 and up to 600"


NO_DEADLINE = "must be a number of seconds above 0 and up to 50"


NO_PAIR = "must be a pair of seconds: connect, read"


NO_HOSTS = "must hold host names only, without scheme, port and path"


NO_PERCENT = "must be a number from 0 to 100"


NO_PREFIX = "must be a string of up to 32 printable characters"


FLAGS = ("CONFIRM_WEBHOOKS", "REQUIRE_SIGNATURE", "ENABLED", "ALLOW_HTTP")


WRONG = [
    *[("BASE_URL", value, "E003", NO_ADDRESS) for value in (None, "", "  ", 5, b"https://pay.example.com")],
    *[
        ("BASE_URL", value, "E003", "is not a web address")
        for value in ("https://[pay", "https://pay:99999", URL + ":x")
    ],
    *[
        ("BASE_URL", value, "E003", NO_HOST)
        for value in ("pay.example.com", "ftp://pay.example.com", "https://", "https:pay", f" {URL}", f"{URL} ", "/x")
    ],
    *[("BASE_URL", value, "E003", NO_HOST) for value in ("HTTP://pay.example.com", "Https://pay.example.com")],
    *[
        ("BASE_URL", value, "E003", TOO_MUCH)
        for value in ("https://me@pay.example.com", "https://@pay.example.com", f"{URL}?a=b", f"{URL}#a")
    ],
    *[("BASE_URL", value, "E003", TOO_MUCH) for value in (f"{URL}?", f"{URL}/#")],
    *[
        ("BASE_URL", URL + path, "E003", "must not end with /api/v1, which is added to it")
        for path in ("/api/v1", "/api/v1/", "/payram/api/v1")
    ],
    *[("API_KEY", value, "E004", BLANK) for value in (None, "", " ", [""], [KEY, "\t"], [None], [5])],
    ("API_KEY", [], "E004", "is an empty list, so PayRam cannot be asked"),
    *[("API_KEY", value, "E004", NO_KEYS) for value in (5, {KEY}, {"a": KEY}, KEY.encode())],
    *[
        ("API_KEY", value, "E004", NO_KEY)
        for value in (f" {KEY}", f"{KEY}\n", "schl\xfcssel", "a\x00b", [KEY, "a\x7f"])
    ],
    *[("WEBHOOK_KEYS", value, "E004", BLANK) for value in ("", [" "])],
    *[("WEBHOOK_KEYS", value, "E004", NO_KEYS) for value in (None, 5)],
    ("WEBHOOK_KEYS", [f"{KEY} "], "E004", NO_KEY),
    *[(flag, value, "E005", NO_FLAG) for flag in FLAGS for value in (None, 1, 0, "True")],
    *[
        ("DEADLINE", value, "E005", NO_DEADLINE)
        for value in (None, 0, -1, 50.1, 600, True, "30", float("nan"), float("inf"))
    ],
    *[("TIMEOUT", value, "E005", NO_PAIR) for value in (None, 5, (5,), (5, 5, 5), "55", {5, 15})],
    *[("TIMEOUT", value, "E005", NO_SECONDS) for value in ((0, 15), (5, 0), (5, 601), (601, 5), ("5", 15), (5, True))],
    *[("CHECKOUT_HOSTS", value, "E005", "must be a list of host names") for value in (None, "pay.example.com", {"a"})],
    *[
        ("CHECKOUT_HOSTS", value, "E005", NO_HOSTS)
        for value in ([URL], ["pay.example.com:443"], ["pay.example.com/x"], ["a", ""], [5])
    ],
    *[
        ("SHORTFALL_PERCENT", value, "E005", NO_PERCENT)
        for value in (None, -0.1, 100.1, True, "3", float("nan"), float("inf"))
    ],
    *[("CUSTOMER_ID_PREFIX", value, "E005", NO_PREFIX) for value in (None, 5, "x" * 33, "a\nb")],
]


@pytest.mark.parametrize(("option", "value", "check", "said"), WRONG)
def test_a_wrong_value_is_refused_by_check_and_use_in_the_same_words(declare, option, value, check, said):
    declare(**{option: value})
    message = f"PAYRAM['default']['{option}'] {said}."
    hint = f"Correct {option} in your settings."
    assert list(conf.problems()) == [Problem(check, message, hint)]
    assert complaint() == f"{message} {hint}"


RIGHT = [
    ("BASE_URL", "https://pay.example.com:8443", "base_url", "https://pay.example.com:8443"),
    ("BASE_URL", "https://pay.example.com///", "base_url", "https://pay.example.com"),
    ("BASE_URL", "https://pay.example.com/api/v1beta", "base_url", "https://pay.example.com/api/v1beta"),
    ("BASE_URL", "https://pay.example.com/api/v1X", "base_url", "https://pay.example.com/api/v1X"),
    ("BASE_URL", "https://127.0.0.1", "base_url", "https://127.0.0.1"),
    ("API_KEY", (KEY,), "api_keys", (KEY,)),
    ("API_KEY", "a b~!", "api_keys", ("a b~!",)),
    ("WEBHOOK_KEYS", KEY, "webhook_keys", (KEY,)),
    ("WEBHOOK_KEYS", (), "webhook_keys", ()),
    ("TIMEOUT", (600, 0.001), "timeout", (600, 0.001)),
    ("DEADLINE", 50, "deadline", 50),
    ("DEADLINE", 0.1, "deadline", 0.1),
    ("CHECKOUT_HOSTS", ("A.example", "b.example"), "checkout_hosts", ("a.example", "b.example")),
    ("SHORTFALL_PERCENT", 0, "shortfall_percent", 0),
    ("SHORTFALL_PERCENT", 100, "shortfall_percent", 100),
    ("SHORTFALL_PERCENT", 99.9, "shortfall_percent", 99.9),
    ("CUSTOMER_ID_PREFIX", "x" * 32, "customer_id_prefix", "x" * 32),
    ("CUSTOMER_ID_PREFIX", "é ", "customer_id_prefix", "é "),
    *[(flag, value, flag.lower(), value) for flag in FLAGS[:3] for value in (True, False)],
]


@pytest.mark.parametrize(("option", "value", "name", "used"), RIGHT)
def test_a_right_value_is_used(declare, option, value, name, used):
    declare(**{option: value})
    assert list(conf.problems()) == []
    assert getattr(conf.project(), name) == used


def test_every_problem_of_every_project_is_listed(settings):
    settings.PAYRAM = {
        "a": {"BASE_URL": "x", "API_KEY": "", "ENABLED": 1, "NEW": 1},
        "b": {"BASE_URL": URL},
        "c": 5,
    }
    assert [(problem.check, problem.message[:11]) for problem in conf.problems()] == [
        ("E002", "PAYRAM['a']"),
        ("E003", "PAYRAM['a']"),
        ("E004", "PAYRAM['a']"),
        ("E005", "PAYRAM['a']"),
        ("E004", "PAYRAM['b']"),
        ("E001", "PAYRAM['c']"),
    ]
