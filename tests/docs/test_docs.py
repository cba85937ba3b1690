"""The documentation names tests that exist, and the page on reliability leaves none out."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests import reliability
from tests.docs.pages import NAMES, PAGES, tree

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "docs" / "security.rst").read_text()
THREATS = re.findall(
    r"^   \* - (.+(?:\n {5}\S.*)*)\n     - .+(?:\n {7}\S.*)*\n     - (``.+(?:\n {7}\S.*)*)", SECURITY, re.MULTILINE
)
NAMED = sorted(
    {tuple(name.split(".")) for _threat, named in THREATS for name in re.findall(r"``([\w/]+\.\w+)``", named)}
)

# What the field calls send, receive, update, check, claim, API version and ledger has these names, and no others.
OTHER_WORDS = r"\b(?:told|heard|hears|knocks?|roads?|vintages?|books|comes? round|hand(?:s|ed)? on|dialects?)\b"

# What a page on the security of payments must not leave out.
KNOWN = (
    "Static key in the same request as its signature",
    "Key that can pay out",
    "Replay",
    "Forged FILLED",
    "Leaked logs",
    "SSRF",
    "Open redirect",
    "Enumeration",
    "Header injection",
    "CSV injection",
    "Stored XSS in tickers, addresses, hashes",
    "Very many",
    "Clickjacking",
    "CSRF",
    "Debug pages",
    "JSON bombs",
    "dripping",
    "cache that answers for another buyer",
    "planted session",
    "Forged lines in a log",
    "ReDoS",
    "may do too much",
    "Dependencies",
)


@functools.cache
def functions(module):
    tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text())
    return {node.name: ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_page_on_reliability_names_the_tests_of_each_fault():
    """``python -m tests.reliability`` writes them."""
    assert reliability.PAGE.read_text() == reliability.written(reliability.PAGE.read_text())


def test_every_fault_on_the_page_has_a_test_and_every_fault_of_a_test_is_on_the_page():
    on_the_page = [number for _text, number in reliability.ROW.findall(reliability.PAGE.read_text())]
    assert set(on_the_page) == set(reliability.tests_by_fault())
    assert on_the_page == sorted(on_the_page, key=lambda number: (number[0] == "D", int(number[1:])))


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_each_defence_is_shown_by_a_test_that_exists(module, name):
    assert name.startswith("test_")
    assert name in functions(module)


def test_every_threat_has_its_defence_and_its_test():
    assert len(THREATS) == len(re.findall(r"^   \* - (?!threat$)", SECURITY, re.MULTILINE)) > 50
    assert len(re.findall(r"``(?:\w+/)?test_\w+\.", SECURITY)) == sum(
        len(re.findall(r"``(?:\w+/)?test_", named)) for _t, named in THREATS
    )
    threats = "\n".join(threat for threat, _named in THREATS)
    assert [known for known in KNOWN if known not in threats] == []


def test_the_page_on_payram_names_modules_that_exist():
    text = (ROOT / "docs" / "payram.rst").read_text()
    for module in set(re.findall(r"``((?:\w+/)?test_\w+)``", text)):
        assert (ROOT / "tests" / f"{module}.py").exists(), module


@pytest.mark.parametrize("name", [name for name in NAMES if name != "index.rst"])  # its includes stop in mid-file
def test_pages_are_clean(name):
    tree(f"docs/{name}")


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.rst", ROOT / "CHANGELOG.rst"], ids=lambda path: path.name)
def test_pages_use_the_words_of_the_field(path):
    text = re.sub(r"``[^`]+``", "", path.read_text())
    assert re.findall(OTHER_WORDS, text, re.IGNORECASE) == []
