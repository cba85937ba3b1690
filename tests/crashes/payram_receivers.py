"""Work after the commit, in which a process may be killed."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import receiver

from django_payram.signals import payment_paid
from tests.crashes.crash_points import crash_if_armed


@receiver(payment_paid)
def work_after_commit(sender, payment, **kwargs):
    transaction.on_commit(lambda: crash_if_armed("on_commit"))
