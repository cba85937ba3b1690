"""What lies about among the payments: work for a person, and receivers that were never told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db import DatabaseError, transaction
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from django_payram import conf
from django_payram.doctor.findings import Finding, Level
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.states import Review, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise

    from django_payram.doctor.findings import Scope
    from django_payram.models import PaymentQuerySet

ATTEMPT_LOST_AFTER = timedelta(minutes=10)
RECENT = timedelta(days=7)


def payments_of(only: str) -> PaymentQuerySet:
    """Return the payments of one project, or of all for ""."""
    rows = Payment.objects.using(database()).all()
    return rows.filter(project=only) if only else rows


def webhooks_of(only: str) -> QuerySet[PaymentEvent]:
    """Return the traces that webhooks of one project have left, or of all for ""."""
    rows = PaymentEvent.objects.using(database()).filter(source=Source.WEBHOOK)
    return rows.filter(project=only) if only else rows


def left_lying(scope: Scope) -> Iterator[Finding]:
    """Yield what lies about in the database, or that it cannot be read."""
    try:
        with transaction.atomic(using=database()):
            found = [*_heaps(scope), *_reviews(scope), *_orphans(scope)]
    except DatabaseError:
        yield _unreadable()
        return
    yield from found


def _unreadable() -> Finding:
    text = _("The payments cannot be read from the database. Run manage.py migrate, and see that the database is up.")
    return Finding("database", Level.PROBLEM, text)


class Heap(NamedTuple):
    """Rows that should not be there: how grave, which, what to say of some, and of none."""

    check: str
    level: Level
    rows: Callable[[str], PaymentQuerySet | QuerySet[PaymentEvent]]
    some: _StrPromise
    none: _StrPromise


def _pending(only: str) -> PaymentQuerySet:
    return payments_of(only).filter(pending__gt="")


def _creating(only: str) -> PaymentQuerySet:
    before = timezone.now() - ATTEMPT_LOST_AFTER
    return payments_of(only).filter(state=State.CREATING, created_at__lt=before)


def _unmatched(only: str) -> QuerySet[PaymentEvent]:
    since = timezone.now() - RECENT
    return webhooks_of(only).filter(created_at__gte=since, outcome=Outcome.UNMATCHED, payment=None)


def _garbled(only: str) -> QuerySet[PaymentEvent]:
    return webhooks_of(only).filter(created_at__gte=timezone.now() - RECENT, outcome=Outcome.UNREADABLE)


HEAPS = (
    Heap(
        "pending",
        Level.PROBLEM,
        _pending,
        ngettext_lazy(
            "The receivers of %(count)d payment failed, %(age)s ago at the longest. Read the error on the payment in "
            "the admin, mend the receiver, and run payram_resync.",
            "The receivers of %(count)d payments failed, %(age)s ago at the longest. Read the errors on the payments "
            "in the admin, mend the receivers, and run payram_resync.",
            "count",
        ),
        gettext_lazy("All receivers have been told everything."),
    ),
    Heap(
        "creating",
        Level.WARNING,
        _creating,
        ngettext_lazy(
            "%(count)d payment has been without PayRam's answer for more than 10 minutes, %(age)s at the longest. Look "
            "in PayRam's dashboard for its token as invoice id.",
            "%(count)d payments have been without PayRam's answer for more than 10 minutes, %(age)s at the longest. "
            "Look in PayRam's dashboard for their tokens as invoice ids.",
            "count",
        ),
        gettext_lazy("No payment is left without PayRam's answer."),
    ),
    Heap(
        "unmatched",
        Level.WARNING,
        _unmatched,
        ngettext_lazy(
            "%(count)d webhook of the last 7 days was about a payment that is not known here. Find out whether another "
            "shop, or a copy of this one, uses the same PayRam project.",
            "%(count)d webhooks of the last 7 days were about payments that are not known here. Find out whether "
            "another shop, or a copy of this one, uses the same PayRam project.",
            "count",
        ),
        gettext_lazy("Every webhook of the last 7 days was about a payment of this shop."),
    ),
    Heap(
        "unreadable",
        Level.WARNING,
        _garbled,
        ngettext_lazy(
            "%(count)d webhook of the last 7 days could not be read. Look at it among the payment events in the admin.",
            "%(count)d webhooks of the last 7 days could not be read. Look at them among the payment events in the "
            "admin.",
            "count",
        ),
        gettext_lazy("Every webhook of the last 7 days could be read."),
    ),
)

# Since when a row lies there: a payment whose receivers failed had its news then.
SINCE = {"pending": "updated_at"}


def _heaps(scope: Scope) -> Iterator[Finding]:
    for heap in HEAPS:
        told = heap.rows(scope.only).aggregate(count=Count("pk"), oldest=Min(SINCE.get(heap.check, "created_at")))
        if not told["count"]:
            yield Finding(heap.check, Level.OK, str(heap.none))
            continue
        text = heap.some % {"count": told["count"], "age": timesince(told["oldest"], depth=1)}
        yield Finding(heap.check, heap.level, text)


def _reviews(scope: Scope) -> Iterator[Finding]:
    rows = payments_of(scope.only).needing_review().values_list("review").annotate(count=Count("pk")).order_by("review")
    for review, count in rows:
        text = ngettext(
            "%(count)d payment is held up for review: %(reason)s. Accept or resolve it in the admin.",
            "%(count)d payments are held up for review: %(reason)s. Accept or resolve them in the admin.",
            count,
        )
        yield Finding("review", Level.WARNING, text % {"count": count, "reason": Review(review).label})
    if not rows:
        yield Finding("review", Level.OK, _("No payment is held up for review."))


def _orphans(scope: Scope) -> Iterator[Finding]:
    """Yield the projects that payments on the schedule belong to and that the setting no longer has."""
    if scope.only:
        return
    for project in sorted({*payments_of("").projects()} - {*conf.names()}):
        count = payments_of(project).scheduled().count()
        if not count:
            continue
        text = ngettext(
            "%(count)d payment still waits in this project, which is not in PAYRAM. Put the project back, with ENABLED "
            "set to False.",
            "%(count)d payments still wait in this project, which is not in PAYRAM. Put the project back, with "
            "ENABLED set to False.",
            count,
        )
        yield Finding("missing-project", Level.PROBLEM, text % {"count": count}, project)
