"""The layers of the package: each subpackage or module at its top imports only those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import django_payram

PACKAGE = Path(django_payram.__file__).parent

# From the bottom to the top. Each imports from lower tiers only; those of one tier do not import each other.
TIERS = (
    {"exceptions", "rates", "signals", "sandbox"},
    {"models"},
    {"conf"},
    {"gateway"},
    {"personal_data", "receivers"},
    {"payments"},
    {"polling", "doctor", "reports"},
    {"views"},
    {"templatetags"},
    {"admin", "tasks", "management"},
    {"urls", "apps", "testing", "migrations"},
    {"contrib"},
)
TIER = {subpackage: number for number, tier in enumerate(TIERS) for subpackage in tier}


def modules(folder=PACKAGE):
    return sorted(path for path in folder.rglob("*.py") if "migrations" not in path.parts)


def subpackage(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def names_in(tree):
    """Yield the dotted names below django_payram that are imported in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1:] for name in names if name.split(".")[0] == "django_payram")


def imports(path):
    """Return what a module imports when it runs: what stands under ``if TYPE_CHECKING`` is no dependency."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return list(names_in(tree))


def name_of(path):
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_subpackage_has_its_tier():
    assert {subpackage(path) for path in modules()} - {"__init__"} == set(TIER) - {"migrations"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_lower_tiers(path):
    own = subpackage(path)
    for target in imports(path):
        if own != "__init__" and target[0] not in (own, "__version__"):
            assert TIER[target[0]] < TIER[own], f"{name_of(path)} imports {'.'.join(target)}"


def test_no_imports_are_circular():
    """Inside a subpackage as well. A package's ``__init__`` collects what its modules offer."""
    names = {name_of(path): path for path in modules()}

    def module_of(target):
        return next(
            (".".join(target[:end]) for end in (len(target), len(target) - 1) if ".".join(target[:end]) in names), None
        )

    graph = {
        name: {found for target in imports(path) if (found := module_of(target)) not in (None, name)}
        for name, path in names.items()
    }
    done = set()

    def visit(name, trail):
        assert name not in trail, f"a circle: {' imports '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, [*trail, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def test_the_sandbox_imports_nothing_of_the_rest():
    for path in modules(PACKAGE / "sandbox"):
        for target in names_in(ast.parse(path.read_text())):
            assert target[0] == "sandbox", f"{name_of(path)} imports {'.'.join(target)}"
