"""Ask PayRam about payments that are due, and record what it says."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now
from tqdm import tqdm

from django_payram import lifecycle, resync
from django_payram.management.arguments import moment, positive, rate, threads
from django_payram.management.stopping import pulled_by_signals
from django_payram.models import Payment, database
from django_payram.resync.claiming import by_key
from django_payram.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

    from django_payram.models import PaymentQuerySet
    from django_payram.resync import Asked, Brake, Summary, Told

AT_ONCE = 500
"""Payments that are read at a time where they are listed or told of again, however many were chosen."""


class Command(BaseCommand):
    """payram_resync: the schedule's due payments by default, or chosen ones."""

    help = (
        "Asks PayRam about the payments that are due and records its answers. Exit codes: 0 all well, "
        "1 PayRam could not be asked, 2 bad arguments, 3 a receiver failed and will be told again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which payments, how many, and how to report."""
        which = parser.add_argument_group("which payments (the due ones by default)")
        which.add_argument("--reference", action="append", help="ask about this one, due or not; may be repeated")
        which.add_argument("--state", action="append", type=_state, help="ask about payments in this state, due or not")
        which.add_argument("--since", type=moment, help="ask about payments made since then (ISO 8601), due or not")
        which.add_argument("--all", action="store_true", help="ask about every payment, due or not")
        parser.add_argument("--limit", type=positive, help="ask about at most so many")
        parser.add_argument(
            "--threads", type=threads, default=resync.DEFAULT_THREADS, help="calls at a time (default: %(default)s)"
        )
        parser.add_argument("--rate", type=rate, help="ask about at most so many a second (default: no limit)")
        parser.add_argument("--time-limit", type=positive, metavar="SECONDS", help="end after so many seconds")
        parser.add_argument(
            "--watch",
            action="store_true",
            help="go on as payments become due, until SIGTERM or Ctrl-C; waits for a PayRam or a database that is away",
        )
        parser.add_argument("--dry-run", action="store_true", help="list the payments, ask and change nothing")
        parser.add_argument(
            "--announce-again",
            action="store_true",
            help="tell the receivers of the chosen payments the present truth once more; needs --reference or --since",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a payment, then one for the sums")

    def handle(self, **options: Any) -> None:
        """Run, and leave with the exit code that tells how it went."""
        _refuse_contradictions(options)
        payments = _chosen(options)
        report = _JsonReport(self) if options["json"] else _TextReport(self, _total(payments, options))
        summary = resync.Summary()
        if options["dry_run"]:
            for payment in _listed(payments, options["limit"]):
                report.would_ask(payment)
        else:
            work = _telling_again if options["announce_again"] else _asking
            with pulled_by_signals(resync.Brake(options["time_limit"])) as brake:
                for done in work(payments, options, summary, brake):
                    report.done(done)
        report.close(summary)
        if summary.exit_code and not options["watch"]:
            sys.exit(summary.exit_code)


def _asking(
    payments: PaymentQuerySet | None, options: dict[str, Any], summary: Summary, brake: Brake
) -> Iterator[Asked | Told]:
    how: dict[str, Any] = {name: options[name] for name in ("threads", "rate")}
    if options["watch"]:
        yield from resync.watch(**how, summary=summary, brake=brake)
        return
    if payments is None:
        yield from resync.announce_pending(summary=summary, brake=brake)
    yield from resync.run(payments, **how, limit=options["limit"], summary=summary, brake=brake)


def _telling_again(
    payments: PaymentQuerySet | None, options: dict[str, Any], summary: Summary, brake: Brake
) -> Iterator[Told]:
    if payments is None or not (options["reference"] or options["since"]):
        raise CommandError("--announce-again needs --reference or --since.", returncode=2)
    for payment in _walk(payments, options["limit"]):
        if brake.is_on:
            break
        recorded = lifecycle.announce_again(payment)
        told = resync.Told(payment=payment, announced=recorded.announced)
        summary.count_told(told)
        yield told
    summary.stopped = brake.reason


# Arguments

NOT_WHILE_WATCHING = ("reference", "state", "since", "all", "limit", "dry_run", "announce_again")


def _refuse_contradictions(options: dict[str, Any]) -> None:
    given = ["--" + name.replace("_", "-") for name in NOT_WHILE_WATCHING if options[name]]
    if options["watch"] and given:
        raise CommandError(f"--watch asks about whatever is due; it does not go with {', '.join(given)}.", returncode=2)


def _state(text: str) -> State:
    try:
        return State(text.upper())
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(State)}") from exc


def _chosen(options: dict[str, Any]) -> PaymentQuerySet | None:
    """Return the payments that the options name; None stands for the due ones."""
    if not any(options[name] for name in ("reference", "state", "since", "all")):
        return None
    payments = Payment.objects.using(database()).order_by("pk")
    if options["reference"]:
        payments = _by_reference(payments, options["reference"])
    if options["state"]:
        payments = payments.filter(state__in=options["state"])
    if options["since"]:
        payments = payments.filter(created_at__gte=options["since"])
    return payments


def _by_reference(payments: PaymentQuerySet, references: list[str]) -> PaymentQuerySet:
    found = payments.filter(reference__in=references)
    unknown = set(references) - set(found.values_list("reference", flat=True))
    if unknown:
        raise CommandError(f"No payment has the reference {', '.join(sorted(unknown))}.", returncode=2)
    return found


def _would_ask(payments: PaymentQuerySet | None) -> PaymentQuerySet:
    chosen = Payment.objects.using(database()).due(now()) if payments is None else payments
    return chosen.filter(reference__isnull=False)


def _listed(payments: PaymentQuerySet | None, limit: int | None) -> Iterator[Payment]:
    """Yield the payments that a run would ask about, in its order: the longest due first, chosen ones by key."""
    found = _would_ask(payments)
    return found[:limit].iterator(AT_ONCE) if payments is None else _walk(found, limit)


def _walk(payments: PaymentQuerySet, limit: int | None) -> Iterator[Payment]:
    return islice(chain.from_iterable(by_key(payments, AT_ONCE)), limit)


def _total(payments: PaymentQuerySet | None, options: dict[str, Any]) -> int | None:
    """Return how many payments the progress bar counts up to, when there is one and an end to it."""
    if options["watch"] or not sys.stderr.isatty():
        return None
    return _would_ask(payments)[: options["limit"]].count()


# Reports


class _Report:
    """Where a run tells what it does."""

    def __init__(self, command: BaseCommand) -> None:
        self.out, self.err = command.stdout, command.stderr

    def would_ask(self, payment: Payment) -> None:
        raise NotImplementedError

    def done(self, done: Asked | Told) -> None:
        """Tell what became of one payment."""
        if isinstance(done, resync.Told):
            self.told(done)
        else:
            self.asked(done)

    def asked(self, asked: Asked) -> None:
        raise NotImplementedError

    def told(self, told: Told) -> None:
        raise NotImplementedError

    def close(self, summary: Summary) -> None:
        raise NotImplementedError


class _TextReport(_Report):
    """Lines for a person: what changed and what failed; a progress bar on a terminal."""

    def __init__(self, command: BaseCommand, total: int | None) -> None:
        super().__init__(command)
        self.bar = tqdm(total=total, unit="payment", disable=not sys.stderr.isatty(), leave=False)

    def _line(self, text: str) -> None:
        self.bar.clear()
        self.out.write(text)
        self.out.flush()

    def would_ask(self, payment: Payment) -> None:
        self._line(f"{payment}: {payment.state}, due {payment.next_check_at or 'never'}")

    def asked(self, asked: Asked) -> None:
        self.bar.update()
        if asked.error is not None:
            self._line(f"{asked.payment}: {asked.error}")
        elif asked.news:
            self._line(f"{asked.payment}: {asked.state_before} -> {asked.payment.state}")
        if not asked.announced:
            self._line(f"{asked.payment}: a receiver failed and will be told again.")

    def told(self, told: Told) -> None:
        outcome = "receivers told." if told.announced else "a receiver failed and will be told again."
        self._line(f"{told.payment}: {outcome}")

    def close(self, summary: Summary) -> None:
        self.bar.close()
        self.out.write(
            f"Asked about {summary.asked}: {summary.news} with news, {summary.failed} without an answer. "
            f"Receivers told of {summary.announced} pending, {summary.receivers_failed} failed."
        )
        if summary.stopped:
            self.err.write(f"Stopped early. {summary.stopped}")


class _JsonReport(_Report):
    """One JSON object a line."""

    def _line(self, **facts: object) -> None:
        self.out.write(json.dumps(facts))
        # A reader at the other end of a pipe sees what happens, not what happened an hour ago.
        self.out.flush()

    def would_ask(self, payment: Payment) -> None:
        due = payment.next_check_at and payment.next_check_at.isoformat()
        self._line(reference=payment.reference, state=payment.state, next_check_at=due)

    def asked(self, asked: Asked) -> None:
        self._line(
            reference=asked.payment.reference,
            state_before=asked.state_before,
            state=asked.payment.state,
            news=asked.news,
            announced=asked.announced,
            error=str(asked.error) if asked.error else None,
        )

    def told(self, told: Told) -> None:
        self._line(reference=told.payment.reference, state=told.payment.state, announced=told.announced)

    def close(self, summary: Summary) -> None:
        self._line(
            asked=summary.asked,
            news=summary.news,
            failed=summary.failed,
            announced=summary.announced,
            receivers_failed=summary.receivers_failed,
            stopped=summary.stopped,
        )
