"""Diagnose the connection between the shop and PayRam."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_payram import doctor
from django_payram.doctor import Level

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """payram_doctor: settings, receivers, server, key, addresses, webhooks and payments."""

    help = (
        "Looks at everything between the shop and PayRam and says what to do. Creates nothing and changes nothing. "
        "Exit codes: 0 no problem, 1 a problem was found, 2 bad arguments."
    )
    # Broken settings are what this command is for: the checks must not stop it.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what to look at, and how to report."""
        text = "where the shop answers from outside; harmless webhooks are sent there, the key is not"
        parser.add_argument("--public-url", default="", metavar="URL", help=text)
        parser.add_argument("--project", default="", metavar="NAME", help="look at this project only")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Examine, report, and leave with 1 when there is a problem."""
        url = options["public_url"]
        try:
            scope = doctor.Scope(options["project"], public_url=url, round_trip=bool(url))
        except ValueError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        styles = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        findings = []
        for finding in doctor.examine(scope):
            findings.append(finding)
            if not options["json"]:
                mark = styles[finding.level](f"{finding.level.label:8}")
                self.stdout.write(f"{mark} {f'[{finding.project}] ' if finding.project else ''}{finding.message}")
        level, text = doctor.summary(findings)
        report = json.dumps({"ok": level != Level.PROBLEM, "findings": [asdict(finding) for finding in findings]})
        self.stdout.write(report if options["json"] else styles[level](text))
        if level == Level.PROBLEM:
            sys.exit(1)
