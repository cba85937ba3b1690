"""Asking PayRam about one payment, and recording what it says."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from django_payram import conf
from django_payram.client import client_for
from django_payram.exceptions import PayramDataError, PayramError
from django_payram.lifecycle import ratchet
from django_payram.lifecycle.gate import Recorded, record
from django_payram.models import Payment, Source, database

if TYPE_CHECKING:
    from django_payram.client import Client
    from django_payram.wire import Report


logger = logging.getLogger("django_payram")

FRESH = timedelta(seconds=4)
"""A status page asks PayRam at most this often."""

PATIENCE_SECONDS = 5.0
"""How long a status page waits for PayRam."""


def refresh(payment: Payment, *, source: Source = Source.RESYNC, client: Client | None = None) -> Payment:
    """Ask PayRam about ``payment``, record the answer, and return the payment as it is now (the same instance).

    A receiver that raises does not raise here; it stays on the payment as ``pending`` and ``announce_error``.
    Raises PayramUnavailable, PayramRefused (PayRam answers 401 for a reference it does not know) and PayramDataError,
    also for a payment that has no reference yet.
    """
    ask_and_record(payment, source=source, client=client)
    payment.refresh_from_db(using=database())
    return payment


def freshen(payment: Payment) -> Payment:
    """Return ``payment`` as PayRam knows it, asking at most every few seconds and never for long.

    For pages that a customer looks at: if PayRam cannot be asked, what is recorded must do.
    """
    settled = payment.is_paid or payment.is_filled
    if payment.reference is None or (settled and not payment.pending):
        return payment
    try:
        if not _claim(payment):
            return payment
        return refresh(payment, source=Source.RETURN, client=_quick_client(payment.project))
    except (PayramError, ImproperlyConfigured, DatabaseError, InterfaceError) as exc:
        logger.warning("PayRam could not be asked for the status page of %s. %s", payment.token, exc)
        return payment


def _quick_client(name: str) -> Client:
    project = conf.project(name)
    return client_for(replace(project, deadline=min(project.deadline, PATIENCE_SECONDS)))


def _claim(payment: Payment) -> bool:
    """Take the right to ask now; of many pages that are open at once, one gets it."""
    now = timezone.now()
    if payment.checked_at is not None and payment.checked_at > now - FRESH:
        return False
    row = Payment.objects.using(database()).filter(pk=payment.pk, checked_at=payment.checked_at)
    return row.update(checked_at=now) > 0


def ask_and_record(
    payment: Payment,
    *,
    source: Source,
    client: Client | None = None,
    hint: Report | None = None,
    payload: str = "",
) -> Recorded:
    """Ask PayRam about ``payment`` and record the answer; no lock is held while PayRam is asked.

    ``hint`` is the webhook that made us ask: it may tell the reference of a payment that has none yet, and a sum that
    the answer lacks.
    """
    reference = payment.reference or (hint and hint.reference)
    if not reference:
        raise PayramDataError(f"The payment {payment.token} has no reference yet, so PayRam cannot be asked.")
    asked_at = timezone.now()
    client = client or client_for(conf.project(payment.project))
    answer = replace(client.fetch(reference, customer_id=payment.customer_id or None), reference=reference)
    report = ratchet.completed(answer, hint) if hint else answer
    return record(payment, report, source=source, asked_at=asked_at, payload=payload)
