"""The setting PAYRAM: what is read of it, and when."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_payram import conf
from django_payram.conf import Problem, Project
from django_payram.conf.options import OPTIONS, sealed
from tests.conf.helpers import KEY, OTHER_KEY, PLAIN, URL, complaint

# A good setting


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
        allow_http=True,
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
        "SHORTFALL_USD",
        "RATES",
        "ENABLED",
        "ALLOW_HTTP",
        "CUSTOMER_ID_PREFIX",
        "SHOP_NAME",
        "SHOP_URL",
        "CONTACT",
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


def test_the_same_setting_is_read_once(declare):
    declare()
    assert conf.project() is conf.project()


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


# The whole setting


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
    said = Problem(
        "E001",
        "PAYRAM['default'] must be a dict of options.",
        'PAYRAM is a dict of projects: PAYRAM = {"default": {"BASE_URL": ..., "API_KEY": ...}}',
    )
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


# Plain http


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
