"""A receiver that fails while a file is there: after the shop's own has written, so that its work must be undone."""

from __future__ import annotations

import os
from pathlib import Path

from django.dispatch import receiver

from benchmarks.chaos import FAILING
from django_payram.signals import payment_canceled, payment_paid, payment_refunded


@receiver([payment_paid, payment_canceled, payment_refunded])
def fail_at_times(sender, payment, **kwargs):  # noqa: ARG001 - a receiver's signature
    """Raise while the file is there."""
    if Path(os.environ[FAILING]).exists():
        raise RuntimeError("The shop's receiver is broken just now.")
