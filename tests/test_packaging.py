"""What pyproject.toml promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SHIPPED = [path.lstrip("/") for path in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]]

# What a developer's work leaves in the folders that are shipped.
LEFT = (
    "example_project/db.sqlite3",
    "example_project/db.sqlite3-wal",
    "example_project/sandbox.json",
    "example_project/staticfiles/django_payram/status.js",
    "django_payram/__pycache__/urls.cpython-312.pyc",
    "docs/_build/index.html",
    "docs/examples/salesman/db.sqlite3",
    "tests/screenshots/status.png",
    "benchmarks/.coverage.1",
)


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


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Build the source distribution in a folder that somebody has worked in, and return the names of its files."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*SHIPPED, "pyproject.toml", ".gitignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for name in LEFT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left behind")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", "dist"], cwd=folder, check=True)
    (archive,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as files:
        return {name.partition("/")[2] for name in files.getnames()}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_source_distribution_contains_what_it_names(shipped, name):
    assert name in shipped or any(file.startswith(f"{name}/") for file in shipped)


def test_the_source_distribution_contains_every_file_of_the_package(shipped):
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "django_payram").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= shipped


def test_what_work_leaves_behind_is_not_shipped(shipped):
    """A demonstration's database holds the hash of an administrator's password."""
    assert shipped & set(LEFT) == set()
