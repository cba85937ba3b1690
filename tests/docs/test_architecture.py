"""The page on the architecture speaks of the code that there is."""

from __future__ import annotations

import importlib
import re
import sys
from operator import attrgetter
from pathlib import Path

import pytest

import django_payram
from django_payram.models import State
from django_payram.payments import open_payment
from tests.test_layers import TIER, TIERS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(django_payram.__file__).parent
TEXT = (ROOT / "docs" / "architecture.rst").read_text()
PICTURES = (ROOT / "docs" / "how_it_works.rst").read_text()

LITERALS = sorted(set(re.findall(r"``([^`]+)``", TEXT + PICTURES)))
NAMES = [name for name in LITERALS if re.fullmatch(r"\w+(\.\w+)+", name) and not name.endswith(".py")]
FILES = [name for name in LITERALS if re.fullmatch(r"[\w/*]+(\.py|/)|[a-z]+/[\w/]+", name)]


def section(title):
    """Return the text of a section of the page."""
    return re.search(rf"^{title}\n=+\n(.*?)(?=^[^\n]+\n=+\n|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def resolve(name):
    """Return what a dotted name below the package stands for: a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["django_payram", *parts[:end]]))
        except ModuleNotFoundError:
            continue
        return attrgetter(".".join(parts[end:]))(found) if parts[end:] else found
    raise LookupError(name)


STEPS = re.split(r"^\d+\. ", section("The way of a webhook").partition("The other ways")[0], flags=re.MULTILINE)[1:]


def names(text):
    return re.findall(r"``(\w+(?:\.\w+)+)``", text)


def callable_code(name):
    """Return the code of a function, None for a class."""
    return getattr(resolve(name), "__code__", None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "draft.wanted"])
def test_every_function_that_is_named_exists(name):
    assert name.partition(".")[0] in TIER
    assert resolve(name) is not None


def test_the_way_of_a_webhook_names_a_function_at_each_step():
    assert len(STEPS) == 10
    assert all(names(step) for step in STEPS[:-1])


@pytest.mark.django_db
@pytest.mark.usefixtures("listener")
def test_a_webhook_goes_through_these_functions_in_this_order(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    expected = [name for step in STEPS[:3] + STEPS[4:-1] for name in names(step) if callable_code(name)]
    codes = {callable_code(name): name for name in expected}
    called = []

    def note(frame, event, _argument):
        name = codes.get(frame.f_code)
        if event == "call" and name is not None and name not in called:
            called.append(name)

    sys.setprofile(note)
    try:
        assert payram.pay(payment).is_paid
    finally:
        sys.setprofile(None)
    assert called == expected
    assert len(called) > 12


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_named_exists(name):
    folder = ROOT if name.startswith(("tests/", "django_payram/")) else PACKAGE
    assert list(folder.glob(name.rstrip("/"))) or list((PACKAGE / "templates").glob(name.removeprefix("templates/")))


def test_the_table_has_every_package_and_every_module_in_the_order_of_the_imports():
    rows = re.findall(r"^((?:``\w+`` ?)+) +(\S.*(?:\n +.*|\n(?=\n +\*))*)", section("The packages"), re.MULTILINE)
    listed = [re.findall(r"\w+", names) for names, _text in rows]
    assert {name for names in listed for name in names} == set().union(*TIERS)
    tiers = [TIER[name] for names in listed for name in names]
    assert tiers == sorted(tiers)
    for names, text in zip(listed, (text for _names, text in rows), strict=True):
        if names[0] in ("models", "conf", "gateway", "personal_data", "payments", "polling"):
            modules = {path.stem for path in (PACKAGE / names[0]).glob("*.py")} - {"__init__"}
            assert modules <= set(re.findall(r"``(\w+)``", text)), names[0]


def test_the_diagram_has_the_states_in_the_order_of_their_rank():
    (line,) = re.findall(r"^ +(CREATING ──> .*)$", PICTURES, re.MULTILINE)
    assert line.split(" ──> ") == list(State)
