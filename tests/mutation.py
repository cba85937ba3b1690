"""A mutant of a module must be noticed by that module's own tests. Loaded by mutmut alone, as pyproject.toml says.

``python -m tests.mutation`` prints what came of the last ``mutmut run``, module by module.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.statements import forget_statements

# Payments have a database of their own: a statement that asks the wrong one is noticed. Whatever imports this module
# hands that on to the processes which it starts: no test may.
os.environ.setdefault("SURROUNDINGS", "databases")

NOTICED = {1, 3}  # exit codes of pytest: a test failed, or could not even be run
TIMED_OUT = {36, 24, -24, 152, 255}  # exit codes of mutmut

# Modules that other test files of their room show as well.
SEEN_IN = {
    "gateway/redaction": ["conf/test_keys", "gateway/test_payloads_text"],
    "gateway/responses": ["gateway/test_transport"],
    "payments/checkout": [
        "payments/test_checkout",
        "payments/test_prices",
        "payments/test_purposes",
        "views/test_async_checkout",
    ],
    "payments/deleted_orders": ["models/test_relation"],
    "payments/links": ["payments/test_checkout", "views/test_customer_status"],
    "payments/notifications": ["payments/test_transitions"],
    "payments/locks": [
        "payments/test_identity",
        "payments/test_transitions",
        "payments/test_deadlocks",
        "payments/test_decisions",
    ],
    "payments/matching": [
        "payments/test_matching",
        "payments/test_identity",
        "payments/test_adopt",
        "payments/test_kept_webhooks",
    ],
    "payments/refresh": ["payments/test_refresh", "payments/test_denials", "payments/test_clocks"],
    "payments/request": [
        "payments/test_request",
        "payments/test_checkout",
        "payments/test_identity",
        "payments/test_prices",
        "payments/test_purposes",
    ],
    "payments/rules": ["payments/test_rules", "payments/test_webhook_sums", "payments/test_repetition"],
    "payments/transitions": ["payments/test_transitions", "payments/test_checkout_attempts"],
    "payments/webhooks": ["payments/test_webhooks", "payments/test_kept_webhooks"],
    "polling/circuit_breaker": ["polling/test_circuit_breaker", "polling/test_worker"],
    "polling/claims": ["polling/test_worker", "payments/test_clocks", "payments/test_daylight_saving"],
    "polling/rate_limit": ["polling/test_worker", "polling/test_circuit_breaker"],
    "polling/worker": ["polling/test_worker", "polling/test_watch"],
    "conf/options": ["conf/test_options", "conf/test_projects", "conf/test_keys"],
    "conf/projects": ["conf/test_projects", "conf/test_keys"],
    "views/api": ["views/test_api", "views/test_checkout"],
    "views/status": ["views/test_status", "views/test_namespaces"],
    "views/checkout": ["views/test_checkout", "views/test_async_checkout"],
    "views/decorators": ["views/test_namespaces", "views/test_status", "views/test_checkout"],
}


def own_tests(mutant, nodes):
    """Return the tests of a mutant's module, tests/gateway/test_client… for ``django_payram.gateway.client.x…``.

    ``nodes`` are the tests seen to reach the function. What is called once a process was reached by the first test
    only, whichever that was: if it is another module's, all tests of this one are tried.
    """
    room, module = mutant.split(".")[1:3]
    names = [f"tests/{name}" for name in SEEN_IN.get(f"{room}/{module}", [f"{room}/test_{module}"])]
    reaching = [node for name in names for node in nodes if node.startswith(name)]
    return dict.fromkeys(reaching or [str(path) for name in names for path in sorted(Path().glob(f"{name}*.py"))])


def pytest_configure(config):
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if mutant.startswith("django_payram."):  # else mutmut is looking for the tests that reach each function
        config.args = list(own_tests(mutant, sorted(config.args)))
        forget_statements()


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
