"""The statements that are made once a process, for tests of what they depend on."""

from __future__ import annotations

import sys


def forget_statements():
    """Let statements be made anew, with the settings of now."""
    from django_payram.models.statements import CompiledQuery

    for name, module in list(sys.modules.items()):
        if name.startswith("django_payram."):
            for kept in vars(module).values():
                queries = kept.values() if isinstance(kept, dict) else [kept]
                for query in queries:
                    if isinstance(query, CompiledQuery):
                        query.forget()
