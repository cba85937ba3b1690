"""The setting PAYRAM: what it may say, and how it complains."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_payram import conf
from django_payram.conf import OPTIONS, Problem, Project
from django_payram.models import CRASHED_AFTER
from django_payram.options import LONGEST_DEADLINE, sealed

KEY = "00112233445566778899aabbccddeeff"
OTHER_KEY = "ffeeddccbbaa99887766554433221100"
URL = "https://pay.example.com"
PLAIN = {"BASE_URL": URL, "API_KEY": KEY}


@pytest.fixture
def declare(settings):
    """Write one project named ``default`` into the setting."""

    def write(**options):
        settings.PAYRAM = {"default": {**PLAIN, **options}}

    return write


def complaint(name="default"):
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.project(name)
    return str(caught.value)


# --- a good setting --------------------------------------------------------------------------


def test_two_options_are_enough_and_the_rest_has_defaults(declare):
    declare()
    assert conf.project() == Project(
        name="default",
        base_url=URL,
        api_keys=(KEY,),
        webhook_keys=(),
        confirm_webhooks=True,
        require_signature=False,
        timeout=(5, 15),
        deadline=30,
        checkout_hosts=(),
        shortfall_percent=3,
        enabled=True,
        customer_id_prefix="",
    )


def test_every_option_is_read(settings):
    settings.PAYRAM = {
        "eu": {
            "BASE_URL": "http://10.0.0.5:8080/payram/",
            "API_KEY": [KEY, "a" * 32],
            "WEBHOOK_KEYS": (OTHER_KEY,),
            "CONFIRM_WEBHOOKS": False,
            "REQUIRE_SIGNATURE": True,
            "TIMEOUT": [0.5, 600],
            "DEADLINE": 12.5,
            "CHECKOUT_HOSTS": ["Checkout.Example.com"],
            "SHORTFALL_PERCENT": 0.5,
            "ENABLED": False,
            "ALLOW_HTTP": True,
            "CUSTOMER_ID_PREFIX": "staging-",
        }
    }
    assert conf.project("eu") == Project(
        name="eu",
        base_url="http://10.0.0.5:8080/payram",
        api_keys=(KEY, "a" * 32),
        webhook_keys=(OTHER_KEY,),
        confirm_webhooks=False,
        require_signature=True,
        timeout=(0.5, 600),
        deadline=12.5,
        checkout_hosts=("checkout.example.com",),
        shortfall_percent=0.5,
        enabled=False,
        customer_id_prefix="staging-",
    )
    assert list(conf.problems()) == []


def test_the_options_are_these():
    assert list(OPTIONS) == [
        "BASE_URL",
        "API_KEY",
        "WEBHOOK_KEYS",
        "CONFIRM_WEBHOOKS",
        "REQUIRE_SIGNATURE",
        "TIMEOUT",
        "DEADLINE",
        "CHECKOUT_HOSTS",
        "SHORTFALL_PERCENT",
        "ENABLED",
        "ALLOW_HTTP",
        "CUSTOMER_ID_PREFIX",
    ]
    with pytest.raises(TypeError):
        OPTIONS["NEW"] = OPTIONS["ENABLED"]


def test_the_first_key_signs_and_every_key_is_accepted(declare):
    """F41: a key is rotated in mid-payment."""
    declare(API_KEY=[KEY, OTHER_KEY], WEBHOOK_KEYS=["w" * 32])
    assert conf.project().api_key == KEY
    assert conf.project().accepted_keys == (KEY, OTHER_KEY, "w" * 32)


@pytest.mark.parametrize(
    ("base_url", "host"),
    [(URL, "pay.example.com"), ("https://PAY.example.com:8443/x", "pay.example.com"), ("http://[::1]:80", "::1")],
)
def test_a_project_knows_its_host(declare, base_url, host):
    declare(BASE_URL=base_url)
    assert conf.project().host == host


def test_a_project_shows_no_key_and_cannot_be_changed(declare):
    """F42."""
    declare(WEBHOOK_KEYS=[OTHER_KEY])
    project = conf.project()
    assert repr(project).startswith("Project(name='default', base_url='https://pay.example.com', confirm_webhooks=")
    assert KEY not in repr(project)
    assert OTHER_KEY not in repr(project)
    assert repr(project.accepted_keys) == "('[key]', '[key]')"
    with pytest.raises(FrozenInstanceError):
        project.enabled = False


def test_every_key_of_the_setting_is_sealed_and_nothing_else_is_changed():
    """F42: error reports print what frames hold."""
    options = {**PLAIN, "API_KEY": KEY, "WEBHOOK_KEYS": [OTHER_KEY, (KEY,), 7]}
    read = sealed({"default": options})
    assert read == {"default": {**options, "WEBHOOK_KEYS": [OTHER_KEY, [KEY], 7]}}
    assert KEY not in repr(read)
    assert OTHER_KEY not in repr(read)
    assert PLAIN["BASE_URL"] in repr(read)


@pytest.mark.parametrize("setting", [None, "text", [KEY]])
def test_a_setting_that_is_no_dict_is_left_as_it_is(setting):
    assert sealed(setting) is setting


def test_the_setting_is_read_late(declare):
    declare()
    assert conf.project().enabled
    declare(ENABLED=False)
    assert not conf.project().enabled


def test_an_unchanged_setting_is_read_once(declare):
    declare()
    first = conf.project()
    declare()
    assert conf.project() is first


def test_a_change_in_place_is_seen(settings):
    settings.PAYRAM = {"default": {**PLAIN, "API_KEY": [KEY]}}
    assert conf.project().enabled
    settings.PAYRAM["default"]["ENABLED"] = False
    assert not conf.project().enabled
    settings.PAYRAM["default"]["API_KEY"].append(OTHER_KEY)
    assert conf.project().api_keys == (KEY, OTHER_KEY)
    del settings.PAYRAM["default"]["ENABLED"]
    assert conf.project().enabled


@pytest.mark.parametrize(
    ("right", "wrong"), [({"ENABLED": True}, {"ENABLED": 1}), ({"DEADLINE": 1}, {"DEADLINE": True})]
)
def test_values_that_are_equal_and_not_the_same_are_read_anew(declare, right, wrong):
    declare(**right)
    conf.project()
    declare(**wrong)
    assert next(iter(wrong)) in complaint()
    declare(**right)
    conf.project()


def test_projects_come_in_the_order_of_the_setting(settings):
    settings.PAYRAM = {name: {**PLAIN, "API_KEY": name * 20} for name in "zab"}
    assert [project.name for project in conf.projects()] == ["z", "a", "b"]
    assert conf.projects()[1] == conf.project("a")


def test_projects_stop_at_the_first_that_cannot_be_used(settings):
    settings.PAYRAM = {"good": PLAIN, "bad": {"BASE_URL": URL}}
    with pytest.raises(ImproperlyConfigured, match=r"PAYRAM\['bad'\]\['API_KEY'\]"):
        conf.projects()
    assert conf.project("good").name == "good"


# --- the whole setting ---------------------------------------------------------------------


def test_a_missing_setting_is_named(settings):
    del settings.PAYRAM
    assert complaint() == "The setting PAYRAM is missing."
    hint = "Add PAYRAM to your settings, as the README shows."
    assert list(conf.problems()) == [Problem("E001", "The setting PAYRAM is missing.", hint)]


@pytest.mark.parametrize("value", [{}, [], "default", [PLAIN], 5])
def test_anything_but_a_dict_of_projects_is_refused(settings, value):
    settings.PAYRAM = value
    said = "The setting PAYRAM must be a dict with at least one project."
    assert complaint() == said
    assert list(conf.problems()) == [Problem("E001", said, "Add PAYRAM to your settings, as the README shows.")]


def test_an_unknown_project_is_answered_with_the_known_ones(settings):
    settings.PAYRAM = {"us": PLAIN, "eu": PLAIN}
    assert complaint() == "PAYRAM has no project 'default'. It has: eu, us."
    assert complaint("uk") == "PAYRAM has no project 'uk'. It has: eu, us."


@pytest.mark.parametrize("name", ["", "x" * 65, 5, None])
def test_a_project_needs_a_name(settings, name):
    settings.PAYRAM = {name: PLAIN}
    (problem,) = conf.problems()
    assert problem == Problem(
        "E001", f"PAYRAM[{name!r}] is not a name.", "Name projects with strings of up to 64 characters."
    )
    assert complaint(name) == f"{problem.message} {problem.hint}"


@pytest.mark.parametrize("name", ["x", "x" * 64])
def test_a_name_has_up_to_64_characters(settings, name):
    settings.PAYRAM = {name: PLAIN}
    assert list(conf.problems()) == []
    assert conf.project(name).name == name


@pytest.mark.parametrize("options", [None, "https://pay.example.com", [("BASE_URL", URL)]])
def test_a_project_is_a_dict_of_options(settings, options):
    settings.PAYRAM = {"default": options}
    said = Problem("E001", "PAYRAM['default'] must be a dict of options.", "See the README for the options.")
    assert list(conf.problems()) == [said]
    assert complaint() == f"{said.message} {said.hint}"


def test_an_unknown_option_is_answered_with_the_known_ones(declare):
    declare(API_KEYS=[KEY], api_key=KEY)
    one, other = conf.problems()
    assert one.message == "PAYRAM['default'] has the unknown option 'API_KEYS'."
    assert other.message == "PAYRAM['default'] has the unknown option 'api_key'."
    assert {one.check, other.check} == {"E002"}
    assert one.hint == other.hint == f"Options are: {', '.join(OPTIONS)}."
    assert complaint() == f"{one.message} {one.hint}"


def test_an_option_that_is_not_even_text_is_unknown(settings):
    settings.PAYRAM = {"default": {**PLAIN, 5: True}}
    assert [problem.message for problem in conf.problems()] == ["PAYRAM['default'] has the unknown option '5'."]


# --- the options -----------------------------------------------------------------------------

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


# --- plain http ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"ALLOW_HTTP": False}])
@pytest.mark.parametrize("base_url", ["http://pay.example.com", "http://10.0.0.5:8080", "http://localhost.example"])
def test_plain_http_beyond_this_machine_is_refused(declare, base_url, options):
    declare(BASE_URL=base_url, **options)
    said = Problem(
        "E003",
        "PAYRAM['default']['BASE_URL'] uses http, which shows the key to everyone on the way.",
        "Use https, or set ALLOW_HTTP to True for a network you trust.",
    )
    assert list(conf.problems()) == [said]
    assert complaint() == f"{said.message} {said.hint}"


@pytest.mark.parametrize("base_url", ["http://localhost", "http://127.0.0.1:8080", "http://[::1]:8080/x"])
def test_plain_http_on_this_machine_is_fine(declare, base_url):
    declare(BASE_URL=base_url)
    assert list(conf.problems()) == []


def test_plain_http_can_be_allowed_by_true_alone(declare):
    declare(BASE_URL="http://pay.example.com", ALLOW_HTTP=True)
    assert list(conf.problems()) == []
    declare(BASE_URL="http://pay.example.com", ALLOW_HTTP=1)
    assert [problem.check for problem in conf.problems()] == ["E005", "E003"]


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/x", True),
        ("https://127.0.0.1", True),
        ("http://[::1]", True),
        ("https://pay.example.com", False),
        ("localhost", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_a_url_is_local_when_its_host_is_this_machine(url, local):
    assert conf.is_local(url) is local


def test_a_broken_http_address_is_both_unreadable_and_plain(declare):
    declare(BASE_URL="http://[pay")
    assert [problem.check for problem in conf.problems()] == ["E003", "E003"]


# --- keys --------------------------------------------------------------------------------------


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
    assert conf.redact(text) == "[key], [key], [key]; [key][key] a 7 None"


@pytest.mark.parametrize("around", ["{}0123", "0123{}", "x{}x"])
def test_of_a_key_that_holds_another_one_nothing_stays_behind(declare, around):
    longer = around.format(KEY)
    declare(API_KEY=[KEY, longer])
    assert conf.redact(f"{longer} {KEY}") == "[key] [key]"


def test_strangers_are_quoted_on_one_line_without_keys_and_cut_last(declare):
    declare()
    assert conf.quoted(f"a\r\nb\x00{KEY}\u2028c", 100) == "a  b [key] c"
    assert conf.quoted(f"said {KEY}", 8) == "said [ke"


def test_the_names_are_those_of_all_projects_usable_or_not(settings):
    settings.PAYRAM = {"eu": PLAIN, 5: None}
    assert conf.names() == ["eu", "5"]
    del settings.PAYRAM
    assert conf.names() == []


def test_without_a_setting_there_is_nothing_to_take_out(settings):
    del settings.PAYRAM
    assert conf.redact(f"text {KEY}") == f"text {KEY}"


@pytest.mark.parametrize(("key", "kept"), [("shop", True), ("a" * 15, True), ("a" * 16, False)])
def test_a_body_that_has_yet_to_be_read_keeps_words_that_happen_to_be_a_short_key(settings, key, kept):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": key}}
    body = f'{{"customerID": "{key}.order:1"}}'.encode()
    assert (conf.redact_bytes(body) == body) is kept
    assert key not in conf.redact(body.decode())


def test_no_call_lasts_until_its_attempt_counts_as_crashed():
    assert CRASHED_AFTER.total_seconds() > LONGEST_DEADLINE


def test_a_key_that_holds_another_one_is_cut_out_whole(settings):
    inner, outer = "key-of-sixteen-letters", "a-key-of-sixteen-letters-more"
    settings.PAYRAM = {
        "default": {"BASE_URL": "https://pay.example.com", "API_KEY": inner},
        "second": {"BASE_URL": "https://pay.example.com", "API_KEY": outer},
    }
    assert conf.redact(f"<{outer}> <{inner}>") == "<[key]> <[key]>"


def test_a_key_of_one_letter_is_cut_out_as_well(settings):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": "#"}}
    assert conf.redact("a#b") == "a[key]b"
