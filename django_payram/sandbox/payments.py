"""A payment as a value: its deposits, the state that follows from them, and what can happen to it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import FAMILY_OF, Coin, deposit_address, find_coin, transaction_hash, usual_coin

if TYPE_CHECKING:
    from datetime import datetime

OPEN = "OPEN"
PARTIALLY_FILLED = "PARTIALLY_FILLED"
FILLED = "FILLED"
OVER_FILLED = "OVER_FILLED"
CANCELLED = "CANCELLED"

SETTLED = frozenset({FILLED, OVER_FILLED})
FINAL = SETTLED | {CANCELLED}
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
    """One payment as it stands. It never changes: what happens to it makes a new value.

    ``chains`` are the networks on which the customer was shown an address, the newest last.
    """

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
    chains: tuple[str, ...] = ()
    deposits: tuple[Deposit, ...] = ()

    @property
    def coin(self) -> Coin | None:
        """The coin the customer chose, or sent; None before."""
        return find_coin(self.currency, self.network)

    @property
    def deposit_address(self) -> str | None:
        """Where the customer sends the coins; None before a coin is chosen or an address is assigned."""
        network = self.coin.network if self.coin else self._newest_chain
        return deposit_address(self.customer_id, family=FAMILY_OF[network]) if network else None

    @property
    def families(self) -> frozenset[str]:
        """The families of chains on which the customer was shown an address."""
        return frozenset(FAMILY_OF[chain] for chain in self.chains)

    @property
    def _newest_chain(self) -> str | None:
        return self.chains[-1] if self.chains else None

    @property
    def pending(self) -> tuple[Deposit, ...]:
        """The deposits which still wait for confirmations."""
        return tuple(one for one in self.deposits if one.confirmations < self.blocks)

    @property
    def is_settled(self) -> bool:
        """Whether all was paid, or more."""
        return self.state in SETTLED

    @property
    def is_confirming(self) -> bool:
        """Whether the page waits for confirmations rather than for money."""
        return bool(self.pending) and not self.is_settled

    @property
    def takes_money(self) -> bool:
        """Whether the page asks the customer to send something."""
        return self.state in EXPIRING and bool(self.unsent_usd)

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

    def choose(self, coin: Coin) -> Payment:
        """The customer chooses a coin; no longer possible once money is on its way."""
        if self.deposits:
            return self
        return replace(self.assign(coin.network), currency=coin.currency, network=coin.network)

    def assign(self, network: str) -> Payment:
        """The shop shows an address for a network itself; before money is there, it leaves the coin open again."""
        others = (chain for chain in self.chains if chain != network)
        assigned = replace(self, chains=(*others, network))
        return assigned if self.deposits else replace(assigned, currency=None, network=None)

    def deposit(self, usd: Decimal, *, confirmations: int, coin: Coin | None = None) -> Payment:
        """Money is on the chain, with so many confirmations already.

        Raises ValueError for a coin that none of the payment's addresses is for, and for another than came before.
        """
        sent = coin or self.coin or usual_coin(self._newest_chain)
        if self.chains and sent.family not in self.families:
            raise ValueError(f"The payment {self.reference} has no address for {sent.code}.")
        chosen = self.choose(sent)
        if chosen.coin != sent:
            raise ValueError(f"The payment {self.reference} counts another coin than {sent.code}.")
        family = sent.family
        new = Deposit(
            usd=usd,
            transaction=transaction_hash(family),
            source=deposit_address(str(uuid.uuid4()), family=family),
            block=31_000_000 + secrets.randbelow(1_000_000),
            confirmations=confirmations,
        )
        return _with_deposits(chosen, (*self.deposits, new))

    def confirm(self, blocks: int) -> Payment:
        """So many blocks more on top of every deposit; those with enough of them count.

        A negative number takes blocks away, as a reorganised chain does.
        """
        deeper = (replace(one, confirmations=_within(one.confirmations + blocks, self.blocks)) for one in self.deposits)
        return _with_deposits(self, tuple(deeper))

    def ask_for(self, usd: Decimal) -> Payment:
        """PayRam asks for another sum; which state that makes shows when money comes."""
        return replace(self, amount_usd=usd)

    def cancel(self) -> Payment:
        """The link closes, what was received stays; a settled payment stays settled."""
        return replace(self, state=CANCELLED) if self.state in EXPIRING else self


def _with_deposits(payment: Payment, deposits: tuple[Deposit, ...]) -> Payment:
    changed = replace(payment, deposits=deposits)
    return changed if changed.filled_usd == payment.filled_usd else replace(changed, state=_state_of_money(changed))


def _state_of_money(payment: Payment) -> str:
    if not payment.filled_usd:
        return OPEN
    if payment.filled_usd < payment.amount_usd:
        return PARTIALLY_FILLED
    return FILLED if payment.filled_usd == payment.amount_usd else OVER_FILLED


def _within(count: int, most: int) -> int:
    return max(0, min(count, most))
