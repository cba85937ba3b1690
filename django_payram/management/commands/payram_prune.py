"""Forget: old events, old e-mail addresses, or one customer. Also tells what is stored of one customer."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.timezone import now
from tqdm import tqdm

from django_payram import conf, personal_data, prune
from django_payram.management.arguments import customer, days
from django_payram.models import Payment, database
from django_payram.personal_data import Customer, Erased

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django.core.management.base import CommandParser
    from django.db.models import QuerySet

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
        deleted_before = _days_ago(options["events_older_than"] or prune.DEFAULT_EVENT_DAYS)
        work = _preview if options["dry_run"] else _work
        sums = {"events_deleted": 0, "emails_blanked": 0, "events_scrubbed": 0}
        sums |= work(deleted_before, options["scrub_emails_older_than"])
        verbs = ("Would delete", "take") if options["dry_run"] else ("Deleted", "took")
        sentence = (
            f"{verbs[0]} {sums['events_deleted']} events and {verbs[1]} e-mail addresses out of "
            f"{sums['emails_blanked']} payments and {sums['events_scrubbed']} events."
        )
        self._tell(options, sums, sentence)

    # Of one customer

    def _export(self, whose: Customer) -> None:
        """Write one JSON object, a row at a time."""
        head = {"customer": whose.name, "project": whose.project, "exported_at": now()}
        self.stdout.write(_json(head)[:-1], ending="")
        self._list("payments", personal_data.payments(whose))
        self._list("events", personal_data.events(whose))
        self.stdout.write("}")

    def _list(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        self.stdout.write(f', "{name}": [', ending="")
        for number, row in enumerate(rows):
            self.stdout.write(f"{',' if number else ''}\n{_json(row)}", ending="")
        self.stdout.write("]", ending="")

    def _erase(self, whose: Customer, options: dict[str, Any]) -> None:
        metadata, erased = options["metadata"], Erased()
        if options["dry_run"]:
            erased = personal_data.preview(whose, metadata=metadata)
        else:
            _sum(personal_data.erase(whose, metadata=metadata, erased=erased), "row")
        kept = sorted(erased.kept_customer_ids)
        sums = {"payments": erased.payments, "events": erased.events, "kept_customer_ids": kept}
        verb = "Would erase" if options["dry_run"] else "Erased"
        sentence = f"{verb} what is personal in {erased.payments} payments and {erased.events} events."
        self._tell(options, sums, sentence)
        if kept:
            self.stderr.write(
                "PayRam is still asked about payments that are recognised by these customer ids, so they were kept. "
                f"Erase them by the id later: {', '.join(kept)}."
            )
            sys.exit(1)

    def _tell(self, options: dict[str, Any], sums: dict[str, Any], sentence: str) -> None:
        facts = {"dry_run": options["dry_run"], **sums}
        self.stdout.write(json.dumps(facts) if options["json"] else sentence)


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


# Work


def _preview(deleted_before: datetime, scrub_days: int | None) -> dict[str, int]:
    """Count what would be done."""
    sums = {"events_deleted": prune.old_events(deleted_before).count()}
    if scrub_days is not None:
        before = _days_ago(scrub_days)
        sums["emails_blanked"] = sum(map(len, prune.payments_with_emails(before)))
        # What is deleted needs no scrubbing.
        sums["events_scrubbed"] = sum(map(len, prune.events_with_emails(before, since=deleted_before)))
    return sums


def _work(deleted_before: datetime, scrub_days: int | None) -> dict[str, int]:
    sums = {"events_deleted": _sum(prune.delete_events(deleted_before), "event", prune.old_events(deleted_before))}
    if scrub_days is not None:
        before = _days_ago(scrub_days)
        sums["emails_blanked"] = _sum(prune.scrub_payments(before), "payment", prune.old_emails(before))
        sums["events_scrubbed"] = _sum(prune.scrub_events(before), "event", prune.old_texts(before))
    return sums


def _days_ago(days: int) -> datetime:
    return now() - timedelta(days=days)


def _sum(steps: Iterator[int], unit: str, rows: QuerySet[Any] | None = None) -> int:
    """Go through the steps, with a progress bar on a terminal, and return the sum."""
    on_terminal = sys.stderr.isatty()
    total = rows.count() if rows is not None and on_terminal else None
    done = 0
    with tqdm(total=total, unit=unit, disable=not on_terminal, leave=False) as bar:
        for number in steps:
            done += number
            bar.update(number)
    return done


def _json(value: object) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)
