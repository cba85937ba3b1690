"""Every code block of the documentation is run or checked: here by language, by name in the tests of its page."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.template import engines

from tests.docs.pages import DOCS, NAMES, ROOT, blocks

PAGES = ["README.rst", *(f"docs/{name}" for name in NAMES if not name.endswith(("changelog.rst", "index.rst")))]
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [
    match
    for block in BLOCKS
    if block.language in {"sh", "text", "ini", "console"}
    for match in re.findall(r"manage\.py (payram_\w+)([^&|>\n]*)", block.text)
]


def of_language(*languages):
    found = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=[f"{one.page}: {one.name}" for one in found])


def test_every_block_has_a_language_that_is_checked():
    checked = {"python", "sh", "console", "text", "ini", "yaml", "html", "html+django"}
    assert {block.language for block in BLOCKS} == checked


def test_every_python_block_is_run_by_the_tests_of_its_page():
    """Each has a name, by which a test calls it."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    for block in BLOCKS:
        if block.language == "python":
            assert block.name, f"a block of {block.page} has no name: {block.text}"
            is_file = block.name.endswith(".py")
            assert is_file or f'"{block.name}"' in tests or f"name: {block.name}" in tests, (block.page, block.name)


def test_names_are_given_once_on_a_page():
    names = [(block.page, block.name) for block in BLOCKS if block.name]
    assert len(names) == len(set(names))


@of_language("python")
def test_python_can_be_read(block):
    source = re.sub("^", " ", block.text, flags=re.MULTILINE)
    ast.parse(f"def f():\n{source}" if re.search("^return", block.text, re.MULTILINE) else block.text)


@of_language("yaml")
def test_yaml_can_be_read(block):
    assert yaml.safe_load(block.text)["kind"]


@of_language("ini")
def test_ini_can_be_read(block):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(block.text)
    assert parser.sections()


@of_language("html", "html+django")
def test_templates_can_be_read(block):
    if "{% load payram_oscar %}" not in block.text:
        engines["django"].from_string(block.text)
        return
    # Oscar is not installed here: tests/oscar renders these tags.
    library = (ROOT / "django_payram" / "contrib" / "oscar" / "templatetags" / "payram_oscar.py").read_text()
    assert all(f"def {tag}(" in library for tag in re.findall(r"{% (payram_\w+)", block.text))


@pytest.mark.parametrize(("command", "arguments"), COMMANDS, ids=[f"{one}{rest}" for one, rest in COMMANDS])
def test_every_option_of_a_command_exists(command, arguments):
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    parser.parse_args(shlex.split(arguments.partition("#")[0]))


def test_commands_are_found():
    assert len(COMMANDS) > 20
    assert {command for command, _rest in COMMANDS} == {
        name for name, app in get_commands().items() if app == "django_payram"
    }


@of_language("sh", "console")
def test_modules_that_are_run_exist(block):
    # What builds the package comes with the tools of those who change it, not with the tests.
    for module in set(re.findall(r"python -m ([\w.]+)", block.text)) - {"build"}:
        assert importlib.util.find_spec(module) is not None, module
    for program in re.findall(r"\.venv/bin/python (\S+\.py)", block.text):
        assert (ROOT / program).exists() or not program.startswith("example_project")


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r"^   ([\w/]+)$", (DOCS / "index.rst").read_text(), re.MULTILINE)
    assert {f"{name}.rst" for name in listed} == set(NAMES) - {"index.rst"}
    assert len(listed) == len(set(listed))
