"""Asking PayRam about one payment, and recording what it says."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramError, PayramRefused
from django_payram.gateway.client import client_for
from django_payram.models import CRASHED_AFTER, Payment, Source, database, is_recent, is_stale, log_fields
from django_payram.payments import rules, transitions

if TYPE_CHECKING:
    from django_payram.gateway.client import Client
    from django_payram.gateway.payloads import PaymentUpdate
    from django_payram.payments.transitions import TransitionResult

logger = logging.getLogger("django_payram")

FRESH = timedelta(seconds=4)
"""A status page asks PayRam at most this often."""

PAGE_DEADLINE = 5.0
"""Seconds that a status page waits for PayRam."""


def refresh(payment: Payment, *, source: Source = Source.RESYNC, client: Client | None = None) -> Payment:
    """Ask PayRam about ``payment``, record the answer, and return the payment as it is now (the same instance).

    What receivers have yet to be sent is sent, also when PayRam cannot be asked. A receiver that raises does not raise
    here; it stays on the payment as ``undelivered`` and ``announce_error``.

    Raises PayramUnavailable, PayramRefused (PayRam answers 401 for a reference it does not know) and PayramDataError,
    also for a payment that has no reference yet.
    """
    try:
        fetch_and_apply(payment, source=source, client=client)
    except (PayramError, ImproperlyConfigured):
        payment.refresh_from_db(using=database())
        if (payment.parent or payment).undelivered:
            transitions.notify(payment, source=source)
        raise
    finally:
        payment.refresh_from_db(using=database())
    return payment


arefresh = sync_to_async(refresh)
"""Do what :func:`refresh` does, for code that must not block."""


def refresh_if_stale(payment: Payment) -> Payment:
    """Return ``payment`` as PayRam knows it, asking at most every few seconds and never for long.

    For pages that a customer looks at: if PayRam cannot be asked, what is recorded must do.
    """
    settled = payment.is_paid or payment.is_filled
    if payment.reference is None or (settled and not payment.undelivered):
        return payment
    try:
        if _claim_check(payment):
            project = conf.project(payment.project)
            client = client_for(replace(project, deadline=min(project.deadline, PAGE_DEADLINE)))
            fetch_and_apply(payment, source=Source.RETURN, client=client)
            payment.refresh_from_db(using=database())
    except (PayramError, ImproperlyConfigured, DatabaseError, InterfaceError) as exc:
        logger.warning(
            "PayRam could not be asked for the status page of %s. %s", payment.token, exc, extra=log_fields(payment)
        )
    return payment


def _claim_check(payment: Payment) -> bool:
    """Claim the right to ask now; of many pages that are open at once, one gets it."""
    now = timezone.now()
    # A time in the future was written by a wrong clock, and means nothing.
    if payment.checked_at is not None and now - FRESH < payment.checked_at <= now:
        return False
    # The row itself decides: what was read of it may be out of date, and comes from a cache in some shops.
    stale = is_stale("checked_at", after=FRESH, now=now)
    return Payment.objects.using(database()).filter(stale, pk=payment.pk).update(checked_at=now) > 0


def record_denial(payment: Payment, error: Exception, *, source: Source) -> None:
    """Count that PayRam does not know the reference, if that is what the error says: the order may need another link.

    Not within the first minutes: PayRam may need a moment to show a payment that it has made.
    """
    denied = isinstance(error, PayramRefused) and error.is_denial and payment.reference is not None
    is_new = is_recent(payment.created_at, within=CRASHED_AFTER, now=timezone.now())
    if denied and payment.denials < rules.DENIALS and not is_new:
        transitions.apply(payment, rules.Denial(), source=source)


def fetch_and_apply(
    payment: Payment, *, source: Source, client: Client | None = None, hint: PaymentUpdate | None = None
) -> TransitionResult:
    """Ask PayRam about ``payment`` and apply the answer; no lock is held while PayRam is asked.

    ``hint`` is the webhook that made us ask: it may tell the reference of a payment that has none yet, and a sum that
    the answer lacks. Raises the errors of :func:`refresh`.
    """
    reference = payment.reference or (hint and hint.reference)
    if not reference:
        raise PayramDataError(f"The payment {payment.token} has no reference yet, so PayRam cannot be asked.")
    client = client or client_for(conf.project(payment.project))
    try:
        answer = replace(client.fetch(reference, customer_id=payment.customer_id or None), reference=reference)
    except PayramRefused as exc:
        record_denial(payment, exc, source=source)
        raise
    if hint is None:
        return transitions.apply(payment, answer, source=source)
    return transitions.apply(payment, rules.completed(answer, hint), source=source, payload=hint.payload)
