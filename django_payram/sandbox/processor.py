"""What the pretend PayRam does, without HTTP: take payments, move money, tell the shop."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django_payram.sandbox.coins import Coin, find_coin
from django_payram.sandbox.ledger import EXPIRING, Ledger, Payment

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.sandbox.api_versions import ApiVersion
    from django_payram.sandbox.payloads import Project
    from django_payram.sandbox.store import Store
    from django_payram.sandbox.webhooks import Clock, WebhookSender

Dollars = Decimal | int | str
MOST_DOLLARS = Decimal(1_000_000_000)


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a shop asks for when it creates a payment; the amount is in USD."""

    customer_id: str
    customer_email: str
    amount_usd: Decimal
    invoice_id: str = ""
    expires_at: datetime | None = None
    coin: Coin | None = None


def dollars(value: Dollars) -> Decimal:
    """A positive sum in USD; raises TypeError for a float, ValueError for a wrong sum."""
    if isinstance(value, float):
        raise TypeError("Give dollars as Decimal, int or str; a float is not exact.")
    try:
        amount = Decimal(value)
    except InvalidOperation as exc:
        raise ValueError(f"{value!r} is not a sum of dollars.") from exc
    if not (amount.is_finite() and Decimal("1e-8") <= amount <= MOST_DOLLARS):
        raise ValueError(f"{value!r} is not a positive sum of dollars.")
    return amount


class Processor:
    """The part of PayRam that knows payments: every change is saved, and told by webhook."""

    def __init__(
        self,
        *,
        api_key: str,
        project: Project,
        api_version: ApiVersion,
        store: Store,
        sender: WebhookSender,
        blocks: int,
        clock: Clock,
    ) -> None:
        """``blocks`` is how many confirmations a deposit needs before it counts."""
        self.project = project
        self.api_version = api_version
        self._api_key = api_key
        self._store = store
        self._sender = sender
        self._blocks = blocks
        self._clock = clock

    def has_key(self, given: str) -> bool:
        """Whether this is the project's key."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._api_key.encode())

    def now(self) -> datetime:
        """The moment by which payments expire."""
        return self._clock()

    def create(self, wanted: CreateRequest, *, site: str) -> Payment:
        """Open a payment, and cancel the customer's other OPEN ones, as PayRam does."""
        with self._store.changing() as books:
            for replaced in books.replace_open(wanted.customer_id):
                self._sender.tell(replaced)
            return books.enter(self._draft(wanted, site=site))

    def payment(self, reference: str) -> Payment:
        """The payment as it stands now, a value; raises UnknownPayment."""
        with self._store.lock:
            payment = self._store.ledger.find(reference)
            if payment.state in EXPIRING and self._is_overdue(payment):
                return self.expire(reference)
            return payment

    def payments(self) -> list[Payment]:
        """All payments, newest first."""
        with self._store.lock:
            return [self.payment(one) for one in reversed(list(self._store.ledger.payments))]

    def choose(self, reference: str, *, coin: Coin) -> Payment:
        """The customer chooses a coin on the payment page."""
        with self._store.changing() as books:
            return books.choose(reference, coin=coin)

    def pay(self, reference: str, usd: Dollars | None = None) -> Payment:
        """A confirmed deposit of ``usd``.

        Without a sum, all that is missing: deposits on the chain are confirmed, the rest is paid.
        Raises UnknownPayment, and ValueError when nothing is missing.
        """
        with self._store.changing() as books:
            if usd is None:
                return self._sender.tell(self._pay_all(books, reference))
            amount = dollars(usd)
            return self._sender.tell(books.deposit(reference, usd=amount, confirmations=self._blocks))

    def see(self, reference: str, usd: Dollars | None = None) -> Payment:
        """A deposit on the chain without confirmations; without a sum, all that is missing."""
        with self._store.changing() as books:
            amount = dollars(usd) if usd is not None else _rest(books.find(reference))
            return self._sender.tell(books.deposit(reference, usd=amount, confirmations=0))

    def confirm(self, reference: str, blocks: int = 1) -> Payment:
        """So many blocks more on top of the deposits; with enough of them the money counts.

        A negative number takes blocks away, as a reorganised chain does.
        """
        with self._store.changing() as books:
            return self._sender.tell(books.confirm(reference, blocks=blocks))

    def expire(self, reference: str) -> Payment:
        """The link expires: CANCELLED, keeping what was received; a settled payment stays."""
        with self._store.changing() as books:
            before = books.find(reference)
            after = books.expire(reference)
            return after if after is before else self._sender.tell(after)

    def top_up(self, reference: str, usd: Dollars | None = None) -> str:
        """The rest under a new reference for the same customer; returns the new reference."""
        with self._store.changing() as books:
            parent = books.find(reference)
            amount = dollars(usd) if usd is not None else _rest(parent)
            child = books.enter(self._child(parent, amount))
            paid = books.deposit(child.reference, usd=amount, confirmations=self._blocks)
            return self._sender.tell(paid).reference

    def _draft(self, wanted: CreateRequest, *, site: str) -> Payment:
        reference = str(uuid.uuid4())
        now = self._clock()
        return Payment(
            reference=reference,
            customer_id=wanted.customer_id,
            customer_email=wanted.customer_email,
            invoice_id=wanted.invoice_id or reference,
            amount_usd=wanted.amount_usd,
            created_at=now,
            expires_at=wanted.expires_at or now + self.api_version.lifetime,
            url=self.api_version.checkout(site, reference),
            blocks=self._blocks,
            currency=wanted.coin.currency if wanted.coin else None,
            network=wanted.coin.network if wanted.coin else None,
        )

    def _child(self, parent: Payment, amount: Decimal) -> Payment:
        wanted = CreateRequest(
            customer_id=parent.customer_id,
            customer_email=parent.customer_email,
            amount_usd=amount,
            coin=find_coin(parent.currency, parent.network),
        )
        where = urlsplit(parent.url)
        return self._draft(wanted, site=f"{where.scheme}://{where.netloc}")

    def _pay_all(self, books: Ledger, reference: str) -> Payment:
        before = books.find(reference)
        payment = books.confirm(reference, blocks=before.blocks)
        if payment.missing_usd:
            return books.deposit(reference, usd=payment.missing_usd, confirmations=payment.blocks)
        if not before.pending:
            raise ValueError(f"Nothing is missing of the payment {reference}.")
        return payment

    def _is_overdue(self, payment: Payment) -> bool:
        # A deposit in sight keeps the link alive until it is confirmed.
        return payment.expires_at <= self._clock() and not payment.pending


def _rest(payment: Payment) -> Decimal:
    if not payment.unsent_usd:
        raise ValueError(f"Nothing is missing of the payment {payment.reference}.")
    return payment.unsent_usd
