"""Work after the commit, for a process that dies there."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import receiver

from django_payram.signals import payment_paid
from tests.crashes.points import reach


@receiver(payment_paid)
def work_after_commit(sender, payment, **kwargs):
    transaction.on_commit(lambda: reach("on_commit"))
