"""The gate: the one place where a payment's state is written and where signals are sent."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, transaction

from django_payram import conf
from django_payram.lifecycle.entry import Entry
from django_payram.models import Outcome, Payment, Source, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django_payram.wire import Report

logger = logging.getLogger("django_payram")


@dataclass(frozen=True)
class Recorded:
    """What became of a report: the payment as it is now, whether it was news, and whether receivers succeeded."""

    payment: Payment
    news: bool
    announced: bool


@contextmanager
def _entry(payment: Payment, *, source: Source, payload: str = "", actor: str = "") -> Iterator[Entry]:
    """Make one entry in one transaction: lock, let the caller decide, write, tell the receivers."""
    written = False
    try:
        with transaction.atomic(using=database()):
            entry = Entry(payment, source=source, payload=payload, actor=actor)
            yield entry
            entry.commit()
            written = True
    except Exception as exc:
        if not written or isinstance(exc, DatabaseError | InterfaceError):
            raise
        # Not the commit failed but what a receiver left for after it, which must not keep the next payment from being
        # heard.
        trace = conf.redact(traceback.format_exc())
        logger.error("on_commit work of a receiver failed for payment %s.\n%s", payment.token, trace)  # noqa: TRY400
    if entry.interrupt is not None:
        # The server stops this process. What PayRam said is safe now; the receivers will be told again.
        raise entry.interrupt


def _recorded(entry: Entry) -> Recorded:
    return Recorded(payment=entry.row, news=entry.news, announced=entry.announced)


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
    with _entry(payment, source=source, payload=payload, actor=actor) as entry:
        entry.hear(report, asked_at=asked_at, url=url)
    return _recorded(entry)


def failed(payment: Payment, *, outcome: Outcome, error: str, reference: str | None = None) -> Payment:
    """Record that the create call got no link: REFUSED makes the payment FAILED, UNKNOWN leaves it CREATING."""
    with _entry(payment, source=Source.CHECKOUT) as entry:
        entry.fail(outcome, error=error, reference=reference)
    return entry.row


def doubt(payment: Payment, *, reference: str) -> Recorded:
    """Let a person look at a payment to which ``reference`` may belong: PayRam could not say."""
    with _entry(payment, source=Source.WEBHOOK) as entry:
        entry.doubt(reference)
    return _recorded(entry)


def announce(payment: Payment, *, source: Source = Source.RESYNC) -> Recorded:
    """Tell receivers what they have not been told yet. A payment with nothing pending is left alone."""
    with _entry(payment, source=source) as entry:
        pass
    return _recorded(entry)


def announce_again(payment: Payment, *, source: Source = Source.ADMIN, actor: str = "") -> Recorded:
    """Tell receivers the present truth once more, whether or not they were told before."""
    with _entry(payment, source=source, actor=actor) as entry:
        entry.repeat()
    return _recorded(entry)


def accept(payment: Payment, *, reason: str, actor: str) -> Recorded:
    """Let a payment that is held because of its amount count as paid. Raises ValueError when it is not held."""
    with _entry(payment, source=Source.ADMIN, actor=actor) as entry:
        if not entry.root.is_held:
            raise ValueError("Only a payment that is filled and held can be accepted.")
        entry.unflag(Outcome.ACCEPTED, note=reason)
        entry.pay()
    return _recorded(entry)


def resolve(payment: Payment, *, reason: str, actor: str) -> Recorded:
    """Clear a payment's review. Nothing becomes paid by it. Raises ValueError when there is nothing to resolve."""
    with _entry(payment, source=Source.ADMIN, actor=actor) as entry:
        if not entry.root.review:
            raise ValueError("The payment is not under review.")
        entry.unflag(Outcome.RESOLVED, note=reason)
    return _recorded(entry)
