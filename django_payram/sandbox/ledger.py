"""The books of the pretend PayRam: payments, deposits and the state that follows from them."""

from __future__ import annotations

import secrets
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import (
    USUAL,
    Coin,
    coin_amount,
    deposit_address,
    find_coin,
    transaction_hash,
)

if TYPE_CHECKING:
    from datetime import datetime

OPEN = "OPEN"
PARTIALLY_FILLED = "PARTIALLY_FILLED"
FILLED = "FILLED"
OVER_FILLED = "OVER_FILLED"
CANCELLED = "CANCELLED"

SETTLED = frozenset({FILLED, OVER_FILLED})
FINAL = frozenset({FILLED, OVER_FILLED, CANCELLED})
EXPIRING = frozenset({OPEN, PARTIALLY_FILLED})

NOTHING = Decimal(0)


class UnknownPayment(LookupError):
    """No payment has this reference."""


@dataclass(frozen=True)
class Deposit:
    """Money on the chain; it counts once it has the confirmations its payment asks for."""

    usd: Decimal
    transaction: str
    source: str
    block: int
    confirmations: int


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One payment as it stands: a value that never changes; the ledger replaces it."""

    reference: str
    customer_id: str
    customer_email: str
    invoice_id: str
    amount_usd: Decimal
    created_at: datetime
    expires_at: datetime
    url: str
    blocks: int
    state: str = OPEN
    currency: str | None = None
    network: str | None = None
    deposits: tuple[Deposit, ...] = ()

    @property
    def coin(self) -> Coin | None:
        """The coin the customer chose; None before the choice."""
        return find_coin(self.currency, self.network)

    @property
    def deposit_address(self) -> str | None:
        """Where the customer sends the coins; None before a coin is chosen."""
        coin = self.coin
        return deposit_address(self.customer_id, family=coin.family) if coin else None

    @property
    def pending(self) -> tuple[Deposit, ...]:
        """The deposits which still wait for confirmations."""
        return tuple(one for one in self.deposits if one.confirmations < self.blocks)

    @property
    def filled_usd(self) -> Decimal:
        """The confirmed money, in USD."""
        counted = (one.usd for one in self.deposits if one.confirmations >= self.blocks)
        return sum(counted, NOTHING)

    @property
    def missing_usd(self) -> Decimal:
        """What is still to be paid, in USD; zero when all is paid."""
        return max(self.amount_usd - self.filled_usd, NOTHING)

    @property
    def unsent_usd(self) -> Decimal:
        """What is still to be sent, in USD: deposits without confirmations are sent already."""
        return max(self.amount_usd - sum((one.usd for one in self.deposits), NOTHING), NOTHING)

    @property
    def confirmations(self) -> int:
        """Confirmations of the deposit that has the fewest; 0 without a deposit."""
        counts = [min(one.confirmations, self.blocks) for one in self.deposits]
        return min(counts, default=0)

    @property
    def confirmations_required(self) -> int:
        """Confirmations a deposit needs; 0 while there is no deposit."""
        return self.blocks if self.deposits else 0

    @property
    def coin_amount(self) -> Decimal | None:
        """The requested sum in the chosen coin; None before the choice."""
        return coin_amount(self.amount_usd, coin=self.coin) if self.coin else None

    @property
    def filled_amount(self) -> Decimal | None:
        """The confirmed money in the chosen coin; None before the choice."""
        return coin_amount(self.filled_usd, coin=self.coin) if self.coin else None


def state_after(payment: Payment) -> str:
    """The state that the confirmed money of a payment amounts to."""
    if not payment.filled_usd:
        return OPEN
    if payment.filled_usd < payment.amount_usd:
        return PARTIALLY_FILLED
    return FILLED if payment.filled_usd == payment.amount_usd else OVER_FILLED


class Ledger:
    """All payments by reference, oldest first. Not locked: its owner is.

    ``news`` is what was written down since its owner last saved.
    """

    def __init__(self) -> None:
        """Start with empty books."""
        self.payments: dict[str, Payment] = {}
        self.news: list[tuple[str, object]] = []
        self._open: defaultdict[str, set[str]] = defaultdict(set)
        self._confirming: dict[str, None] = {}

    def whole(self) -> list[tuple[str, object]]:
        """The books as if all of them were news."""
        return [("payment", one) for one in self.payments.values()]

    def find(self, reference: str) -> Payment:
        """The payment of that reference; raises UnknownPayment."""
        try:
            return self.payments[reference]
        except KeyError as exc:
            raise UnknownPayment(f"No payment has the reference {reference!r}.") from exc

    def enter(self, payment: Payment) -> Payment:
        """Write a payment down, new or changed."""
        reference = payment.reference
        self.payments[reference] = payment
        self.news.append(("payment", payment))
        # Looked up for every new payment and several times a second: not by going through all the ledger.
        if payment.state == OPEN:
            self._open[payment.customer_id].add(reference)
        else:
            self._open[payment.customer_id].discard(reference)
        if payment.pending:
            self._confirming[reference] = None
        else:
            self._confirming.pop(reference, None)
        return payment

    def replace_open(self, customer_id: str) -> list[Payment]:
        """Cancel the customer's OPEN payments, as PayRam does for every new one."""
        still_open = list(self._open[customer_id])
        return [self.enter(replace(self.payments[one], state=CANCELLED)) for one in still_open]

    def confirming(self) -> list[Payment]:
        """The payments with a deposit that waits for confirmations."""
        return [self.payments[one] for one in self._confirming]

    def choose(self, reference: str, *, coin: Coin) -> Payment:
        """The customer chooses a coin; no longer possible once money is on its way."""
        payment = self.find(reference)
        if payment.deposits:
            return payment
        return self.enter(replace(payment, currency=coin.currency, network=coin.network))

    def deposit(self, reference: str, *, usd: Decimal, confirmations: int) -> Payment:
        """Put money on the chain, with so many confirmations already."""
        payment = self.find(reference)
        if payment.coin is None:
            payment = self.choose(reference, coin=USUAL)
        family = (payment.coin or USUAL).family
        new = Deposit(
            usd=usd,
            transaction=transaction_hash(family),
            source=deposit_address(str(uuid.uuid4()), family=family),
            block=31_000_000 + secrets.randbelow(1_000_000),
            confirmations=confirmations,
        )
        return self._count(payment, deposits=(*payment.deposits, new))

    def confirm(self, reference: str, *, blocks: int) -> Payment:
        """Add blocks on top of every deposit; those with enough of them count.

        A negative number takes blocks away, as a reorganised chain does.
        """
        payment = self.find(reference)
        deeper = tuple(
            replace(one, confirmations=_between(one.confirmations + blocks, payment.blocks)) for one in payment.deposits
        )
        return self._count(payment, deposits=deeper)

    def expire(self, reference: str) -> Payment:
        """Close the payment, keeping what was received. A settled payment stays settled."""
        payment = self.find(reference)
        if payment.state not in EXPIRING:
            return payment
        return self.enter(replace(payment, state=CANCELLED))

    def _count(self, payment: Payment, *, deposits: tuple[Deposit, ...]) -> Payment:
        changed = replace(payment, deposits=deposits)
        if changed.filled_usd != payment.filled_usd:
            changed = replace(changed, state=state_after(changed))
        return self.enter(changed)


def _between(blocks: int, most: int) -> int:
    return max(0, min(blocks, most))
