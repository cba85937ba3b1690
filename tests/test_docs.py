"""The documentation names tests that exist, and the page on reliability leaves none out."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.rst").read_text()
ROWS = {
    number: re.findall(r"``(\w+)\.(\w+)``", named)
    for number, named in re.findall(r"\* - ([FD]\d+)\n +- .+\n +- (``.+``(?:,\n +``.+``)*)", RELIABILITY)
}


SECURITY = (ROOT / "docs" / "security.rst").read_text()
THREATS = re.findall(
    r"^   \* - (.+(?:\n {5}\S.*)*)\n     - .+(?:\n {7}\S.*)*\n     - (``.+(?:\n {7}\S.*)*)", SECURITY, re.MULTILINE
)
NAMED = sorted({tuple(name.split(".")) for _threat, named in THREATS for name in re.findall(r"``(\w+\.\w+)``", named)})

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
    "A storm of",
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
    found = list((ROOT / "tests").rglob(f"{module}.py"))
    assert found, module
    tree = ast.parse(found[0].read_text())
    return {node.name: ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("number", ROWS)
def test_each_number_has_the_tests_that_name_it(number):
    named = {
        (path.stem, name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name, about in functions(path.stem).items()
        if name.startswith("test_") and re.search(rf"\b{number}\b", about)
    }
    assert set(ROWS[number]) == named


def test_no_number_is_left_out():
    assert list(ROWS) == [f"F{number}" for number in range(1, 58)] + [f"D{n}" for n in range(1, 10)]


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_each_defence_is_shown_by_a_test_that_exists(module, name):
    assert name.startswith("test_")
    assert name in functions(module)


def test_every_threat_has_its_defence_and_its_test():
    assert len(THREATS) == len(re.findall(r"^   \* - (?!threat$)", SECURITY, re.MULTILINE)) > 50
    assert len(re.findall(r"``test_\w+\.", SECURITY)) == sum(len(re.findall("``test_", named)) for _t, named in THREATS)
    threats = "\n".join(threat for threat, _named in THREATS)
    assert [known for known in KNOWN if known not in threats] == []


def test_the_page_on_mutants_counts_right_and_names_every_survivor():
    text, survivors = (ROOT / "docs" / "mutation.rst").read_text().split("The survivors\n")
    rows = [(int(of), int(noticed)) for of, noticed in re.findall(r"^``[\w.]+`` +(\d+) +(\d+) ", text, re.MULTILINE)]
    total, killed = map(int, re.search(r"^all +(\d+) +(\d+) ", text, re.MULTILINE).groups())
    assert (sum(of for of, _noticed in rows), sum(noticed for _of, noticed in rows)) == (total, killed)
    assert all(noticed >= 0.9 * of for of, noticed in rows)
    names = re.findall(r"``[\w.]+``((?:\s+\d+)+)", survivors)
    assert sum(len(numbers.split()) for numbers in names) == total - killed


def test_the_page_on_payram_names_modules_that_exist():
    text = (ROOT / "docs" / "payram.rst").read_text()
    for module in set(re.findall(r"``(test_\w+)``", text)):
        assert (ROOT / "tests" / f"{module}.py").exists(), module


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.rst")), ids=lambda path: path.name)
def test_pages_are_clean(path):
    if path.name != "index.rst":  # its directives are Sphinx's
        docutils.core.publish_doctree(
            path.read_text(), source_path=str(path), settings_overrides={"report_level": 2, "halt_level": 2}
        )
