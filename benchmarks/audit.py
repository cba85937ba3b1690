"""Compares a shop's books with PayRam's: what each order should be follows from PayRam's ledger alone.

Nothing of the product is used here: rows come by SQL, PayRam's payments from its own books.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.stage import Stage

Row = dict[str, Any]

FULLY_FILLED = frozenset({"FILLED", "OVER_FILLED"})
PAID, CANCELED = "payment_paid", "payment_canceled"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one order. ``kind`` is wrong, twice, lost or pending."""

    order: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"Order {self.order}: {self.text}"


@dataclass
class Case:
    """All that is known of one order, here and at PayRam."""

    order: Row
    payments: list[Row] = field(default_factory=list)
    told: list[Row] = field(default_factory=list)
    truth: list[Row] = field(default_factory=list)

    @property
    def roots(self) -> list[Row]:
        """What PayRam was asked for; what it opened by itself repeats its reference as invoice id."""
        return [one for one in self.truth if one["invoice_id"] != one["reference"]]

    @property
    def should_be_paid(self) -> bool:
        """Whether one request is filled, or the money of all together makes up the amount."""
        if any(one["state"] in FULLY_FILLED for one in self.roots):
            return True
        topped_up = len(self.roots) < len(self.truth)
        return topped_up and self.received_usd >= self.order["total"]

    @property
    def received_usd(self) -> Decimal:
        """US dollars that PayRam received for the order."""
        return sum((Decimal(one["filled_usd"]) for one in self.truth), Decimal(0))

    @property
    def should_be_canceled(self) -> bool:
        """Whether links were made and all of them are dead, without any money."""
        known = {payment["reference"] for payment in self.payments}
        ours = [one for one in self.truth if one["reference"] in known]
        return bool(ours) and all(one["state"] == "CANCELLED" and not Decimal(one["filled_usd"]) for one in ours)

    def times(self, signal: str) -> int:
        """How often receivers were told."""
        return sum(line["signal"] == signal for line in self.told)


def audit(on: Stage) -> list[Finding]:
    """Compare every order on the stage with PayRam's truth."""
    return audit_books(on.books.orders(), on.books.payments(), on.books.told(), on.payram.payments())


def audit_books(orders: list[Row], payments: list[Row], told: list[Row], truth: list[Row]) -> list[Finding]:
    """Compare rows of the shop with PayRam's payments."""
    return [finding for case in cases(orders, payments, told, truth) for finding in examine(case)]


def cases(orders: list[Row], payments: list[Row], told: list[Row], truth: list[Row]) -> Iterator[Case]:
    """Put together what belongs to each order."""
    order_of = _orders_of(payments)
    here, heard, there = _grouped(payments, "order_id"), _grouped(told, "order_id"), defaultdict(list)
    for one in truth:
        there[order_of.get(one["invoice_id"]) or order_of.get(one["customer_id"], "")].append(one)
    for order in orders:
        key = order["id"]
        yield Case(order, here[str(key)], heard[key], there[str(key)])


def _orders_of(payments: list[Row]) -> dict[str, str]:
    """Return the order of each invoice id and customer id that the shop gave to PayRam.

    What PayRam opened by itself is known by its customer alone.
    """
    customers = {payment["customer_id"]: payment["order_id"] for payment in payments}
    return customers | {str(payment["token"]): payment["order_id"] for payment in payments}


def _grouped(rows: Iterable[Row], name: str) -> defaultdict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


# What is examined


def examine(case: Case) -> Iterator[Finding]:
    """Yield what is wrong with one order."""
    for rule in RULES:
        for kind, text in rule(case):
            yield Finding(case.order["id"], kind, text)


def _money_is_known(case: Case) -> Iterator[tuple[str, str]]:
    rows = {payment["reference"]: payment for payment in case.payments}
    for one in case.truth:
        row, filled = rows.get(one["reference"]), Decimal(one["filled_usd"])
        if row is None and filled:
            yield "lost", f"PayRam has {filled} USD under {one['reference']}, which is unknown here."
        elif row is not None and (row["filled_usd"] or 0) != filled:
            yield "wrong", f"{one['reference']} received {filled} USD, recorded are {row['filled_usd']}."


def _states_agree(case: Case) -> Iterator[tuple[str, str]]:
    rows = {payment["reference"]: payment for payment in case.payments}
    for one in case.truth:
        row, state = rows.get(one["reference"]), state_here(one)
        if row is not None and row["state"] != state:
            yield "wrong", f"{one['reference']} is {state} at PayRam and {row['state']} here."


def state_here(one: Row) -> str:
    """Return the state that a payment of PayRam's has in a shop: an expired link with money on it is partly paid."""
    if one["state"] != "CANCELLED":
        return str(one["state"])
    return "PARTIALLY_FILLED" if Decimal(one["filled_usd"]) else "CANCELED"


def _order_is_right(case: Case) -> Iterator[tuple[str, str]]:
    is_paid = case.order["status"] == "paid"
    if is_paid != case.should_be_paid:
        yield "wrong", f"it is {case.order['status']}, and PayRam says that {'' if not is_paid else 'not '}all is paid."
    if case.should_be_canceled and case.order["status"] != "canceled":
        yield "wrong", f"it is {case.order['status']}, and all its links are dead."


def _paid_is_told_once(case: Case) -> Iterator[tuple[str, str]]:
    times = case.times(PAID)
    if times > 1:
        yield "twice", f"payment_paid came {times} times."
    elif times != case.should_be_paid:
        yield "wrong", f"payment_paid came {times} times."
    told = Counter(line["payment"] for line in case.told if line["signal"] == CANCELED)
    for token, count in told.items():
        if count > 1:
            yield "twice", f"payment_canceled came {count} times for {token}."


def _second_payment_is_flagged(case: Case) -> Iterator[tuple[str, str]]:
    filled = sum(one["state"] in FULLY_FILLED for one in case.roots)
    flagged = sum("duplicate" in payment["raised"].split() for payment in case.payments)
    if filled > 1 and flagged < filled - 1:
        yield "wrong", f"{filled} of its links are paid, {flagged} are flagged as duplicates."


def _nothing_is_pending(case: Case) -> Iterator[tuple[str, str]]:
    for payment in case.payments:
        if payment["pending"]:
            yield "pending", f"receivers still wait for {payment['pending']}."
        if payment["state"] == "OPEN" and payment["next_check_at"] is None:
            yield "wrong", f"{payment['reference']} is open and will never be asked about."


RULES = (
    _money_is_known,
    _states_agree,
    _order_is_right,
    _paid_is_told_once,
    _second_payment_is_flagged,
    _nothing_is_pending,
)
