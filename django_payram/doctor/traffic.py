"""Whether news of payments still come, by webhook and by resync."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_payram.doctor.books import RECENT, payments_of, webhooks_of
from django_payram.doctor.findings import Finding, Level
from django_payram.models import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django_payram.conf import Project
    from django_payram.doctor.findings import Scope
    from django_payram.models import PaymentQuerySet

OVERDUE_AFTER = timedelta(minutes=15)
YOUNG = timedelta(hours=1)
"""Payments as young as this are asked about most often, so that the newest check is usually one of theirs."""


def news(scope: Scope) -> Iterator[Finding]:
    """Yield how news of each project come; nothing when the database cannot be read, which ``left_lying`` tells."""
    try:
        with transaction.atomic(using=database()):
            found = [ask(project) for project in scope.projects for ask in (_last_webhook, _last_resync)]
    except DatabaseError:
        return
    yield from found


def _last_webhook(project: Project) -> Finding:
    """Only webhooks with news leave a trace, so that silence alone proves nothing: payments that were paid do."""
    paid = payments_of(project.name).paid().filter(created_at__gte=timezone.now() - RECENT)
    was_told = webhooks_of(project.name).filter(payment__in=paid).exists()
    if not was_told and (count := paid.count()):
        text = ngettext(
            "%(count)d payment of the last 7 days was paid, and no webhook told of it. Check the webhook URL in "
            "PayRam, and send a test webhook.",
            "%(count)d payments of the last 7 days were paid, and no webhook told of any. Check the webhook URL in "
            "PayRam, and send a test webhook.",
            count,
        )
        return Finding("webhooks", Level.WARNING, text % {"count": count}, project.name)
    newest = webhooks_of(project.name).order_by("-created_at").values_list("created_at", flat=True).first()
    if newest is None:
        return Finding("webhooks", Level.OK, _("No webhook has brought news yet."), project.name)
    text = _("The last webhook with news came %(age)s ago.") % {"age": timesince(newest, depth=1)}
    return Finding("webhooks", Level.OK, text, project.name)


def _last_resync(project: Project) -> Finding:
    payments = payments_of(project.name)
    overdue = payments.due(timezone.now() - OVERDUE_AFTER).count()
    if overdue:
        text = ngettext(
            "%(count)d payment has been due for more than 15 minutes: payram_resync does not run. Run it every minute.",
            "%(count)d payments have been due for more than 15 minutes: payram_resync does not run, or does not keep "
            "up. Run it every minute.",
            overdue,
        )
        return Finding("resync", Level.PROBLEM, text % {"count": overdue}, project.name)
    newest = _newest_check(payments.filter(created_at__gte=timezone.now() - YOUNG)) or _newest_check(payments)
    if newest is None:
        return Finding("resync", Level.OK, _("There was no payment to ask PayRam about yet."), project.name)
    text = _("No payment is overdue; PayRam was last asked about one %(age)s ago.")
    return Finding("resync", Level.OK, text % {"age": timesince(newest, depth=1)}, project.name)


def _newest_check(payments: PaymentQuerySet) -> datetime | None:
    newest: datetime | None = payments.aggregate(newest=Max("checked_at"))["newest"]
    return newest
