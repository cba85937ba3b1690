"""A mutant of a module must be noticed by that module's own tests. Loaded by mutmut alone, as pyproject.toml says.

``python -m tests.mutation`` prints what came of the last ``mutmut run``, module by module.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from django_payram.statements import Question

NOTICED = {1, 3}  # exit codes of pytest: a test failed, or could not even be run
TIMED_OUT = {36, 24, -24, 152, 255}  # exit codes of mutmut

# Modules that are tested under other names as well, the likeliest first: the gate is seen through what it does.
TESTED_BY = {
    "lifecycle_announcing": ["lifecycle_gate", "lifecycle"],
    "lifecycle_entry": ["lifecycle_gate", "lifecycle"],
    "lifecycle_hearing": ["lifecycle_hearing", "lifecycle_adopting"],
    "lifecycle_rehearing": ["lifecycle_hearing", "lifecycle_adopting"],
    "lifecycle_ratchet": ["lifecycle_ratchet", "lifecycle_noting"],
    "lifecycle_sheet": ["lifecycle_gate", "lifecycle"],
    "lifecycle_truths": ["lifecycle_gate", "lifecycle"],
    "lifecycle_siblings": ["lifecycle_gate", "lifecycle"],
    "lifecycle_wish": ["lifecycle_opening"],
    "options": ["conf"],
    **{f"resync_{part}": ["resync"] for part in ("claiming", "limits", "lines", "running", "summary", "watching")},
}


def own_tests(mutant, nodes):
    """Return the tests of a mutant's module, test_wire… for ``django_payram.wire.x__get__mutmut_1``.

    ``nodes`` are the tests seen to reach the function. What is called once a process was reached by the first test
    only, whichever that was: if it is another module's, all tests of this one are tried.
    """
    module = "_".join(mutant.split(".")[1:-1])
    names = [f"tests/test_{name}" for name in TESTED_BY.get(module, [module])]
    reaching = [node for name in names for node in nodes if node.startswith(name)]
    return dict.fromkeys(reaching or [str(path) for name in names for path in sorted(Path().glob(f"{name}*.py"))])


def pytest_configure(config):
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if mutant.startswith("django_payram."):  # else mutmut is looking for the tests that reach each function
        config.args = list(own_tests(mutant, sorted(config.args)))
        forget_statements()


def forget_statements():
    """Let statements be made anew: they were made once, in the process of which this one is a copy."""
    for name, module in list(sys.modules.items()):
        if name.startswith("django_payram."):
            for kept in vars(module).values():
                if isinstance(kept, Question):
                    kept._made.clear()


def results(folder=Path("mutants/django_payram")):
    """Yield each module with its number of mutants and those that no test noticed."""
    for path in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            missed = [name for name, code in codes.items() if code not in NOTICED | TIMED_OUT]
            yield str(path.relative_to(folder)).removesuffix(".py.meta").replace("/", "."), len(codes), missed


def main():
    for module, mutants, missed in results():
        print(f"{module:24} {mutants:5} {mutants - len(missed):5} {100 - 100 * len(missed) / mutants:6.1f} %")
        for name in missed:
            print(f"    {name}")


if __name__ == "__main__":
    main()
