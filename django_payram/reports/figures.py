"""The figures of a range of dates.

Money that was received counts on the day on which its payment became paid, a refund on the day on which it was
recorded. What has come for payments that are not paid counts on no day: it is told by itself. All of it together is
what ``Payment.objects.net_usd()`` says.

Nothing is summed up in advance. The index ``payram_payment_paid`` holds all that the sums need, so that they never read
the payments themselves, and late news of an old payment needs no correction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from statistics import median
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections
from django.db.models import Case, Count, Max, Min, Q, Sum, Value, When
from django.db.models.functions import TruncDay, TruncMonth, TruncWeek
from django.utils.timezone import get_current_timezone, is_aware

from django_payram.models import Payment, Refund, State, Status, database
from django_payram.models.statuses import STATUSES, SUMS, ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from django_payram.models import PaymentQuerySet

PERIODS = {"day": TruncDay, "week": TruncWeek, "month": TruncMonth}
MOST_DAYS, MOST_WEEKS = 45, 200
"""A range of up to so many days is told by day, and by week."""

NEWEST_PAID = 5_000
"""The median time to paid is that of so many payments at most, those opened last."""


FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
"""Days that every database and every time zone knows."""


@dataclass(frozen=True)
class Range:
    """The dates of which figures are told, both included and both optional, of one project or of all."""

    since: date | None = None
    until: date | None = None
    project: str = ""

    @property
    def zone(self) -> tzinfo | None:
        """The time zone of the days: the current one, or UTC where the database knows no zones.

        None where the shop's times have no zone (``USE_TZ``).
        """
        if not settings.USE_TZ:
            return None
        knows_zones = connections[database()].features.has_zoneinfo_database
        return get_current_timezone() if knows_zones else timezone.utc

    def holds(self, name: str) -> Q:
        """Return the condition that the time of that name lies in the range."""
        found = Q()
        if self.since is not None:
            found &= Q((f"{name}__gte", self._begin_of(self.since)))
        if self.until is not None:
            found &= Q((f"{name}__lt", self._begin_of(self.until + timedelta(days=1))))
        return found

    def is_of(self, name: str = "project") -> Q:
        """Return the condition that a row belongs to the project."""
        return Q((name, self.project)) if self.project else Q()

    def paid(self) -> PaymentQuerySet:
        """Return the payments that became paid in the range."""
        return Payment.objects.using(database()).paid().filter(self.holds("paid_at"), self.is_of())

    def opened(self) -> PaymentQuerySet:
        """Return the payments whose links were asked for in the range; top-ups are not asked for."""
        rows = Payment.objects.using(database()).filter(self.holds("created_at"), self.is_of())
        return rows.filter(parent=None)

    def refunds(self) -> Any:
        """Return the refunds that were recorded in the range."""
        return Refund.objects.using(database()).filter(self.holds("created_at"), self.is_of("payment__project"))

    def _begin_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self.zone)


@dataclass
class Sums:
    """US dollars received and sent back, and how many payments became paid."""

    received: Decimal = ZERO
    refunded: Decimal = ZERO
    payments: int = 0

    @property
    def net(self) -> Decimal:
        """What is left."""
        return self.received - self.refunded

    def add(self, received: Decimal, payments: int) -> None:
        """Count payments."""
        self.received += received
        self.payments += payments


@dataclass
class Figures:
    """What the overview shows."""

    total: Sums = field(default_factory=Sums)
    periods: dict[date, Sums] = field(default_factory=dict)
    coins: dict[tuple[str, str], Sums] = field(default_factory=dict)
    """By currency and blockchain, as PayRam names them."""
    statuses: dict[Status, int] = field(default_factory=dict)
    """Of the payments that were opened in the range."""
    links: int = 0
    """How many links were made in the range."""
    links_paid: int = 0
    """How many of them are paid by now."""
    median_to_paid: timedelta | None = None
    """Of the payments that were opened in the range: from the link to paid."""


@dataclass(frozen=True)
class Standing:
    """What is now, whatever the range: payments and US dollars received that wait for a person, or for more money."""

    held: int
    held_usd: Decimal
    open: int
    open_usd: Decimal
    unpaid_usd: Decimal
    """All that has come for payments that are not paid, also what was sent back of it."""


def bounds(of: Range) -> Range:
    """Return the range with the dates of the first and the last payment or refund in place of open ends."""
    rows = Payment.objects.using(database()).filter(of.is_of())
    ends = [
        rows.aggregate(first=Min("created_at"))["first"],
        rows.aggregate(last=Max("created_at"))["last"],
        rows.aggregate(last=Max("paid_at"))["last"],
        of.refunds().aggregate(last=Max("created_at"))["last"],
    ]
    days = [(moment.astimezone(of.zone) if is_aware(moment) else moment).date() for moment in ends if moment]
    if not days:
        return of
    return Range(of.since or min(days), of.until or max(days), of.project)


def natural_period(of: Range) -> str:
    """Return by which period a range with both ends is best told."""
    if of.since is None or of.until is None:
        return "month"
    days = (of.until - of.since).days + 1
    return "day" if days <= MOST_DAYS else "week" if days <= MOST_WEEKS else "month"


def figures(of: Range, *, by: str) -> Figures:
    """Return the figures of a range, by ``"day"``, ``"week"`` or ``"month"``, in a constant number of queries."""
    found = Figures()
    periods: dict[date, Sums] = defaultdict(Sums)
    coins: dict[tuple[str, str], Sums] = defaultdict(Sums)
    paid = of.paid().annotate(period=PERIODS[by]("paid_at", tzinfo=of.zone)).order_by()
    groups: Any = paid.values_list("period", "currency", "blockchain")
    groups = groups.annotate(received=Sum(SUMS["received_usd"]), payments=Count("pk"))
    for period, currency, blockchain, received, count in groups:
        for sums in (found.total, periods[period.date()], coins[currency, blockchain]):
            sums.add(received, count)
    refunds = of.refunds().annotate(period=PERIODS[by]("created_at", tzinfo=of.zone)).order_by()
    for period, refunded in refunds.values_list("period").annotate(refunded=Sum("amount_usd")):
        periods[period.date()].refunded += refunded
        found.total.refunded += refunded
    found.periods = dict(sorted(periods.items()))
    found.coins = dict(sorted(coins.items(), key=lambda item: (-item[1].received, item[0])))
    _count_links(found, of)
    return found


def _count_links(found: Figures, of: Range) -> None:
    status = Case(*(When(condition, then=Value(status.value)) for status, condition in STATUSES.items()))
    groups = of.opened().alias(**SUMS).annotate(word=status).order_by().values_list("word")
    made = ~Q(state__in=(State.CREATING, State.FAILED))
    counts = groups.annotate(payments=Count("pk"), links=Count("pk", filter=made), paid=Count("paid_at"))
    for word, count, links, paid in counts:
        found.statuses[Status(word)] = count
        found.links += links
        found.links_paid += paid
    found.statuses = {status: found.statuses[status] for status in Status if status in found.statuses}
    newest = of.opened().paid().order_by("-created_at").values_list("created_at", "paid_at")[:NEWEST_PAID]
    seconds = [(paid_at - created_at).total_seconds() for created_at, paid_at in newest if paid_at is not None]
    found.median_to_paid = timedelta(seconds=round(median(seconds))) if seconds else None


def standing(project: str = "") -> Standing:
    """Return what is held and open now."""
    rows = Payment.objects.using(database()).filter(Range(project=project).is_of())
    held = rows.held().aggregate(count=Count("pk"), usd=Sum(SUMS["received_usd"]))
    waiting = rows.open().filter(parent=None).aggregate(count=Count("pk"), usd=Sum(SUMS["received_usd"]))
    unpaid = rows.filter(paid_at=None, parent=None).aggregate(usd=Sum(SUMS["received_usd"]))
    return Standing(held["count"], held["usd"] or ZERO, waiting["count"], waiting["usd"] or ZERO, unpaid["usd"] or ZERO)
