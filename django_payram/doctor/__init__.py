"""Diagnosis of a shop's connection to PayRam: what works, what does not, and what to do about it.

    scope      what to look at: one project or all, with or without webhooks to the shop itself
    examine    the diagnosis, part by part; nothing is created at PayRam and nothing changed here

``manage.py payram_doctor`` prints it, and the admin shows it on a page. No finding holds a key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from django_payram.conf import redact
from django_payram.doctor.addresses import to_paste
from django_payram.doctor.books import left_lying
from django_payram.doctor.findings import Finding, Level, Scope, gravest, is_well, scope, site, summary
from django_payram.doctor.receivers import listeners
from django_payram.doctor.round_trip import knock
from django_payram.doctor.server import servers
from django_payram.doctor.setting import enabled, soundness, surroundings
from django_payram.doctor.traffic import news

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PARTS",
    "Finding",
    "Level",
    "Part",
    "Scope",
    "examine",
    "gravest",
    "is_well",
    "scope",
    "site",
    "summary",
]


@dataclass(frozen=True)
class Part:
    """One part of a diagnosis: its stable name, its title, and what was found."""

    name: str
    title: str
    findings: tuple[Finding, ...]


# (stable name, title, the questions asked), in the order in which they are asked.
PARTS = (
    ("setting", _("Settings"), (soundness, surroundings, enabled)),
    ("server", _("PayRam's server"), (servers,)),
    ("addresses", _("Addresses for PayRam"), (to_paste,)),
    ("round-trip", _("Webhooks from outside"), (knock,)),
    ("receivers", _("Receivers"), (listeners,)),
    ("payments", _("Payments"), (left_lying,)),
    ("news", _("News of payments"), (news,)),
)


def examine(scope: Scope) -> Iterator[Part]:
    """Yield the diagnosis part by part, each as soon as it is made. Parts without a finding are left out."""
    for name, title, questions in PARTS:
        found = [_redacted(finding) for ask in questions for finding in ask(scope)]
        if found:
            yield Part(name, str(title), tuple(found))


def _redacted(finding: Finding) -> Finding:
    """Strangers' words are quoted in findings, and a stranger may say a key."""
    return replace(finding, message=redact(finding.message))
