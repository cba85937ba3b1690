"""Telling receivers, each signal in a savepoint of its own."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import OperationalError, connections, transaction

from django_payram.conf import redact
from django_payram.models import Payment, database
from django_payram.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("django_payram")

ERROR_LIMIT = 500


class TransactionBroken(Exception):
    """A receiver marked the transaction for rollback without raising."""


def with_receivers(names: Iterable[str]) -> list[str]:
    """Return the signals among ``names`` that somebody listens to, in the order in which they are sent."""
    wanted = set(names)
    return [name for name, signal in SIGNALS.items() if name in wanted and signal.has_listeners(Payment)]


@dataclass
class Told:
    """How telling the receivers went: signal name to the receiver's error, and what stopped it, if anything did."""

    failures: dict[str, str] = field(default_factory=dict)
    interrupt: BaseException | None = None


def tell(payment: Payment, names: Iterable[str], *, previous_state: str) -> Told:
    """Send the named signals. Must run inside the transaction that records the news.

    A server that stops its worker in the middle of a receiver (SystemExit, KeyboardInterrupt) stops the telling, not
    the recording: the signal counts as failed, those after it are not sent, and the caller raises ``interrupt`` once
    all that is committed.
    """
    told = Told()
    for name in with_receivers(names):
        if told.interrupt is not None:
            told.failures[name] = f"{name}: not sent, the process was being stopped"
        elif error := _send(name, payment, told, previous_state=previous_state):
            told.failures[name] = error
    return told


def _refuse_rollback(using: str) -> None:
    if transaction.get_rollback(using):
        raise TransactionBroken("A receiver marked the transaction for rollback.")


def _send(name: str, payment: Payment, told: Told, *, previous_state: str) -> str:
    extra = {
        "payment_needs_review": {"reason": payment.review},
        "payment_updated": {"previous_state": previous_state},
    }
    using = database()
    try:
        with transaction.atomic(using=using):
            SIGNALS[name].send(sender=Payment, payment=payment, **extra.get(name, {}))
            _refuse_rollback(using)
    except BaseException as exc:
        if connections[using].needs_rollback:
            # A deadlock has undone the whole transaction, the payment's new state included: all of it comes again.
            raise OperationalError(f"A receiver of {name} lost the transaction.") from exc
        if not isinstance(exc, Exception):
            told.interrupt = exc
        # Not logger.exception: what a shop's receiver says may quote a key, and tracebacks repeat it.
        trace = redact(traceback.format_exc())
        logger.error("A receiver of %s failed for payment %s.\n%s", name, payment.token, trace)  # noqa: TRY400
        return redact(f"{name}: {type(exc).__name__}: {exc}")[:ERROR_LIMIT]
    return ""
