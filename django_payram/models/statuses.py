"""Which status a payment has: one table, for the row in memory and for the query."""

from __future__ import annotations

import operator
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from django.db.models import Case, DecimalField, F, Q, SmallIntegerField, Sum, When
from django.db.models.functions import Coalesce, Round
from django.db.models.lookups import Exact

from django_payram.models.states import FULLY_FILLED, Review, State, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Combinable

    from django_payram.models.payment import Payment

    Test = Callable[[Payment], bool]

ZERO, CENT = Decimal(0), Decimal("0.01")
DOLLARS: DecimalField[Decimal, Decimal] = DecimalField(max_digits=28, decimal_places=8)

OWN_USD = Coalesce(
    "filled_usd",
    # A filled payment without a sum counts as its amount.
    Case(When(state__in=FULLY_FILLED, then=F("amount_usd")), default=ZERO, output_field=DOLLARS),
    output_field=DOLLARS,
)
"""What a payment received by itself, in US dollars, as :attr:`Payment.received_usd` counts it without top-ups."""


class _Exact(Round):
    """A sum of US dollars. SQLite alone computes with floating-point numbers: eight places are those of the columns."""

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> Any:  # type: ignore[override]
        """Return the sum, rounded where it has to be."""
        if connection.vendor == "sqlite":
            return super().as_sql(compiler, connection, **context)
        return compiler.compile(self.get_source_expressions()[0])


def _rounded(sum_: Combinable) -> Round:
    return _Exact(sum_, precision=8, output_field=DOLLARS)


class Total(Sum):
    """The sum of an amount over many rows. On SQLite dollars and their parts are added apart, as whole numbers."""

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """Return the sum to the last place: floating-point numbers would lose a cent over some thousand rows."""
        whole = "CAST(%(expressions)s AS INTEGER)"
        template = f"(SUM({whole}) + SUM(ROUND((%(expressions)s - {whole}) * 1e8)) / 1e8)"
        sql, params = self.as_sql(compiler, connection, template=template, **context)
        return sql, (*params,) * 3


SUMS: Mapping[str, Any] = MappingProxyType(
    {
        "received_usd": _rounded(OWN_USD + F("topped_up_usd")),
        "net_usd": _rounded(OWN_USD + F("topped_up_usd") - F("refunded_usd")),
        "excess_usd": _rounded(OWN_USD + F("topped_up_usd") - F("refunded_usd") - F("amount_usd")),
        "lack_usd": _rounded(F("amount_usd") - OWN_USD - F("topped_up_usd")),
    }
)
"""The sums that the conditions ask for. A payment has a property of the same name for each."""

# Refunds have two places, what PayRam reports may have more.
# What is a column comes first: databases compute the rest for few rows then.
REFUNDED = Q(refunded_usd__gt=ZERO) & Q(net_usd__lt=CENT)
HELD = Q(paid_at__isnull=True, parent_id__isnull=True) & (
    Q(state__in=FULLY_FILLED) | Q(review=Review.AMOUNT, lack_usd__lte=ZERO)
)
CONFIRMING = Q(state__in=(State.OPEN, State.CANCELED), confirmations__isnull=False, paid_at__isnull=True)

STATUSES: Mapping[Status, Q] = MappingProxyType(
    {
        Status.REFUNDED: REFUNDED,
        Status.OVERPAID: Q(paid_at__isnull=False) & Q(excess_usd__gte=CENT),
        Status.PAID: Q(paid_at__isnull=False),
        Status.HELD: HELD,
        Status.CONFIRMING: CONFIRMING,
        # What tops up another payment is a part of what that one asks for, however much it is.
        Status.PARTLY_PAID: Q(state=State.PARTIALLY_FILLED) | Q(state__in=FULLY_FILLED) | Q(received_usd__gt=ZERO),
        Status.WITHDRAWN: Q(withdrawn_at__isnull=False),
        Status.FAILED: Q(state=State.FAILED),
        Status.EXPIRED: Q(state=State.CANCELED),
        Status.WAITING: Q(state=State.OPEN),
        Status.PREPARING: Q(state=State.CREATING),
    }
)
"""The first condition that a payment meets is its status."""

# In this order always: the database compares the condition with that of the index word by word.
_FILLED = (State.FILLED, State.OVER_FILLED)
_IS_RARE = When(
    Q(paid_at__isnull=True, state__in=(State.PARTIALLY_FILLED, *_FILLED))
    | Q(paid_at__isnull=True, filled_usd__gt=ZERO)
    | Q(paid_at__isnull=True, confirmations__isnull=False)
    | Q(paid_at__isnull=False) & ~Q(state__in=_FILLED)
    | Q(parent__isnull=False)
    | Q(topped_up_usd__gt=ZERO)
    | Q(filled_usd__gt=F("amount_usd"))
    | Q(refunded_usd__gt=ZERO)
    | Q(withdrawn_at__isnull=False)
    | Q(review=Review.AMOUNT),
    then=1,
)
# PostgreSQL has no statistics of one column compared with another, and would expect a third of all rows. Of an equation
# with an expression it expects one in two hundred, which is about as many as there are.
RARE = Q(Exact(Case(_IS_RARE, default=0, output_field=SmallIntegerField()), 1))
"""What few payments are. An index holds them."""

PLAIN: Mapping[State, Status] = MappingProxyType(
    {
        State.CREATING: Status.PREPARING,
        State.OPEN: Status.WAITING,
        State.CANCELED: Status.EXPIRED,
        State.FAILED: Status.FAILED,
        State.PARTIALLY_FILLED: Status.PARTLY_PAID,
        State.FILLED: Status.PAID,
        State.OVER_FILLED: Status.PAID,
    }
)
"""The statuses of all payments that are none of these few, by state."""

_BY_STATE = frozenset({Status.FAILED, Status.EXPIRED, Status.WAITING, Status.PREPARING})
"""Statuses whose condition is a state, and nothing else."""

RARE_STATUSES = frozenset(
    {Status.REFUNDED, Status.OVERPAID, Status.HELD, Status.CONFIRMING, Status.PARTLY_PAID, Status.WITHDRAWN}
)

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "exact": operator.eq,
        "gt": operator.gt,
        "gte": operator.ge,
        "lt": operator.lt,
        "lte": operator.le,
        "in": lambda value, values: value in values,
        "isnull": lambda value, wanted: (value is None) == wanted,
    }
)


def _test_of(condition: Q) -> Test:
    """Return the test that a payment in memory passes when it meets a condition of this module."""
    tests = [
        _test_of(child) if isinstance(child, Q) else _comparison(*cast("tuple[str, object]", child))
        for child in condition.children
    ]
    together = all if condition.connector == Q.AND else any
    return lambda payment: together(test(payment) for test in tests)


def _comparison(path: str, wanted: object) -> Test:
    name, _separator, comparison = path.partition("__")
    compare = COMPARISONS[comparison or "exact"]
    return lambda payment: compare(getattr(payment, name), wanted)


is_held = _test_of(HELD)
"""Return whether a payment in memory is held, or was until it was sent back."""

_TESTS = tuple((status, _test_of(condition)) for status, condition in STATUSES.items())


def status_of(payment: Payment) -> Status:
    """Return the status of a payment in memory."""
    return next(status for status, test in _TESTS if test(payment))


# An overpaid payment is a paid one, and a payment is in one state only.
_IMPLIED = {Status.OVERPAID: frozenset(Status) - {Status.PAID}, **dict.fromkeys(_BY_STATE, _BY_STATE)}


@cache
def has_status(wanted: Status) -> Q:
    """Return the condition that a payment has a status, for a query with what :func:`sums_in` returns as aliases."""
    names, none_before = list(STATUSES), Q()
    for earlier in names[: names.index(wanted)]:
        if wanted not in _IMPLIED.get(earlier, ()):
            none_before &= ~STATUSES[earlier]
    # RARE says nothing new. It tells the database which index has all of them, or that few rows need be asked more.
    return STATUSES[wanted] & (RARE & none_before if wanted in RARE_STATUSES else ~RARE | none_before)


def sums_in(condition: Q) -> dict[str, Any]:
    """Return those of :data:`SUMS` that a condition of this module asks for: each takes Django some time."""
    found: dict[str, Any] = {}
    for child in condition.children:
        if isinstance(child, Q):
            found |= sums_in(child)
        elif isinstance(child, tuple) and (name := child[0].partition("__")[0]) in SUMS:
            found[name] = SUMS[name]
    return found
