"""Write a file for accounting: what was paid and refunded in a range of dates."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from django_payram import conf
from django_payram.management.arguments import day
from django_payram.models import Payment, database
from django_payram.reports.figures import Range
from django_payram.reports.rows import FORMATS, of_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """payram_export: a row for each payment and each refund, and the sums at the end."""

    help = (
        "Writes a row for each payment that became paid and each refund that was recorded in a range of dates, and the "
        "sums at the end. The file holds e-mail addresses of customers. Exit codes: 0 written, 1 not, 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say of which dates, and how."""
        parser.add_argument("--paid-since", type=day, metavar="DATE", help="from this day on (default: the first)")
        parser.add_argument(
            "--paid-until", type=day, metavar="DATE", help="up to and with this day (default: the last)"
        )
        parser.add_argument("--project", default="", help="only of this PayRam project (default: of all of them)")
        parser.add_argument("--format", choices=FORMATS, default="csv", help="default: %(default)s")
        parser.add_argument("--output", type=Path, metavar="FILE", help="where to write (default: standard output)")

    def handle(self, **options: Any) -> None:
        """Write the file, a row at a time."""
        of = Range(options["paid_since"], options["paid_until"], options["project"])
        payments = Payment.objects.using(database())
        if of.project and of.project not in conf.names() and not payments.filter(project=of.project).exists():
            known = ", ".join(conf.names())
            raise CommandError(f"There is no project {of.project!r}. PAYRAM has: {known}.", returncode=2)
        if of.since is not None and of.until is not None and of.since > of.until:
            raise CommandError("--paid-since must not be later than --paid-until.", returncode=2)
        path = options["output"]
        try:
            self._write(FORMATS[options["format"]](of_range(of)), path)
        except OSError as exc:
            raise CommandError(f"{path or 'standard output'} cannot be written: {exc.strerror}.") from exc

    def _write(self, lines: Iterator[str], path: Path | None) -> None:
        with ExitStack() as stack:
            out: Any = self.stdout
            if path is not None:
                out = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            elif hasattr(out, "reconfigure"):
                # A file is in UTF-8 whatever the terminal speaks: a name that it cannot say would end the file.
                out.reconfigure(encoding="utf-8", newline="")
            bar = stack.enter_context(tqdm(unit="row", disable=not sys.stderr.isatty(), leave=False))
            for line in lines:
                out.write(line) if path else out.write(line, ending="")
                bar.update()
