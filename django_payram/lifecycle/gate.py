"""The gate: the one place where a payment's state is written and where signals are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from django_payram.lifecycle.entry import Entry
from django_payram.models import Outcome, Payment, Source, database

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.wire import Report


@dataclass(frozen=True)
class Recorded:
    """What became of a report: the payment as it is now, whether it was news, and whether receivers succeeded."""

    payment: Payment
    news: bool
    announced: bool


def record(
    payment: Payment,
    report: Report,
    *,
    source: Source,
    asked_at: datetime | None = None,
    url: str = "",
    payload: str = "",
    actor: str = "",
) -> Recorded:
    """Record what PayRam says of ``payment`` and tell the receivers, in one transaction.

    ``asked_at`` is when PayRam was asked, None for a payload that is trusted without asking. ``url`` is the payment
    page, known only from the create call. ``payload`` and ``actor`` (a user name) are kept on the timeline.

    A receiver that raises does not raise here: the state commits, ``announced`` is False, and the next occasion tries
    again. Raises Payment.DoesNotExist when the row is gone, and Django's database errors.
    """
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=source, payload=payload, actor=actor)
        entry.hear(report, asked_at=asked_at, url=url)
        return _finish(entry)


def failed(payment: Payment, *, outcome: Outcome, error: str, reference: str | None = None) -> Payment:
    """Record that the create call got no link: REFUSED makes the payment FAILED, UNKNOWN leaves it CREATING."""
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=Source.CHECKOUT)
        entry.fail(outcome, error=error, reference=reference)
        return _finish(entry).payment


def doubt(payment: Payment, *, reference: str) -> Recorded:
    """Let a person look at a payment to which ``reference`` may belong: PayRam could not say."""
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=Source.WEBHOOK)
        entry.doubt(reference)
        return _finish(entry)


def announce(payment: Payment, *, source: Source = Source.RESYNC) -> Recorded:
    """Tell receivers what they have not been told yet. A payment with nothing pending is left alone."""
    with transaction.atomic(using=database()):
        return _finish(Entry(payment, source=source))


def announce_again(payment: Payment, *, source: Source = Source.ADMIN, actor: str = "") -> Recorded:
    """Tell receivers the present truth once more, whether or not they were told before."""
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=source, actor=actor)
        entry.repeat()
        return _finish(entry)


def accept(payment: Payment, *, reason: str, actor: str) -> Recorded:
    """Let a payment that is held because of its amount count as paid. Raises ValueError when it is not held."""
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=Source.ADMIN, actor=actor)
        if not entry.root.is_held:
            raise ValueError("Only a payment that is filled and held can be accepted.")
        entry.unflag(Outcome.ACCEPTED, note=reason)
        entry.pay()
        return _finish(entry)


def resolve(payment: Payment, *, reason: str, actor: str) -> Recorded:
    """Clear a payment's review. Nothing becomes paid by it. Raises ValueError when there is nothing to resolve."""
    with transaction.atomic(using=database()):
        entry = Entry(payment, source=Source.ADMIN, actor=actor)
        if not entry.root.review:
            raise ValueError("The payment is not under review.")
        entry.unflag(Outcome.RESOLVED, note=reason)
        return _finish(entry)


def _finish(entry: Entry) -> Recorded:
    announced = entry.commit()
    return Recorded(payment=entry.row, news=entry.news, announced=announced)
