"""Sending signals to receivers, each in a savepoint of its own."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import OperationalError, connections, transaction

from django_payram.gateway.redaction import clean_text
from django_payram.models import Payment, Refund, database, log_fields
from django_payram.signals import SIGNALS, payment_refunded

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("django_payram")

ERROR_LIMIT = 500


class TransactionBroken(Exception):
    """A receiver marked the transaction for rollback without raising."""


@dataclass
class DeliveryResult:
    """What became of a delivery: the error of each signal that failed, and what stopped it, if anything did."""

    failures: dict[str, str] = field(default_factory=dict)
    interrupt: BaseException | None = None


def listened() -> set[str]:
    """Return the names of the signals that somebody in this process listens to."""
    return {name for name, signal in SIGNALS.items() if signal.has_listeners(Payment)}


def deliver(payment: Payment, names: Iterable[str], *, previous_state: str) -> DeliveryResult:
    """Send the named signals. Must run inside the transaction that records the news.

    A server that stops its worker in the middle of a receiver (SystemExit, KeyboardInterrupt) stops the delivery, not
    the recording: the signal counts as failed, those after it are not sent, and the caller raises ``interrupt`` once
    all that is committed. Raises OperationalError when a receiver lost the transaction, by a deadlock for instance.
    """
    result = DeliveryResult()
    for name in names:
        if result.interrupt is not None:
            result.failures[name] = f"{name}: not sent, the process was being stopped"
        elif error := _send(name, payment, result, previous_state=previous_state):
            result.failures[name] = error
    return result


def _send(name: str, payment: Payment, result: DeliveryResult, *, previous_state: str) -> str:
    """Send one signal. Return the error of the receiver that failed, ``""`` when all succeeded."""
    using, signal = database(), SIGNALS[name]
    try:
        with transaction.atomic(using=using):
            if name == "payment_refunded":
                _announce_refunds(payment)
            else:
                signal.send(sender=Payment, payment=payment, **signal.arguments(payment, previous_state))
            _refuse_rollback(using)
    except BaseException as exc:
        if connections[using].needs_rollback:
            # A deadlock has undone the whole transaction, the payment's new state included: all of it comes again.
            raise OperationalError(f"A receiver of {name} lost the transaction.") from exc
        if not isinstance(exc, Exception):
            result.interrupt = exc
        # Not logger.exception: what a shop's receiver says may quote a key, and tracebacks repeat it.
        trace = clean_text(traceback.format_exc())
        logger.error(  # noqa: TRY400
            "A receiver of %s failed for payment %s.\n%s", name, payment.token, trace, extra=log_fields(payment)
        )
        return clean_text(f"{name}: {type(exc).__name__}: {exc}")[:ERROR_LIMIT]
    return ""


def _announce_refunds(payment: Payment) -> None:
    """Send one signal for each refund that was not announced, or for all of them when a person asks for it again."""
    refunds = Refund.objects.using(database()).filter(payment=payment).order_by("pk")
    new = refunds.filter(is_announced=False)
    for refund in list(new) or list(refunds):
        payment_refunded.send(sender=Payment, payment=payment, refund=refund)
    new.update(is_announced=True)


def _refuse_rollback(using: str) -> None:
    if transaction.get_rollback(using):
        raise TransactionBroken("A receiver marked the transaction for rollback.")
