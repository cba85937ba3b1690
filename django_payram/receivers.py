"""Receivers that a shop may connect: ``payment_needs_review.connect(mail_managers)``."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.db.models import Count
from django.template.loader import render_to_string
from django.utils import timezone, translation

from django_payram.gateway.redaction import clean_text
from django_payram.models import Payment, Review, ReviewMail, database, is_stale

logger = logging.getLogger("django_payram")

INTERVAL = timedelta(hours=1)
"""The managers get one mail in so much time at most."""


def mail_managers(payment: Payment, **kwargs: Any) -> None:  # noqa: ARG001 - the arguments of a receiver
    """Mail Django's MANAGERS that payments need a person, once the news is committed.

    One mail an hour at most; what comes after it stands in the next one, which polling sends. It tells how many
    payments wait for which reason, and no key, no customer and no address. The templates are
    ``django_payram/review_mail.txt`` and ``django_payram/review_mail_subject.txt``.
    """
    ReviewMail.objects.using(database()).update_or_create(pk=ReviewMail.ONLY, defaults={"is_wanted": True})
    transaction.on_commit(send_due_mail, using=database())


def send_due_mail() -> bool:
    """Mail the managers if payments have come under review since the last mail, an hour ago or more.

    Does nothing in a shop whose ``mail_managers`` was never called. Returns whether a mail was sent; a mail server that
    fails is logged, and the mail is tried again.
    """
    now, rows = timezone.now(), ReviewMail.objects.using(database()).filter(pk=ReviewMail.ONLY)
    due = rows.filter(is_stale("sent_at", after=INTERVAL, now=now), is_wanted=True)
    if not due.update(sent_at=now, is_wanted=False):
        return False
    try:
        return _send()
    except Exception as exc:  # noqa: BLE001 - mail back ends raise whatever they like
        rows.update(sent_at=None, is_wanted=True)
        logger.error("The managers could not be mailed. %s", clean_text(f"{type(exc).__name__}: {exc}"))  # noqa: TRY400
        return False


def _send() -> bool:
    waiting = Payment.objects.using(database()).needing_review()
    counts = dict(waiting.order_by().values_list("review").annotate(count=Count("pk")))
    if not counts:
        # All was settled meanwhile.
        return False
    with translation.override(settings.LANGUAGE_CODE):
        reasons = [(str(review.label), counts[review]) for review in Review if review in counts]
        context = {"reasons": reasons, "count": sum(counts.values())}
        subject = render_to_string("django_payram/review_mail_subject.txt", context).strip()
        mail.mail_managers(subject, render_to_string("django_payram/review_mail.txt", context))
    return True
