"""Runs of the worker, and payments that are due."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from django_payram.models import Payment
from django_payram.payments import open_payment
from django_payram.polling import worker


def open_due(count):
    """Open payments of different amounts that are due, like all that there are."""
    opened = [open_payment(amount=Decimal(10 + number), email="buyer@example.org") for number in range(count)]
    due()
    return opened


def due(when=None):
    Payment.objects.update(next_check_at=when or timezone.now() - timedelta(seconds=1))


def run(*args, **options):
    summary = worker.Summary()
    return list(worker.run(*args, summary=summary, **options)), summary


def asked(payram):
    return [call.path for call in payram.sandbox.calls if call.method == "GET"]
