"""Diagnosis of a shop's connection to PayRam: what works, what does not, and what to do about it.

Nothing is created at PayRam and nothing is changed here. No finding holds a key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from django_payram.doctor.backlog import check_backlog
from django_payram.doctor.checks import Finding, Level, Scope, check_addresses, check_settings
from django_payram.doctor.connection import check_connection, check_pages, check_webhook
from django_payram.gateway.redaction import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Finding", "Level", "Scope", "check_backlog", "examine", "summary"]

MESSAGE_LIMIT = 500  # characters
CHECKS = (check_settings, check_connection, check_addresses, check_webhook, check_pages, check_backlog)


def examine(scope: Scope) -> Iterator[Finding]:
    """Yield what every check finds, each as soon as it is made."""
    for check in CHECKS:
        for finding in check(scope):
            # Other servers' words stand in it, which may repeat a key or hold control characters.
            yield replace(finding, message=quoted(finding.message, MESSAGE_LIMIT))


def summary(findings: Iterable[Finding]) -> tuple[Level, str]:
    """Return the gravest level among ``findings``, and how many problems and warnings there are as a sentence."""
    levels = [finding.level for finding in findings]
    level = max(levels, key=list(Level).index, default=Level.OK)
    counts = {"problems": levels.count(Level.PROBLEM), "warnings": levels.count(Level.WARNING)}
    text = _("All is well.") if level == Level.OK else _("Problems: %(problems)d, warnings: %(warnings)d.") % counts
    return level, text
