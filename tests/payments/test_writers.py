"""Who writes a payment: each "only" and "never" of the docstrings, read from the code."""

from __future__ import annotations

import ast

from tests.test_layers import PACKAGE, modules, subpackage

MODULES = [path for path in modules() if subpackage(path) not in ("sandbox", "contrib")]
"""What an app for a shop writes are rows of that shop."""


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def calls(*attributes):
    """Yield each call of a method of that name, with the module that makes it."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in attributes:
                yield name_of(path), ast.unparse(node)


def test_only_the_rules_change_a_state():
    writers = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == "state"
    }
    assert writers == {"payments/rules.py"}


def test_only_transitions_write_what_was_decided_and_only_notifications_send_signals():
    assert {module for module, call in calls("update") if call.startswith("statements.")} == {"payments/transitions.py"}
    assert {module for module, call in calls("insert") if call.startswith("statements.")} == {"payments/transitions.py"}
    sends = {module for module, call in calls("send", "send_robust", "asend") if "Payment" in call}
    assert sends == {"payments/notifications.py"}


def test_no_row_that_was_read_is_saved_whole():
    """F4: what others have written since would be undone."""
    saves = [(module, call) for module, call in calls("save", "asave")]
    assert {module for module, _call in saves} == {
        "models/statements.py",
        "payments/checkout.py",
        "payments/matching.py",
        "payments/transitions.py",
    }
    assert all("force_insert=True" in call or "update_fields=" in call for _module, call in saves), saves


def test_the_rules_know_no_database_no_clock_and_no_settings():
    tree = ast.parse((PACKAGE / "payments" / "rules.py").read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"objects", "save", "filter", "refresh_from_db", "using"}
    assert not {"now", "utcnow", "today", "time", "monotonic"} & {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not any(name.startswith(("django.db", "django.conf")) or name.endswith("timezone") for name in imported)
