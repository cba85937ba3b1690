"""Management commands, run as an operator runs them."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command


def run_command(name, *arguments):
    """Return the exit code of a command and all that it prints."""
    out = StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=out)
    except SystemExit as exc:
        return exc.code, out.getvalue()
    return 0, out.getvalue()
