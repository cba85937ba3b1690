"""Diagnose the connection between the shop and PayRam."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_payram import doctor
from django_payram.doctor import Level

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from django_payram.doctor import Finding, Part, Scope


class Command(BaseCommand):
    """payram_doctor: settings, server, key, addresses, webhooks, receivers and payments."""

    help = (
        "Looks at everything between the shop and PayRam and tells what to do. Creates nothing and changes nothing. "
        "Exit codes: 0 no problem, 1 a problem was found, 2 bad arguments."
    )
    # Broken settings are what this command is for: the checks must not stop it.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what to look at, and how to report."""
        parser.add_argument(
            "--public-url",
            type=_site,
            metavar="URL",
            help="where the shop answers from outside; harmless webhooks are sent there, the key is not",
        )
        parser.add_argument("--project", default="", metavar="NAME", help="look at this project only")
        parser.add_argument("--json", action="store_true", help="tell everything as one JSON object")

    def handle(self, **options: Any) -> None:
        """Examine, report, and leave with the exit code that tells whether all is well."""
        findings = self._told_as_json(_scope(options)) if options["json"] else self._told(_scope(options))
        if not doctor.is_well(findings):
            sys.exit(1)

    def _told_as_json(self, scope: Scope) -> list[Finding]:
        findings = [finding for part in doctor.examine(scope) for finding in part.findings]
        self.stdout.write(json.dumps({"ok": doctor.is_well(findings), "findings": [*map(asdict, findings)]}))
        return findings

    def _told(self, scope: Scope) -> list[Finding]:
        findings: list[Finding] = []
        for part in doctor.examine(scope):
            self._tell(part)
            findings += part.findings
        style = self.style.SUCCESS if doctor.is_well(findings) else self.style.ERROR
        self.stdout.write(style(doctor.summary(findings)))
        return findings

    def _tell(self, part: Part) -> None:
        styles = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        self.stdout.write(self.style.MIGRATE_HEADING(part.title))
        width = max(len(str(level.label)) for level in Level)
        for finding in part.findings:
            mark = styles[finding.level](str(finding.level.label).ljust(width))
            place = f"[{finding.project}] " if finding.project else ""
            self.stdout.write(f"  {mark}  {place}{finding.message}")
        self.stdout.write("")


def _site(text: str) -> str:
    try:
        return doctor.site(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _scope(options: dict[str, Any]) -> Scope:
    public_url = options["public_url"] or ""
    try:
        return doctor.scope(only=options["project"], public_url=public_url, round_trip=bool(public_url))
    except ValueError as exc:
        raise CommandError(str(exc), returncode=2) from exc
