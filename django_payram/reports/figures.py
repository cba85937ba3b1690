"""The figures of a range of dates.

Money that was received counts on the day on which its payment became paid, a refund on the day on which it was
recorded. What has come for payments that are not paid counts on no day: it is told by itself. All of it together is
what ``Payment.objects.net_usd()`` says.

Nothing is summed up in advance. The index ``payram_payment_paid`` holds all that the sums need, so that they never read
the payments themselves, and late news of an old payment needs no correction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import BooleanField, Case, Count, ExpressionWrapper, Max, Min, Q, Value, When
from django.utils.timezone import get_current_timezone, is_aware

from django_payram.models import Payment, Refund, Status, database
from django_payram.models.states import AWAITING, FULLY_FILLED, State
from django_payram.models.statuses import PLAIN, RARE, STATUSES, SUMS, ZERO, Total

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from django_payram.models import PaymentQuerySet

MOST_DAYS, MOST_WEEKS = 45, 200
"""A range of up to so many days is told by day, and by week, where nothing else is asked for."""

MOST_PERIODS = 400
"""Sums of so many days or weeks can be asked for: each is a part of one query, and SQLite allows 500."""

NEWEST_PAID = 5_000
"""The median time to paid is that of so many payments at most, those opened last."""


IS_OPEN = Q(state__in=AWAITING, closed_at__isnull=True, withdrawn_at__isnull=True)
WITHOUT_LINK = frozenset({Status.PREPARING, Status.FAILED})

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
        """The time zone of the days, None where the shop's times have none (``USE_TZ``)."""
        return get_current_timezone() if settings.USE_TZ else None

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
        """Return the payments whose links were asked for in the range, and their top-ups."""
        return Payment.objects.using(database()).filter(self.holds("created_at"), self.is_of())

    def refunds(self) -> Any:
        """Return the refunds that were recorded in the range."""
        return Refund.objects.using(database()).filter(self.holds("created_at"), self.is_of("payment__project"))

    def day_of(self, moment: datetime) -> date:
        """Return the day on which figures count the moment."""
        return (moment.astimezone(self.zone) if is_aware(moment) else moment).date()

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

    def add(self, received: Decimal, payments: int, refunded: Decimal = ZERO) -> None:
        """Count payments."""
        self.received += received
        self.payments += payments
        self.refunded += refunded


@dataclass
class Figures:
    """What the overview shows."""

    total: Sums = field(default_factory=Sums)
    periods: dict[date, Sums] = field(default_factory=dict)
    coins: dict[tuple[str, str], Sums] = field(default_factory=dict)
    """By currency and blockchain, as PayRam names them."""
    statuses: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    """Of the payments that were opened in the range."""
    links: int = 0
    """How many links were made in the range."""
    links_paid: int = 0
    """How many of them are paid by now."""
    median_to_paid: timedelta | None = None
    """Of the payments that were opened in the range: from the link to paid."""
    held: Sums = field(default_factory=Sums)
    """What waits for a person now, whatever the range."""
    open: Sums = field(default_factory=Sums)
    """What waits for money now, whatever the range."""
    unpaid: Sums = field(default_factory=Sums)
    """All that has come for payments that are not paid now, whatever the range; also what was sent back of it."""


def bounds(of: Range) -> Range:
    """Return the range with the dates of the first and the last payment or refund in place of open ends."""
    rows = Payment.objects.using(database()).filter(of.is_of())
    ends = [
        rows.aggregate(first=Min("created_at"))["first"],
        rows.aggregate(last=Max("created_at"))["last"],
        rows.aggregate(last=Max("paid_at"))["last"],
        of.refunds().aggregate(last=Max("created_at"))["last"],
    ]
    days = [of.day_of(moment) for moment in ends if moment]
    if not days:
        return of
    days += [day for day in (of.since, of.until) if day is not None]
    return Range(of.since or min(days), of.until or max(days), of.project)


def period_of(of: Range, asked: str = "") -> str:
    """Return by which period a range is told: the one asked for, unless they would be too many, or what fits best."""
    if asked == "month" or of.since is None or of.until is None:
        # Without both ends there is nothing to tell.
        return asked or "month"
    days = (of.until - of.since).days + 1
    if asked and days <= MOST_PERIODS * (7 if asked == "week" else 1):
        return asked
    return "day" if days <= MOST_DAYS else "week" if days <= MOST_WEEKS else "month"


def first_days(since: date, until: date, *, by: str) -> list[date]:
    """Return the first day of each period that has a day between the two, both included."""
    day = since
    if by == "week":
        day -= timedelta(days=day.weekday())
    elif by == "month":
        day = day.replace(day=1)
    found = []
    while day <= until:
        found.append(day)
        if by == "month":
            day = (day + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=7 if by == "week" else 1)
    return found


def figures(of: Range, *, by: str) -> Figures:
    """Return the figures of a range, by ``"day"``, ``"week"`` or ``"month"``, in a constant number of queries."""
    found = Figures()
    periods: dict[date, Sums] = defaultdict(Sums)
    coins: dict[tuple[str, str], Sums] = defaultdict(Sums)
    received = {"received": Total(SUMS["received_usd"]), "payments": Count("*")}
    for first, currency, blockchain, usd, count in _sums(
        of, of.paid(), "paid_at", "currency", "blockchain", by=by, **received
    ):
        for sums in (found.total, periods[first], coins[currency, blockchain]):
            sums.add(usd, count)
    for first, usd in _sums(of, of.refunds(), "created_at", by=by, refunded=Total("amount_usd")):
        if usd is not None:
            periods[first].refunded += usd
            found.total.refunded += usd
    found.periods = dict(sorted(periods.items()))
    found.coins = dict(sorted(coins.items(), key=lambda item: (-item[1].received, item[0])))
    _count_links(found, of)
    return found


def _sums(of: Range, rows: Any, time_name: str, *names: str, by: str, **sums: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the first day of each period, the values of the names, and the sums of the rows that have them.

    Without names every period has sums, None where there are no rows. Each period is a part of one query, and
    PostgreSQL sums several at a time: grouped by an expression it would expect a group for nearly every row, and use
    one process.
    """
    rows = rows.order_by()
    # Each by itself: SQLite takes one end of an index, not both.
    since, until = rows.aggregate(end=Min(time_name))["end"], rows.aggregate(end=Max(time_name))["end"]
    if since is None:
        return
    days = first_days(of.day_of(since), of.day_of(until), by=by)
    parts = [
        rows.filter(Range(first, following - timedelta(days=1)).holds(time_name))
        .annotate(place=Value(place))
        .values_list("place", *names)
        .annotate(**sums)
        for place, (first, following) in enumerate(pairwise([*days, LAST_DAY]))
    ]
    for start in range(0, len(parts), MOST_PERIODS):
        part, *others = parts[start : start + MOST_PERIODS]
        for place, *found in part.union(*others, all=True):
            yield days[place], *found


def _count_links(found: Figures, of: Range) -> None:
    """Count the links of the range, and sum up what stands now, whenever its link was made.

    Of most payments the state tells the status, and the index of states counts them; the few others are looked at.
    """
    rows: Any = Payment.objects.using(database()).filter(of.is_of()).order_by()
    # Every state is named, so that the index is read between the dates of each.
    opened: Any = of.opened().filter(state__in=State.values).order_by()
    plain = Counter(dict(opened.values_list("state").annotate(count=Count("*"))))
    found.open.add(ZERO, rows.filter(IS_OPEN).exclude(RARE).count())
    for state, word, in_range, waits, is_paid, is_part, count, received, refunded in _few(rows, of):
        plain[state] -= count if in_range else 0
        if is_part:
            continue
        found.statuses[Status(word)] += count if in_range else 0
        found.links_paid += count if in_range and is_paid else 0
        if not is_paid:
            found.unpaid.add(received, count)
            if word == Status.HELD:
                found.held.add(received, count, refunded)
            if waits:
                found.open.add(received, count, refunded)
    # Without those that have changed their state between the two queries.
    for state, count in (+plain).items():
        found.statuses[PLAIN[State(state)]] += count
        found.links_paid += count if state in FULLY_FILLED else 0
    found.links = sum(count for word, count in found.statuses.items() if word not in WITHOUT_LINK)
    found.statuses = {status: found.statuses[status] for status in Status if found.statuses[status]}
    newest = of.opened().paid().order_by("-created_at").values_list("created_at", "paid_at")[:NEWEST_PAID]
    seconds = [(paid_at - created_at).total_seconds() for created_at, paid_at in newest if paid_at is not None]
    found.median_to_paid = timedelta(seconds=round(median(seconds))) if seconds else None


def _few(rows: Any, of: Range) -> Any:
    """Count the few payments by what they are, and sum up their money."""
    few = (
        rows.filter(RARE)
        .alias(**SUMS)
        .annotate(
            word=Case(*(When(condition, then=Value(status.value)) for status, condition in STATUSES.items())),
            in_range=_answer(of.holds("created_at") or ~Q(pk__in=[])),
            waits=_answer(IS_OPEN),
            is_paid=_answer(Q(paid_at__isnull=False)),
            is_part=_answer(Q(parent__isnull=False)),
        )
    )
    return few.values_list("state", "word", "in_range", "waits", "is_paid", "is_part").annotate(
        count=Count("*"), usd=Total(SUMS["received_usd"]), back=Total("refunded_usd")
    )


def _answer(condition: Q) -> ExpressionWrapper[Q]:
    return ExpressionWrapper(condition, output_field=BooleanField())
