"""What each index is for: the same question with it and without it.

python -m benchmarks.indexes --payments 1000000

An index costs something whenever a payment changes, so one stays only if it makes a question at least twice as quick.
Indexes of what is unique are there for that, and are not measured.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from benchmarks import rows
from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Comparison, Results, at_most, compared

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import psycopg

    from benchmarks.stage.environment import Environment

MOST_OF_WITHOUT = 0.5
ONE_OF = 10
"""One webhook was kept for so many payments, and one refund recorded."""
LOOKED_UP = 1
"""The number of a payment that is in every history."""
NEWEST = 500
"""Rows of a list."""


def questions() -> dict[str, tuple[str, Callable[[], object]]]:
    """Return for each index what is asked of it, and how."""
    from django.utils import timezone  # noqa: PLC0415 - Django is set up only now

    from django_payram.admin.search import matching  # noqa: PLC0415
    from django_payram.models import Payment, PaymentEvent, Refund, Status  # noqa: PLC0415
    from django_payram.payments import webhooks  # noqa: PLC0415
    from django_payram.payments.matching import likely_owner  # noqa: PLC0415
    from django_payram.reports.figures import Range, figures  # noqa: PLC0415

    payments, events = Payment.objects.all(), PaymentEvent.objects.order_by("-created_at", "-pk")
    newest = payments.order_by("-created_at", "-pk")
    known = payments.get(reference=rows.reference(LOOKED_UP))

    def search() -> object:
        return list(matching(payments, "nobody@example.org"))

    def overview() -> object:
        today = Range().day_of(timezone.now())
        return figures(Range(today - timedelta(days=29), today), by="day")

    def kept() -> object:
        return webhooks.may_be_about(known)

    def listed(queryset: object) -> Callable[[], object]:
        return lambda: list(queryset.values_list("pk", flat=True)[:NEWEST])

    search_words = "a search in the admin"
    return {
        "payram_payment_scheduled": ("what a resync takes next", listed(payments.due(timezone.now()))),
        "payram_payment_undelivered": ("payments whose receivers failed", listed(payments.undelivered())),
        "payram_payment_order": (
            "the payments of an order",
            listed(payments.filter(order_id=known.order_id, order_type=known.order_type_id)),
        ),
        "payram_payment_customer": (
            "whose an unknown reference is",
            lambda: likely_owner(known.project, "nobody"),
        ),
        "payram_payment_parent": ("what tops up a payment", listed(payments.filter(parent=known.pk))),
        "payram_payment_anyemail": (search_words, search),
        "payram_payment_anyaddress": (search_words, search),
        "payram_payment_transaction": (search_words, search),
        "payram_payment_number": (search_words, search),
        "payram_payment_created": ("the list in the admin", listed(newest)),
        "payram_payment_state": ("waiting payments", listed(newest.with_status(Status.WAITING))),
        "payram_payment_rare": ("held payments", listed(newest.with_status(Status.HELD))),
        "payram_payment_review": ("payments under review", listed(newest.needing_review())),
        "payram_payment_project": ("the projects to choose from", payments.projects),
        "payram_payment_paid": ("the overview of thirty days", overview),
        "payram_event_created": ("the events in the admin", listed(events)),
        "payram_event_outcome": ("events by outcome", listed(events.filter(outcome="unreadable"))),
        "payram_event_source": ("events by source", listed(events.filter(source="admin"))),
        "payram_event_reference": ("the events of a reference", listed(events.filter(reference=known.reference))),
        "payram_event_customer": ("webhooks that were kept for a new payment", kept),
        "payram_refund_created": ("the first refund", listed(Refund.objects.order_by("created_at"))),
        "payram_event_retry": ("kept webhooks that are due", webhooks.retry_kept_webhooks),
    }


def keep_webhooks(count: int) -> None:
    """Keep webhooks about payments that are none of this shop's: another program uses the same project of PayRam."""
    from django_payram.models import Outcome, PaymentEvent, Source  # noqa: PLC0415 - Django is set up only now

    facts = {"project": "default", "outcome": Outcome.UNMATCHED, "source": Source.WEBHOOK, "note": "FILLED"}
    PaymentEvent.objects.bulk_create(
        (PaymentEvent(**facts, reference=f"other-{number}", customer_id=f"other-{number}") for number in range(count)),
        batch_size=2_000,
    )


def record_refunds(count: int) -> None:
    """Send a dollar of the newest payments back, an hour after each other."""
    from django.utils import timezone  # noqa: PLC0415 - Django is set up only now

    from django_payram.models import Payment, Refund  # noqa: PLC0415

    keys = Payment.objects.order_by("-pk").values_list("pk", flat=True)[:count]
    times = (timezone.now() - number * timedelta(hours=1) for number in range(count))
    refunds = (Refund(payment_id=key, amount_usd=1, created_at=time) for key, time in zip(keys, times, strict=False))
    Refund.objects.bulk_create(refunds, batch_size=2_000)


def milliseconds(ask: Callable[[], object]) -> float:
    """Return how long an answer takes."""
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


def compare(
    database: psycopg.Connection, index: str, words: str, ask: Callable[[], object], *, rounds: int, payments: int
) -> Comparison:
    """Ask with the index, drop it, ask again, and make it anew."""
    ask()
    with_index = [milliseconds(ask) for _ in range(rounds)]
    (definition,) = database.execute("SELECT pg_get_indexdef(%s::regclass)", [index]).fetchone() or ()
    database.execute(f"DROP INDEX {index}")
    try:
        ask()
        without = [milliseconds(ask) for _ in range(rounds)]
    finally:
        database.execute(definition)
        rows.ready(database)
    return compared(
        "indexes",
        f"``{index}``: {words}",
        "ms",
        product=with_index,
        floor=without,
        floor_name="without it",
        goal=at_most(MOST_OF_WITHOUT),
        payments=payments,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument("--payments", type=positive, default=1_000_000, help="rows there are (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds (default: %(default)s)")


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Compare every question with and without its index."""
    rows.history(environment.database, upto=options.payments)
    keep_webhooks(options.payments // ONE_OF)
    record_refunds(options.payments // ONE_OF)
    rows.ready(environment.database)
    return Results(
        comparisons=[
            compare(environment.database, index, words, ask, rounds=options.rounds, payments=options.payments)
            for index, (words, ask) in questions().items()
        ]
    )


BENCHMARK = Benchmark("indexes", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
