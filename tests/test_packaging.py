"""What pyproject.toml promises."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_every_dependency_is_bounded_on_both_sides(requirement):
    """D7."""
    assert re.fullmatch(r"[A-Za-z0-9-]+>=[\d.]+,<[\d.]+", requirement)


def test_the_oldest_versions_allowed_are_tested():
    """D7."""
    oldest = (ROOT / "tox.ini").read_text().partition("[testenv:py310-django52-oldest]")[2]
    for requirement in PROJECT["dependencies"]:
        name, lowest = re.match(r"([A-Za-z0-9-]+)>=([\d.]+)", requirement).groups()
        pinned = re.search(rf"^\s*{name}==([\d.]+)$", oldest, re.MULTILINE)[1]
        assert [int(part) for part in pinned.split(".")][: lowest.count(".") + 1] == [
            int(part) for part in lowest.split(".")
        ]


def test_every_supported_python_and_django_has_its_cell():
    cells = (ROOT / "tox.ini").read_text()
    classifiers = PROJECT["classifiers"]
    for version in (line.rpartition(" ")[2] for line in classifiers if "Python :: 3." in line):
        assert f"py{version.replace('.', '')}-django" in cells
    for version in (line.rpartition(" ")[2] for line in classifiers if "Django :: " in line):
        assert version.replace(".", "") in cells
    assert "skip_missing_interpreters = false" in cells
