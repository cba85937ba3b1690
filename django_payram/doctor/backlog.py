"""What waits in the database and for how long, and whether PayRam's webhooks arrive."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, transaction
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from django_payram import conf
from django_payram.doctor.checks import Finding, Level
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.models.states import Review, State
from django_payram.signals import payment_needs_review

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from django_payram.doctor.checks import Scope
    from django_payram.models import PaymentQuerySet

UNANSWERED_AFTER, OVERDUE_AFTER, RECENT = timedelta(minutes=10), timedelta(minutes=15), timedelta(days=7)

# What waits and what to do about it, by the name of the finding.
TEXTS = MappingProxyType(
    {
        "undelivered": (
            _("Payments with undelivered signals"),
            _("Correct the failing receiver, and run payram_resync."),
        ),
        "unscheduled": (_("Open payments off the schedule"), _("Compare clocks, and run payram_resync --state OPEN.")),
        "missing-project": (_("Payments whose project is not in PAYRAM"), _("Put it back, with ENABLED set to False.")),
        "resync": (_("Payments overdue for more than 15 minutes"), _("Run payram_resync every minute.")),
        "creating": (_("Payments without PayRam's answer"), _("Look for their tokens in PayRam's dashboard.")),
        "order-model": (
            _("Payments of orders whose model is gone"),
            _("If an app or a model was renamed, rename its old content type; a new one of that name must go first."),
        ),
        "review": (_("Payments to review"), _("Accept or resolve them in the admin.")),
        "unmatched": (_("Recent webhooks about unknown payments"), _("Find out who else uses this PayRam project.")),
        "unreadable": (_("Recent webhooks that cannot be read"), _("Look at the payment events in the admin.")),
    }
)
WARNINGS = frozenset({"creating", "order-model", "review", "unmatched", "unreadable"})
ORDER_MODEL_GONE = _("Payments of orders whose model is gone (%(models)s)")
SOME = _("%(what)s: %(count)d, for %(age)s at the longest. %(advice)s")
UNHEARD = _(
    "Payments need review, and no receiver of payment_needs_review is connected, so that nobody is told. Connect "
    "django_payram.receivers.mail_managers, or a receiver of your own."
)
NO_WEBHOOK, LAST_WEBHOOK = _("No webhook has brought news yet."), _("The last webhook with news came %(age)s ago.")
ONLY_POLLING = _("Payments settle only by polling: %(count)d in 7 days. Check the webhook URL in PayRam, and test it.")


def check_backlog(scope: Scope) -> Iterator[Finding]:
    """Yield what waits for PayRam, the receivers or a person, and whether payments settle by webhook."""
    try:
        # An error inside a transaction of its own leaves the connection usable for the rest of the admin's page.
        with transaction.atomic(using=database()):
            yield from list(_backlog(scope))
    except DatabaseError:
        text = _("The payments cannot be read. Run manage.py migrate, and see that the database is up.")
        yield Finding("database", Level.PROBLEM, str(text))


def _backlog(scope: Scope) -> Iterator[Finding]:
    now = timezone.now()
    project = {"project": scope.project} if scope.project else {}
    payments = Payment.objects.using(database()).filter(**project)
    webhooks = PaymentEvent.objects.using(database()).filter(source=Source.WEBHOOK, **project)
    recent = webhooks.filter(created_at__gte=now - RECENT)
    unanswered = payments.filter(state=State.CREATING, created_at__lt=now - UNANSWERED_AFTER)
    yield _waiting("undelivered", payments.undelivered(), "updated_at")
    yield _waiting("unscheduled", payments.open().filter(reference__isnull=False, next_check_at=None), "created_at")
    yield _waiting("creating", unanswered, "created_at")
    yield _waiting("unmatched", recent.filter(outcome=Outcome.UNMATCHED, payment=None), "created_at")
    yield _waiting("unreadable", recent.filter(outcome=Outcome.UNREADABLE), "created_at")
    types = ContentType.objects.using(database())
    gone = {kind.pk: f"{kind.app_label}.{kind.model}" for kind in types if kind.model_class() is None}
    of_gone_models = payments.filter(order_type__in=gone)
    found = of_gone_models.order_by("order_type").values_list("order_type", flat=True).distinct()
    what = ORDER_MODEL_GONE % {"models": ", ".join(gone[key] for key in found)}
    yield _waiting("order-model", of_gone_models, "created_at", what=what)
    reviews = payments.needing_review()
    for reason in reviews.order_by("review").values_list("review", flat=True).distinct() or [""]:
        what = str(Review(reason).label) if reason else ""
        yield _waiting("review", reviews.filter(review=reason), "updated_at", what=what)
    if reviews.exists() and not payment_needs_review.has_listeners(Payment):
        yield Finding("review-unheard", Level.WARNING, str(UNHEARD))
    missing = payments.scheduled().exclude(project__in=conf.names())
    for name in missing.order_by("project").values_list("project", flat=True).distinct():
        yield _waiting("missing-project", missing.filter(project=name), "created_at", project=name)
    for name in [project.name for project in scope.projects()]:
        rows = payments.filter(project=name)
        yield _waiting("resync", rows.due(now - OVERDUE_AFTER), "next_check_at", project=name)
        paid = rows.paid().filter(created_at__gte=now - RECENT)
        yield _last_webhook(paid, webhooks.filter(project=name), name)


def _waiting(check: str, rows: QuerySet[Any], since: str, *, project: str = "", what: str = "") -> Finding:
    """Return how many rows wait, and for how long by the column ``since``."""
    subject, advice = TEXTS[check]
    found = rows.aggregate(count=Count("pk"), oldest=Min(since))
    if not found["count"]:
        return Finding(check, Level.OK, _("%(what)s: none.") % {"what": subject}, project, 0, 0)
    facts = {"count": found["count"], "age": timesince(found["oldest"], depth=1), "advice": advice}
    level = Level.WARNING if check in WARNINGS else Level.PROBLEM
    seconds = int((timezone.now() - found["oldest"]).total_seconds())
    return Finding(check, level, SOME % {"what": what or subject, **facts}, project, found["count"], seconds)


def _last_webhook(paid: PaymentQuerySet, webhooks: QuerySet[PaymentEvent], project: str) -> Finding:
    """Only webhooks with news leave an event, so that silence alone proves nothing: paid payments without one do."""
    if (count := paid.count()) and not webhooks.filter(payment__in=paid).exists():
        return Finding("webhooks", Level.WARNING, ONLY_POLLING % {"count": count}, project)
    newest = webhooks.order_by("-created_at").values_list("created_at", flat=True).first()
    text = LAST_WEBHOOK % {"age": timesince(newest, depth=1)} if newest else str(NO_WEBHOOK)
    return Finding("webhooks", Level.OK, text, project)
