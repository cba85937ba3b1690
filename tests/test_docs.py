"""The documentation names tests that exist, and the page on reliability leaves none out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.rst").read_text()
ROWS = re.findall(r"\* - ([FD]\d+)\n +- .+\n +- ``(\w+)\.(\w+)``", RELIABILITY)


def functions(module):
    found = list((ROOT / "tests").rglob(f"{module}.py"))
    assert found, module
    tree = ast.parse(found[0].read_text())
    return {node.name: ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("number", "module", "name"), ROWS)
def test_each_number_is_shown_by_its_test(number, module, name):
    assert re.search(rf"\b{number}\b", functions(module)[name])


def test_no_number_is_left_out():
    assert [row[0] for row in ROWS] == [f"F{number}" for number in range(1, 58)] + [f"D{n}" for n in range(1, 10)]


def test_the_page_on_payram_names_modules_that_exist():
    text = (ROOT / "docs" / "payram.rst").read_text()
    for module in set(re.findall(r"``(test_\w+)``", text)):
        assert (ROOT / "tests" / f"{module}.py").exists(), module


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.rst")), ids=lambda page: page.name)
def test_pages_are_clean(page):
    if page.name != "index.rst":  # its directives are Sphinx's
        docutils.core.publish_doctree(
            page.read_text(), source_path=str(page), settings_overrides={"report_level": 2, "halt_level": 2}
        )
