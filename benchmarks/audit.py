"""Compares shops' rows with PayRam's: what each order should be follows from PayRam's ledger alone.

Nothing of the product is used here: rows come by SQL, PayRam's payments from its own ledger.
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
    """One thing that is wrong. ``kind`` is wrong, twice, lost, unflagged, undelivered or untold.

    ``subject`` is the order, or the reference of money that belongs to none.
    """

    subject: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


@dataclass
class ShopRows:
    """All that one shop knows: orders, payments, signals received, and references of webhooks that it kept."""

    orders: list[Row]
    payments: list[Row]
    signals: list[Row]
    kept: set[str] = field(default_factory=set)


@dataclass
class Case:
    """All that is known of one order, here and at PayRam."""

    order: Row
    payments: list[Row] = field(default_factory=list)
    signals: list[Row] = field(default_factory=list)
    truth: list[Row] = field(default_factory=list)

    @property
    def known(self) -> list[Row]:
        """Those of PayRam's payments that the shop knows; money under the others is lost, or under review."""
        references = {payment["reference"] for payment in self.payments}
        return [one for one in self.truth if one["reference"] in references]

    @property
    def roots(self) -> list[Row]:
        """What PayRam was asked for; what it opened by itself repeats its reference as invoice id."""
        return [one for one in self.known if one["invoice_id"] != one["reference"]]

    @property
    def should_be_paid(self) -> bool:
        """Whether one request is filled, or the money of all together makes up the amount."""
        if any(one["state"] in FULLY_FILLED for one in self.roots):
            return True
        topped_up = len(self.roots) < len(self.known)
        return topped_up and self.received_usd >= self.order["total"]

    @property
    def received_usd(self) -> Decimal:
        """US dollars that PayRam received for the order."""
        return sum((Decimal(one["filled_usd"]) for one in self.known), Decimal(0))

    @property
    def should_be_canceled(self) -> bool:
        """Whether links were made and all of them are dead, without any money."""
        known = {payment["reference"] for payment in self.payments}
        ours = [one for one in self.truth if one["reference"] in known]
        return bool(ours) and all(one["state"] == "CANCELLED" and not Decimal(one["filled_usd"]) for one in ours)

    @property
    def is_under_review(self) -> bool:
        """Whether a person has been asked to look at one of the payments."""
        return any(payment["reviews_raised"] for payment in self.payments)

    def times(self, signal: str) -> int:
        """How often receivers were told."""
        return sum(line["signal"] == signal for line in self.signals)


def audit(*shops: Stage, truth: list[Row]) -> list[Finding]:
    """Compare every order of shops on one PayRam with PayRam's truth."""
    return audit_rows([read_rows(on) for on in shops], truth)


def read_rows(on: Stage) -> ShopRows:
    """Read what a shop knows."""
    database = on.shop_database
    return ShopRows(
        database.orders(), database.payments(), database.received_signals(), database.unmatched_references()
    )


def audit_rows(shops: list[ShopRows], truth: list[Row]) -> list[Finding]:
    """Compare shops' rows with PayRam's payments: each of these belongs to an order of one shop, or to none."""
    findings, claimed = [], set()
    for shop in shops:
        for case in cases(shop, truth):
            claimed |= {one["reference"] for one in case.truth}
            findings += examine(case)
    unclaimed = [one for one in truth if one["reference"] not in claimed and Decimal(one["filled_usd"])]
    return [*findings, *_unflagged(shops, unclaimed)]


def cases(shop: ShopRows, truth: list[Row]) -> Iterator[Case]:
    """Put together what belongs to each order of a shop."""
    tokens = {str(payment["token"]): payment["order_id"] for payment in shop.payments}
    customers = {payment["customer_id"]: payment["order_id"] for payment in shop.payments}
    here, told, there = _grouped(shop.payments, "order_id"), _grouped(shop.signals, "order_id"), defaultdict(list)
    for one in truth:
        # What PayRam opened by itself is known by its customer alone.
        was_opened = one["invoice_id"] == one["reference"]
        there[customers.get(one["customer_id"], "") if was_opened else tokens.get(one["invoice_id"], "")].append(one)
    for order in shop.orders:
        key = order["id"]
        yield Case(order, here[str(key)], told[key], there[str(key)])


def _unflagged(shops: list[ShopRows], unclaimed: list[Row]) -> Iterator[Finding]:
    """Yield the money of no order that no person was asked to look at."""
    flagged = {payment["reference"] for shop in shops for payment in shop.payments if payment["reviews_raised"]}
    flagged |= {reference for shop in shops for reference in shop.kept}
    for one in unclaimed:
        if one["reference"] not in flagged:
            yield Finding(one["reference"], "unflagged", f"{one['filled_usd']} USD of no order, and nobody was told.")


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
            yield Finding(f"Order {case.order['id']}", kind, text)


def _money_is_known(case: Case) -> Iterator[tuple[str, str]]:
    rows = {payment["reference"]: payment for payment in case.payments}
    for one in case.truth:
        row, filled = rows.get(one["reference"]), Decimal(one["filled_usd"])
        if row is None and filled and not case.is_under_review:
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
        # Right only where the process that saw it had no receivers: of payment_paid alone they are told later.
        kind = "wrong" if case.times(CANCELED) else "untold"
        yield kind, f"it is {case.order['status']}, and all its links are dead."


def _paid_is_told_once(case: Case) -> Iterator[tuple[str, str]]:
    times = case.times(PAID)
    if times > 1:
        yield "twice", f"payment_paid came {times} times."
    elif times != case.should_be_paid:
        yield "wrong", f"payment_paid came {times} times."
    told = Counter(line["payment"] for line in case.signals if line["signal"] == CANCELED)
    for token, count in told.items():
        if count > 1:
            yield "twice", f"payment_canceled came {count} times for {token}."


def _second_payment_is_flagged(case: Case) -> Iterator[tuple[str, str]]:
    filled = sum(one["state"] in FULLY_FILLED for one in case.roots)
    flagged = sum("duplicate" in payment["reviews_raised"] for payment in case.payments)
    if filled > 1 and flagged < filled - 1:
        yield "wrong", f"{filled} of its links are paid, {flagged} are flagged as duplicates."


def _nothing_is_undelivered(case: Case) -> Iterator[tuple[str, str]]:
    for payment in case.payments:
        if payment["undelivered"] not in ("[]", []):
            yield "undelivered", f"receivers still wait for {payment['undelivered']}."
        if payment["state"] == "OPEN" and payment["next_check_at"] is None:
            yield "wrong", f"{payment['reference']} is open and will never be asked about."


RULES = (
    _money_is_known,
    _states_agree,
    _order_is_right,
    _paid_is_told_once,
    _second_payment_is_flagged,
    _nothing_is_undelivered,
)
