"""Compares shops' rows with PayRam's: what each order should be follows from PayRam's ledger alone.

Nothing of the product is used here: rows come by SQL, PayRam's payments from its own ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stage import Stage

Row = dict[str, Any]

FULLY_FILLED = frozenset({"FILLED", "OVER_FILLED"})
PAID, CANCELED, REFUNDED = "payment_paid", "payment_canceled", "payment_refunded"


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
    refunds: list[Row] = field(default_factory=list)


@dataclass
class Case:
    """All that is known of one bill of an order, here and at PayRam. The order itself is its bill without a purpose."""

    order: Row
    purpose: str = ""
    payments: list[Row] = field(default_factory=list)
    signals: list[Row] = field(default_factory=list)
    truth: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        """US dollars that the bill asks for."""
        return Decimal(self.payments[0]["amount_usd"] if self.purpose else self.order["total"])

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
        return topped_up and self.received_usd >= self.total

    @property
    def received_usd(self) -> Decimal:
        """US dollars that PayRam received for the order."""
        return sum((Decimal(one["filled_usd"]) for one in self.known), Decimal(0))

    @property
    def should_be_canceled(self) -> bool:
        """Whether links were made and all of them are dead, without any money."""
        known = {payment["reference"] for payment in self.payments}
        ours = [one for one in self.truth if one["reference"] in known]
        # Nothing is told of the end of a link that the shop has withdrawn.
        withdrawn = any(payment.get("withdrawn_at") for payment in self.payments)
        return (
            bool(ours)
            and not withdrawn
            and all(one["state"] == "CANCELLED" and not Decimal(one["filled_usd"]) for one in ours)
        )

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
        database.orders(),
        database.payments(),
        database.received_signals(),
        database.unmatched_references(),
        database.refunds(),
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
    tokens = {str(payment["token"]): _bill(payment) for payment in shop.payments}
    customers = {payment["customer_id"]: _bill(payment) for payment in shop.payments}
    here, told, there, back = (defaultdict(list) for _ in range(4))
    for payment in shop.payments:
        here[_bill(payment)].append(payment)
    purposes = defaultdict(set)
    for key, purpose in here:
        purposes[key].add(purpose)
    for signal in shop.signals:
        # The payment may have been assigned to another order since, or be gone with a restored backup.
        _order, purpose = tokens.get(str(signal["payment"]), ("", ""))
        told[str(signal["order_id"]), purpose].append(signal)
    for refund in shop.refunds:
        back[tokens[str(refund["token"])]].append(refund)
    for one in truth:
        # What PayRam opened by itself is known by its customer alone.
        was_opened = one["invoice_id"] == one["reference"]
        known = customers.get(one["customer_id"]) if was_opened else tokens.get(one["invoice_id"])
        there[known or ("", "")].append(one)
    for order in shop.orders:
        key = str(order["id"])
        for purpose in sorted({"", *purposes[key]}):
            bill = key, purpose
            yield Case(order, purpose, here[bill], told[bill], there[bill], back[bill])


def _bill(payment: Row) -> tuple[str, str]:
    return payment["order_id"], payment.get("purpose", "")


def _unflagged(shops: list[ShopRows], unclaimed: list[Row]) -> Iterator[Finding]:
    """Yield the money of no order that no person was asked to look at."""
    flagged = {payment["reference"] for shop in shops for payment in shop.payments if payment["reviews_raised"]}
    flagged |= {reference for shop in shops for reference in shop.kept}
    for one in unclaimed:
        if one["reference"] not in flagged:
            yield Finding(one["reference"], "unflagged", f"{one['filled_usd']} USD of no order, and nobody was told.")


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
    if case.purpose:
        return
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


def _withdrawn_link_ends_in_silence(case: Case) -> Iterator[tuple[str, str]]:
    told = {str(line["payment"]) for line in case.signals if line["signal"] == CANCELED}
    for payment in case.payments:
        withdrawn_at, closed_at = payment.get("withdrawn_at"), payment.get("closed_at")
        was_open = withdrawn_at is not None and (closed_at is None or closed_at > withdrawn_at)
        if was_open and str(payment["token"]) in told:
            yield "wrong", f"payment_canceled came for {payment['reference']}, which the shop had withdrawn."


def _second_payment_is_flagged(case: Case) -> Iterator[tuple[str, str]]:
    filled = sum(one["state"] in FULLY_FILLED for one in case.roots)
    flagged = sum("duplicate" in payment["reviews_raised"] for payment in case.payments)
    if filled > 1 and flagged < filled - 1:
        yield "wrong", f"{filled} of its links are paid, {flagged} are flagged as duplicates."


def _refunds_agree(case: Case) -> Iterator[tuple[str, str]]:
    for payment in case.payments:
        token = str(payment["token"])
        refunds = [refund["amount_usd"] for refund in case.refunds if str(refund["token"]) == token]
        if sum(refunds) != payment.get("refunded_usd", 0):
            yield "wrong", f"{payment['refunded_usd']} USD are said to be sent back, and the refunds are {refunds}."
        if sum(refunds) > case.received_usd:
            yield "wrong", f"{sum(refunds)} USD were sent back of {case.received_usd}."
        told = sum(one["signal"] == REFUNDED and str(one["payment"]) == token for one in case.signals)
        if told != len(refunds):
            yield "twice" if told > len(refunds) else "untold", f"payment_refunded came {told} times for {refunds}."


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
    _withdrawn_link_ends_in_silence,
    _second_payment_is_flagged,
    _refunds_agree,
    _nothing_is_undelivered,
)
