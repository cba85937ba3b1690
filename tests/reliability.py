"""Writes the tests of each fault into docs/reliability.rst: ``python -m tests.reliability``.

A test names a fault by its number (F1, D1) in its docstring. The page's sentences are written by hand.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.rst"
ROW = re.compile(r"(   \* - ([FD]\d+)\n     - (?:.+\n(?:       .+\n)*))     - (?:.+\n(?:       .+\n)*)")


def tests_by_fault():
    """Return the names of the tests of each fault, as the page writes them."""
    found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = path.relative_to(ROOT / "tests").with_suffix("").as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in re.findall(r"\b[FD]\d+\b", ast.get_docstring(node) or ""):
                    found[number].append(f"{module}.{node.name}")
    return found


def written(page):
    """Return the page with the tests that there are now."""
    tests = tests_by_fault()

    def row(match):
        names = ",\n       ".join(f"``{name}``" for name in tests[match[2]])
        return f"{match[1]}     - {names}\n"

    return ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
