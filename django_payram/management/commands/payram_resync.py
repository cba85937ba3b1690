"""Ask PayRam about payments that are due, and record what it says."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from django_payram.gateway.redaction import redact
from django_payram.management.arguments import moment, positive, rate, threads
from django_payram.management.reporting import Reporter
from django_payram.management.signals import set_by_signals
from django_payram.models import DATABASE_BUSY, Payment, State, database, pages
from django_payram.payments import transitions
from django_payram.polling.rate_limit import StopSignal
from django_payram.polling.worker import DEFAULT_THREADS, Result, Summary, notify_undelivered, run, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

    from django_payram.models import PaymentQuerySet

READ_AT_ONCE = 500
"""Payments that are read at a time where they are listed or notified again, however many were chosen."""

FAILED = "a receiver failed and will be notified again."


class Command(BaseCommand):
    """payram_resync: the schedule's due payments by default, or chosen ones."""

    help = (
        "Asks PayRam about the payments that are due and records its answers. Exit codes: 0 all well, "
        "1 PayRam could not be asked, 2 bad arguments, 3 a receiver failed and will be notified again."
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
            "--threads", type=threads, default=DEFAULT_THREADS, help="calls at a time (default: %(default)s)"
        )
        parser.add_argument("--rate", type=rate, help="ask about at most so many a second (default: no limit)")
        parser.add_argument(
            "--time-limit", type=positive, metavar="SECONDS", help="begin no call after so many seconds"
        )
        parser.add_argument(
            "--watch",
            action="store_true",
            help="go on as payments become due, until SIGTERM or Ctrl-C; waits for a PayRam or a database that is away",
        )
        parser.add_argument("--dry-run", action="store_true", help="list the payments, ask and change nothing")
        parser.add_argument(
            "--announce-again",
            action="store_true",
            help="send the receivers of the chosen payments what is true now once more; needs --reference or --since",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a payment, then one for the sums")

    def handle(self, **options: Any) -> None:
        """Run, and leave with the exit code that tells how it went."""
        _refuse_contradictions(options)
        payments, limit = _chosen(options), options["limit"]
        reporter = Reporter(
            self,
            as_json=options["json"],
            unit="payment",
            total=lambda: None if options["watch"] else _to_ask(payments)[:limit].count(),
        )
        summary = Summary()
        if options["dry_run"]:
            for payment in _listed(payments, limit):
                due = payment.next_check_at and payment.next_check_at.isoformat()
                text = f"{payment}: {payment.state}, due {payment.next_check_at or 'never'}"
                reporter.line(text, reference=payment.reference, state=payment.state, next_check_at=due)
        else:
            with set_by_signals(StopSignal(options["time_limit"])) as stop:
                try:
                    for result in _work(payments, options, summary, stop):
                        _report(reporter, result)
                except DATABASE_BUSY as exc:
                    raise CommandError(f"The database cannot be used just now. {redact(str(exc))}") from exc
        sums = asdict(summary)
        del sums["down"]
        reporter.close(
            f"Asked about {summary.asked}: {summary.news} with news, {summary.failed} without an answer. "
            f"Receivers of {summary.announced} notified, {summary.receivers_failed} failed.",
            **sums,
        )
        if summary.stopped and not options["json"]:
            self.stderr.write(f"Stopped early. {summary.stopped}")
        if summary.exit_code and not options["watch"]:
            sys.exit(summary.exit_code)


def _work(
    payments: PaymentQuerySet | None, options: dict[str, Any], summary: Summary, stop: StopSignal
) -> Iterator[Result]:
    how: dict[str, Any] = {name: options[name] for name in ("threads", "rate")}
    if options["announce_again"]:
        if payments is None or not (options["reference"] or options["since"]):
            raise CommandError("--announce-again needs --reference or --since.", returncode=2)
        yield from _notify_again(payments, options["limit"], summary, stop)
    elif options["watch"]:
        yield from watch(**how, summary=summary, stop=stop)
    else:
        started = now()
        yield from run(payments, **how, limit=options["limit"], summary=summary, stop=stop)
        if payments is None:
            yield from notify_undelivered(before=started, summary=summary, stop=stop)


def _notify_again(payments: PaymentQuerySet, limit: int | None, summary: Summary, stop: StopSignal) -> Iterator[Result]:
    for payment in _walk(payments, limit):
        if stop.is_set:
            break
        delivered = transitions.notify_again(payment).delivered
        result = Result(payment, payment.state, asked=False, announced=delivered)
        summary.count(result)
        yield result
    summary.stopped = stop.reason


def _report(reporter: Reporter, result: Result) -> None:
    payment = result.payment
    facts = {"reference": payment.reference, "state": payment.state, "announced": result.announced}
    if not result.asked:
        reporter.line(f"{payment}: {'receivers notified.' if result.announced else FAILED}", **facts)
        return
    reporter.advance()
    lines = [] if result.announced else [f"{payment}: {FAILED}"]
    if result.error is not None:
        lines.insert(0, f"{payment}: {result.error}")
    elif result.news:
        lines.insert(0, f"{payment}: {result.state_before} -> {payment.state}")
    error = None if result.error is None else str(result.error)
    reporter.line("\n".join(lines), **facts, state_before=result.state_before, news=result.news, error=error)


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
        payments = payments.filter(reference__in=options["reference"])
        unknown = set(options["reference"]) - set(payments.values_list("reference", flat=True))
        if unknown:
            raise CommandError(f"No payment has the reference {', '.join(sorted(unknown))}.", returncode=2)
    if options["state"]:
        payments = payments.filter(state__in=options["state"])
    if options["since"]:
        payments = payments.filter(created_at__gte=options["since"])
    return payments


def _to_ask(payments: PaymentQuerySet | None) -> PaymentQuerySet:
    """Return the payments that a run would ask about, in its order: the longest due first, chosen ones by key."""
    chosen = Payment.objects.using(database()).due(now()) if payments is None else payments
    return chosen.filter(reference__isnull=False)


def _listed(payments: PaymentQuerySet | None, limit: int | None) -> Iterator[Payment]:
    found = _to_ask(payments)
    return found[:limit].iterator(READ_AT_ONCE) if payments is None else _walk(found, limit)


def _walk(payments: PaymentQuerySet, limit: int | None) -> Iterator[Payment]:
    return islice(chain.from_iterable(pages(payments, READ_AT_ONCE)), limit)
