"""The one-way street: each module imports only lower ones."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import django_payram

PACKAGE = Path(django_payram.__file__).parent

# A module may import modules of a lower level, and of its own package. What is missing here fails the test.
LEVELS = {
    "exceptions": 0,
    "states": 0,
    "signals": 0,
    "schedule": 1,
    "strict_json": 0,
    "answers": 0,
    "fields": 0,
    "statements": 0,
    "transport": 1,
    "emails": 0,
    "wire": 1,
    "options": 0,
    "conf": 1,
    "models": 1,
    "transactions": 0,
    "authentication": 2,
    "client": 2,
    "phases": 2,
    "erasing": 2,
    "checks": 2,
    "lifecycle": 3,
    "resync": 4,
    "prune": 4,
    "leases": 4,
    "personal_data": 4,
    "checkout": 4,
    "privacy": 0,
    "doctor": 4,
    "views": 5,
    "api": 5,
    "admin": 6,
    "tasks": 5,
    "templatetags": 2,
    "management": 5,
    "urls": 6,
    "apps": 6,
    "migrations": 6,
    "sandbox": 0,
    "testing": 6,
}

# Inside the gate the street is one-way as well.
LIFECYCLE = [
    "ratchet",
    "announcing",
    "siblings",
    "sheet",
    "truths",
    "entry",
    "gate",
    "noting",
    "asking",
    "adopting",
    "hearing",
    "rehearing",
    "wish",
    "opening",
    "__init__",
]


def modules(folder=PACKAGE):
    return sorted(path for path in folder.rglob("*.py") if "migrations" not in path.parts)


def room(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


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
    return names_in(ast.parse(path.read_text()))


def runtime_imports(path):
    """As imports(), without what stands under ``if TYPE_CHECKING``: an annotation is not a dependency."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return names_in(tree)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_lower_levels(path):
    own = room(path)
    if own == "__init__":
        return
    for target in runtime_imports(path):
        if target[0] == own or target[0] not in LEVELS:
            assert target[0] == own or target[0] == "__version__", f"{path} imports unknown {target}"
            continue
        assert LEVELS[target[0]] < LEVELS[own], f"{path.name} (level {LEVELS[own]}) imports {target[0]}"


def test_every_module_has_its_level():
    rooms = {room(path) for path in modules()} - {"__init__"}
    assert rooms - set(LEVELS) == set()


@pytest.mark.parametrize("name", LIFECYCLE)
def test_the_gate_is_one_way_inside(name):
    path = PACKAGE / "lifecycle" / f"{name}.py"
    for target in runtime_imports(path):
        if target[0] == "lifecycle" and len(target) > 1 and target[1] in LIFECYCLE:
            assert LIFECYCLE.index(target[1]) < LIFECYCLE.index(name), f"{name} imports {target[1]}"


def test_the_sandbox_knows_nothing_of_ours():
    for path in modules(PACKAGE / "sandbox"):
        for target in imports(path):
            assert target[0] == "sandbox", f"{path.name} imports {target}"


def test_a_state_is_written_in_one_place():
    writers = [
        (path.name, node.lineno)
        for path in modules()
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == "state"
    ]
    assert [name for name, _line in writers] == ["entry.py"]


def test_no_row_that_was_read_is_saved_whole():
    """F4: what others have written since would be undone."""
    calls = [
        (path.name, ast.unparse(call))
        for path in modules()
        if "sandbox" not in path.parts
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in {"save", "asave"}
    ]
    known = [call for call in calls if call != ("entry.py", "self.save()")]  # writes what the gate has set, no more
    assert {name for name, _call in known} == {"opening.py", "adopting.py"}
    assert all("force_insert=True" in call or "update_fields=" in call for _name, call in known), known
