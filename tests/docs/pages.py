"""The pages of the documentation as trees, without Sphinx: its directives are passed over, its roles are literals."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import docutils.core
import docutils.nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.directives.body import CodeBlock as CodeBlockOfDocutils

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
NAMES = [str(path.relative_to(DOCS)) for path in PAGES]

PASSED_OVER = (
    *("toctree", "automodule", "autoclass", "autofunction", "automethod", "autodata", "autoexception"),
    *("currentmodule", "literalinclude"),
)
ROLES = ("doc", "ref", "attr", "class", "data", "download", "exc", "func", "meth", "mod")


class PassedOver(Directive):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = None

    def run(self):
        return []


class CodeBlock(CodeBlockOfDocutils):
    """With Sphinx's caption, which names a file for the reader."""

    option_spec = CodeBlockOfDocutils.option_spec | {"caption": directives.unchanged}

    def run(self):
        (block,) = super().run()
        block["caption"] = self.options.get("caption", "")
        return [block]


class AnyOption(dict):
    def __bool__(self):
        return True

    def __getitem__(self, name):
        return directives.unchanged


PassedOver.option_spec = AnyOption()
directives.register_directive("code-block", CodeBlock)
for one in PASSED_OVER:
    directives.register_directive(one, PassedOver)
for one in ROLES:
    roles.register_generic_role(one, docutils.nodes.literal)


class Block(NamedTuple):
    """A code block of a page."""

    page: str
    name: str
    language: str
    text: str
    caption: str


@functools.cache
def tree(name):
    """Return the tree of a page of the documentation, or of a file beside it such as README.rst; it must be clean."""
    path = ROOT / name
    strict = {"report_level": 2, "halt_level": 2}
    return docutils.core.publish_doctree(path.read_text(), source_path=str(path), settings_overrides=strict)


def blocks(name):
    """Return the code blocks of a page."""
    found = tree(name).findall(docutils.nodes.literal_block)
    return [
        Block(name, (block["names"] or [""])[0], next(iter(block["classes"][1:]), ""), block.astext(), block["caption"])
        for block in found
        if "code" in block["classes"]
    ]


def named(name):
    """Return the texts of the blocks of a page that have names."""
    return {block.name: block.text for block in blocks(name) if block.name}


def section(name, title):
    """Return a section of a page."""
    for part in tree(name).findall(docutils.nodes.section):
        if part.next_node(docutils.nodes.title).astext() == title:
            return part
    raise LookupError(title)


def table(part):
    """Return the cells of the first table of a section, row by row, with its head if it has one."""
    rows = part.next_node(docutils.nodes.table).findall(docutils.nodes.row)
    return [[cell.astext() for cell in row.findall(docutils.nodes.entry)] for row in rows]


def first_cells(part):
    return [row.children[0].astext() for row in part.findall(docutils.nodes.row)]
