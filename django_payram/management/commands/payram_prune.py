"""Delete old events and blank old e-mail addresses."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.utils.timezone import now
from tqdm import tqdm

from django_payram import prune
from django_payram.management.arguments import days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser
    from django.db.models import QuerySet


class Command(BaseCommand):
    """payram_prune: money and states are never touched."""

    help = (
        "Deletes old payment events and blanks e-mail addresses of old payments. Exit codes: 0 done, 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say how old, and whether to do it."""
        parser.add_argument(
            "--events-older-than",
            type=days,
            metavar="DAYS",
            default=prune.DEFAULT_EVENT_DAYS,
            help="delete events older than this (default: %(default)s days)",
        )
        parser.add_argument(
            "--scrub-emails-older-than",
            type=days,
            metavar="DAYS",
            help="blank the e-mail addresses of settled payments without news for so long (default: keep them)",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="tell the sums as one JSON object")

    def handle(self, **options: Any) -> None:
        """Prune in batches and tell how many."""
        sums = {"events_deleted": self._events(options), "emails_blanked": self._emails(options)}
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], **sums}))
        elif options["dry_run"]:
            self.stdout.write("Would delete {events_deleted} events and blank {emails_blanked} e-mails.".format(**sums))
        else:
            self.stdout.write("Deleted {events_deleted} events and blanked {emails_blanked} e-mails.".format(**sums))

    def _events(self, options: dict[str, Any]) -> int:
        before = now() - timedelta(days=options["events_older_than"])
        return _work(prune.old_events(before), prune.delete_events(before), options, "event")

    def _emails(self, options: dict[str, Any]) -> int:
        if options["scrub_emails_older_than"] is None:
            return 0
        before = now() - timedelta(days=options["scrub_emails_older_than"])
        return _work(prune.old_emails(before), prune.scrub_emails(before), options, "e-mail")


def _work(rows: QuerySet[Any], batches: Iterator[int], options: dict[str, Any], unit: str) -> int:
    if options["dry_run"]:
        return rows.count()
    on_terminal = sys.stderr.isatty()
    done = 0
    with tqdm(total=rows.count() if on_terminal else 0, unit=unit, disable=not on_terminal, leave=False) as bar:
        for number in batches:
            done += number
            bar.update(number)
    return done
