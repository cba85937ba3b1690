"""Forget: old events, old e-mail addresses, or one customer. Also tells what is stored of one customer."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.timezone import now

from django_payram import conf
from django_payram.management.arguments import customer, days
from django_payram.management.reporting import Reporter
from django_payram.models import Payment, database
from django_payram.personal_data import export, prune
from django_payram.personal_data.erase import Erased, erase
from django_payram.personal_data.export import Customer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.management.base import CommandParser

OF_CUSTOMERS = ("export", "erase", "project", "metadata")
OF_AGES = ("events_older_than", "scrub_emails_older_than")


class Command(BaseCommand):
    """payram_prune: money and states are never touched."""

    help = (
        "Deletes old payment events and takes e-mail addresses out of old rows; or, with --customer, tells or erases "
        "what is stored of one customer. Money and states are never touched. Exit codes: 0 done, "
        "1 something of the customer had to be kept, 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say how old, or whose, and whether to do it."""
        ages = parser.add_argument_group("by age")
        ages.add_argument(
            "--events-older-than",
            type=days,
            metavar="DAYS",
            help=f"delete events older than this (default: {prune.DEFAULT_EVENT_DAYS} days)",
        )
        ages.add_argument(
            "--scrub-emails-older-than",
            type=days,
            metavar="DAYS",
            help="take e-mail addresses out of settled payments without news for so long and out of events as old "
            "(default: keep them)",
        )
        self._add_customer(parser)
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="tell the sums as one JSON object")

    def _add_customer(self, parser: CommandParser) -> None:
        group = parser.add_argument_group("of one customer")
        group.add_argument("--customer", type=customer, metavar="EMAIL_OR_ID", help="whose data")
        verb = group.add_mutually_exclusive_group()
        verb.add_argument("--export", action="store_true", help="write what is stored as one JSON object")
        verb.add_argument("--erase", action="store_true", help="erase what is personal in payments and events")
        group.add_argument("--metadata", action="store_true", help="with --erase: empty the shop's metadata as well")
        group.add_argument("--project", help="only in this PayRam project (default: in all of them)")

    def handle(self, **options: Any) -> None:
        """Do what was asked for and tell the sums."""
        _refuse_mixtures(options)
        if options["customer"] is None:
            self._prune(options)
        elif options["export"]:
            self._export(_customer(options))
        else:
            self._erase(_customer(options), options)

    # By age

    def _prune(self, options: dict[str, Any]) -> None:
        dry_run, sums = options["dry_run"], {}
        steps = prune.steps(**{name: options[name] for name in OF_AGES})
        reporter = Reporter(
            self, as_json=options["json"], unit="row", total=lambda: sum(step.rows.count() for step in steps)
        )
        for step in steps:
            numbers = [step.rows.count()] if dry_run else map(reporter.advance, step.run())
            sums[step.name] = sum(numbers)
        verbs = ("Would delete", "take") if dry_run else ("Deleted", "took")
        reporter.close(
            f"{verbs[0]} {sums['events_deleted']} events and {verbs[1]} e-mail addresses out of "
            f"{sums['emails_blanked']} payments and {sums['events_scrubbed']} events.",
            dry_run=dry_run,
            **sums,
        )

    # Of one customer

    def _export(self, whose: Customer) -> None:
        """Write one JSON object, a row at a time."""
        head = {"customer": whose.name, "project": whose.project, "exported_at": now()}
        self.stdout.write(_json(head)[:-1], ending="")
        self._list("payments", export.payments(whose))
        self._list("events", export.events(whose))
        self.stdout.write("}")

    def _list(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        self.stdout.write(f', "{name}": [', ending="")
        for number, row in enumerate(rows):
            self.stdout.write(f"{',' if number else ''}\n{_json(row)}", ending="")
        self.stdout.write("]", ending="")

    def _erase(self, whose: Customer, options: dict[str, Any]) -> None:
        erased, dry_run = Erased(), options["dry_run"]
        reporter = Reporter(self, as_json=options["json"], unit="row")
        for number in erase(whose, metadata=options["metadata"], erased=erased, dry_run=dry_run):
            reporter.advance(number)
        kept = sorted(erased.kept_customer_ids)
        sums = {"payments": erased.payments, "events": erased.events, "kept_customer_ids": kept}
        verb = "Would erase" if dry_run else "Erased"
        sentence = f"{verb} what is personal in {erased.payments} payments and {erased.events} events."
        reporter.close(sentence, dry_run=dry_run, **sums)
        if kept:
            self.stderr.write(
                "PayRam is still asked about payments that are recognised by these customer ids, so they were kept. "
                f"Erase them by the id later: {', '.join(kept)}."
            )
            sys.exit(1)


# Arguments


def _refuse_mixtures(options: dict[str, Any]) -> None:
    of_customers = [name for name in OF_CUSTOMERS if options[name]]
    of_ages = [name for name in OF_AGES if options[name] is not None]
    if options["customer"] is None and of_customers:
        raise CommandError(f"{_option(of_customers[0])} needs --customer.", returncode=2)
    if options["customer"] is not None and of_ages:
        raise CommandError(f"--customer and {_option(of_ages[0])} do not go together.", returncode=2)
    if options["customer"] is not None and not (options["export"] or options["erase"]):
        raise CommandError("--customer needs --export or --erase.", returncode=2)
    if options["export"] and (options["metadata"] or options["dry_run"]):
        raise CommandError("--export changes nothing: --metadata and --dry-run go with --erase.", returncode=2)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _customer(options: dict[str, Any]) -> Customer:
    project = options["project"]
    # A project that was taken out of the settings has left its payments behind.
    if project is not None and not Payment.objects.using(database()).filter(project=project).exists():
        try:
            conf.project(project)
        except ImproperlyConfigured as exc:
            raise CommandError(str(exc), returncode=2) from exc
    return Customer(options["customer"], project=project)


def _json(value: object) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)
