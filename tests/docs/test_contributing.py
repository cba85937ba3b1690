"""CONTRIBUTING.rst names commands that exist, and SECURITY.rst pages that exist."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest
import yaml

from django_payram import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.rst").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REPOS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = [hook for repo in REPOS for hook in repo["hooks"]]

TREE = docutils.core.publish_doctree(TEXT, settings_overrides={"report_level": 2, "halt_level": 2})
BLOCKS = [line for block in TREE.findall(docutils.nodes.literal_block) for line in block.astext().splitlines()]
COMMANDS = [*BLOCKS, *(literal.astext() for literal in TREE.findall(docutils.nodes.literal))]


def named(pattern):
    """Return what the commands of the page name, where they match."""
    return [match for command in COMMANDS for match in re.findall(pattern, command)]


def programs():
    """Return the programs that come with the extras of the project, by the requirement that brings them."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    required = {
        re.match(r"[\w-]+", line)[0] for name in ("dev", "docs", "mutation", "test", "testing") for line in extras[name]
    }
    return {*required, "python", "pip", "makemigrations"}


def test_every_marker_has_its_command_and_every_command_its_marker():
    markers = {line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    by_name = {marker for marker in markers if "(" not in marker}
    assert set(named(r"pytest -m (\w+)")) == by_name
    assert {marker.partition("(")[0] for marker in markers - by_name} == {"not_in"} <= set(named(r"^\w+$"))


def test_every_stage_of_ci_is_named_and_exists():
    """``.ci/run`` refuses an unknown stage before it installs anything, and names the known ones."""
    run = subprocess.run([ROOT / ".ci" / "run", "lint", "nonsense"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    stages = run.stderr.partition("The stages are: ")[2].split()
    assert sorted(set(named(r"^\.ci/run +(\w+)"))) == sorted(stages)
    script = (ROOT / ".ci" / "run").read_text()
    assert [stage for stage in stages if f"\n{stage}() {{\n" not in script] == []


def test_every_environment_of_tox_that_is_named_exists():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    environments = tox["tox"]["env_list"].split()
    names = {name for found in named(r"tox -e (\S+)") for name in found.split(",")}
    assert {"audit-apps", "oscar", "pretix"} <= names <= set(environments)
    sections = {name for section in tox.sections() for name in re.findall(r"[\w-]+", section.removeprefix("testenv:"))}
    assert names <= sections


def test_every_program_comes_with_the_project():
    used = set(named(r"\.venv/bin/([\w-]+)"))
    assert {"pytest", "tox", "mutmut", "twine", "pre-commit", "python", "pip"} <= used <= programs()
    assert set(named(r'"\.\[(\w+)\]"')) == {"dev", "mutation"} <= set(PYPROJECT["project"]["optional-dependencies"])
    assert set(named(r"python -m ([\w.]+)")) == {
        "venv",
        "tests.reliability",
        "tests.mutation",
        "tests.browser.screenshots",
    }


def test_every_file_that_is_named_exists():
    files = named(r"(?:^| )((?:[\w.]+/)*[\w]+\.(?:py|rst|toml))(?= |$)")
    assert len(files) > 10
    assert [
        name for name in files if not any((folder / name).exists() for folder in (ROOT, ROOT / "django_payram"))
    ] == []


def test_the_example_of_one_test_finds_one():
    (command,) = [command for command in BLOCKS if "-k " in command]
    path, name = re.search(r"pytest (\S+) -k (\w+)", command).groups()
    assert len(re.findall(rf"^def test_\w*{name}\w*\(", (ROOT / path).read_text(), re.MULTILINE)) == 1


def test_the_version_is_the_newest_section_of_the_changelog():
    sections = re.findall(r"^(\d+\.\d+\.\d+)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert sections[0] == __version__


@pytest.mark.parametrize("name", ["CONTRIBUTING.rst", "SECURITY.rst"])
def test_markup_is_clean_and_a_page_of_the_documentation(name):
    text = (ROOT / name).read_text()
    docutils.core.publish_doctree(text, settings_overrides={"report_level": 1, "halt_level": 1})
    pages = [page.stem for page in (ROOT / "docs").glob("*.rst") if f".. include:: ../{name}" in page.read_text()]
    assert len(pages) == 1
    assert f"   {pages[0]}\n" in (ROOT / "docs" / "index.rst").read_text()


def test_the_security_policy_names_pages_and_programs_that_exist():
    text = (ROOT / "SECURITY.rst").read_text()
    named_pages = set(re.findall(r"``(docs/\w+\.rst)``", text))
    assert named_pages == {"docs/security.rst"}
    assert (ROOT / "docs" / "security.rst").exists()
    assert "manage.py payram_doctor" in text


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_of_pre_commit_runs_from_the_environment(hook):
    program = re.fullmatch(r"\.venv/bin/([\w-]+)( .*)?", hook["entry"])[1]
    assert (hook["language"], program in programs()) == ("system", True)


def test_the_hooks_are_what_ci_runs():
    lint = (ROOT / ".ci" / "run").read_text().partition("\nlint() {\n")[2].partition("\n}\n")[0]
    for hook in HOOKS:
        assert hook["entry"].replace(" --force-exclude", "") in lint
    assert {repo["repo"] for repo in REPOS} == {"local"}


def test_the_site_is_built_as_here():
    site = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text())
    assert (ROOT / site["sphinx"]["configuration"]).exists()
    assert site["sphinx"]["fail_on_warning"]
    (install,) = site["python"]["install"]
    assert set(install["extra_requirements"]) <= set(PYPROJECT["project"]["optional-dependencies"])
    configuration = (ROOT / "docs" / "conf.py").read_text()
    assert "\nnitpicky = True\n" in configuration
