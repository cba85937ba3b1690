"""What pyproject.toml promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SHIPPED = [path.lstrip("/") for path in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]]

# The extras that are for shops, and not for those who change the package.
OF_SHOPS = ("celery", "example", "money", "qr", "testing")

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
    """D7. Of all that a shop installs, and of the tools whose records it keeps."""
    oldest = (ROOT / "tox.ini").read_text().partition("[testenv:py310-django52-oldest]")[2].partition("\n[")[0]
    pinned = dict(re.findall(r"^\s*([\w-]+)==([\w.]+)$", oldest, re.MULTILINE))
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *(one for name in OF_SHOPS for one in extras[name])]
    needed += [one for one in extras["test"] if one.startswith(("opentelemetry", "prometheus"))]
    lowest = dict(re.match(r"([\w-]+)(?:\[\w+\])?>=([\w.]+)", one).groups() for one in needed)
    assert {name: Version(version) for name, version in pinned.items()} == {
        name: Version(version) for name, version in lowest.items()
    }


def test_every_supported_python_and_django_has_its_cell():
    cells = (ROOT / "tox.ini").read_text()
    classifiers = PROJECT["classifiers"]
    # The README's command runs on one of them.
    script = (ROOT / ".ci" / "run").read_text()
    for version in (line.rpartition(" ")[2].replace(".", "") for line in classifiers if "Python :: 3." in line):
        assert f"py{version}-django" in cells or f"python{version}()" in script
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
    """F103: a demonstration's database holds the hash of an administrator's password."""
    assert shipped & set(LEFT) == set()


@pytest.fixture
def release(tmp_path):
    """A small repository with the script that makes releases; returns what it says, and whether it would go on."""
    environment = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a", "EMAIL": "a@example.com"}

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True)

    def commit(version, changelog, source="https://git.example.com/shop"):
        for name, text in (
            ("CHANGELOG.rst", f"{changelog}\n-----\n"),
            ("__init__.py", f'__version__ = "{version}"\n'),
            ("pyproject.toml", f'[project.urls]\nSource = "{source}"\n'),
        ):
            path = tmp_path / ("django_payram" if name.endswith(".py") else "") / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", version)

    def run(*arguments):
        done = subprocess.run(
            [tmp_path / ".ci" / "release", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release", tmp_path / ".ci" / "release")
    git("init", "-q")
    return SimpleNamespace(git=git, commit=commit, run=run, folder=tmp_path)


def test_a_version_without_its_section_is_not_released(release):
    release.commit("0.2.0", "0.1.0")
    for arguments in ([], ["--dry-run"]):
        code, said = release.run(*arguments)
        assert (code, said) == (1, "No release: __version__ is 0.2.0, and the newest section of the changelog 0.1.0.\n")


def test_what_is_not_committed_is_not_released(release):
    release.commit("0.2.0", "0.2.0")
    (release.folder / "new.py").write_text("")
    assert release.run() == (1, "No release: there are changes that are not committed.\n")


def test_a_version_is_released_once(release):
    release.commit("0.2.0", "0.2.0")
    release.git("tag", "0.2.0")
    assert ".venv/bin/python" in release.run()[1], "it goes on to build, for which this repository has nothing"
    (release.folder / "new.py").write_text("")
    release.git("add", "-A")
    release.git("commit", "-q", "-m", "more")
    assert release.run() == (1, "No release: another commit has the tag 0.2.0.\n")


def test_what_names_no_address_of_its_code_is_not_released(release):
    release.commit("0.2.0", "0.2.0", source="")
    said = "No release: [project.urls] in pyproject.toml has no Source, where readers find the code.\n"
    assert release.run() == (1, said)
