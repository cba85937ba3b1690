"""The programs of the how-to guides: tox runs them in the software that they are for, here they are read."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, ROOT

EXAMPLES = sorted(path for path in (DOCS / "examples").iterdir() if path.is_dir())
REFERENCE = "".join(page.read_text() for page in (DOCS / "reference").glob("*.rst"))
examples = pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)


@examples
def test_a_program_is_run_by_tox_and_ci_and_shown_on_a_page(folder):
    cells = (ROOT / "tox.ini").read_text()
    assert re.search(rf"^    {folder.name}$", cells, re.MULTILINE)
    shown = re.findall(
        r"^\.\. literalinclude:: \.\./(.+)$", (DOCS / f"howto/{folder.name}.rst").read_text(), re.MULTILINE
    )
    assert {path.split("/")[1] for path in shown} == {folder.name}
    # Not the frame around the program: what other software wants of any shop.
    frame = {"__init__.py", "test_settings.py", "serializers.py"}
    files = {path.relative_to(DOCS).as_posix() for path in folder.rglob("*.py") if path.name not in frame}
    assert files - set(shown) <= {"examples/salesman/shop/models.py"}


@examples
def test_a_program_uses_what_the_reference_describes(folder):
    used = {
        (node.module, alias.name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_payram")
        for alias in node.names
    }
    assert used
    for module, name in used:
        assert re.search(rf"\b{name}\b|automodule:: {module}$", REFERENCE, re.MULTILINE), (module, name)
