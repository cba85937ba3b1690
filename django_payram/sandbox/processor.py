"""What the pretend PayRam does, without HTTP: open payments, move money, queue webhooks."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django_payram.sandbox.coins import deposit_address, find_coin, worth
from django_payram.sandbox.payments import EXPIRING, Payment
from django_payram.sandbox.webhooks import WebhookSender

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.sandbox.coins import Coin
    from django_payram.sandbox.webhooks import Delivery

Amount = Decimal | int | str
MOST = Decimal(1_000_000_000)


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a shop asks for when it creates a payment; the amount is in USD."""

    customer_id: str
    customer_email: str
    amount_usd: Decimal
    invoice_id: str = ""
    expires_at: datetime | None = None
    coin: Coin | None = None


def positive_sum(value: Amount) -> Decimal:
    """A positive sum, in USD or in coins; raises TypeError for a float, ValueError for a wrong sum."""
    if isinstance(value, float):
        raise TypeError("Give a sum as Decimal, int or str; a float is not exact.")
    try:
        amount = Decimal(value)
    except InvalidOperation as exc:
        raise ValueError(f"{value!r} is not a sum.") from exc
    if not (amount.is_finite() and Decimal("1e-8") <= amount <= MOST):
        raise ValueError(f"{value!r} is not a positive sum.")
    return amount


class Processor(WebhookSender):
    """The part of PayRam that knows payments: every change is saved, and a webhook about it queued."""

    def has_key(self, given: str) -> bool:
        """Whether this is the project's key."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.project.api_key.encode())

    def create(self, wanted: CreateRequest, *, site: str) -> Payment:
        """Open a payment, and cancel the customer's other OPEN ones, as PayRam does."""
        with self._ledger.changing():
            for replaced in self._ledger.open_payments(wanted.customer_id):
                self._change(replaced.cancel())
            return self._ledger.save(self._draft(wanted, site=site))

    def payment(self, reference: str) -> Payment:
        """The payment as it stands now; raises UnknownPayment (a LookupError)."""
        with self._ledger.lock:
            payment = self._ledger.find(reference)
            # A deposit in sight keeps the link alive until it is confirmed.
            overdue = payment.expires_at <= self.now() and not payment.pending
            return self.expire(reference) if overdue else payment

    def payments(self) -> list[Payment]:
        """All payments, newest first."""
        with self._ledger.lock:
            return [self.payment(one) for one in reversed(list(self._ledger.payments))]

    def choose(self, reference: str, *, coin: Coin) -> Payment:
        """The customer chooses a coin on the payment page."""
        with self._ledger.changing():
            return self._ledger.save(self._ledger.find(reference).choose(coin))

    def assign(self, reference: str, *, network: str) -> Payment:
        """The shop shows the payment itself, with an address for this network; raises ValueError when it is closed."""
        with self._ledger.changing():
            payment = self.payment(reference)
            if payment.state not in EXPIRING:
                raise ValueError("The payment is closed.")
            return self._ledger.save(payment.assign(network))

    def customer_address(self, customer_id: str, *, family: str) -> str | None:
        """The customer's permanent address on a family of chains; None before any payment needed it."""
        with self._ledger.lock:
            known = family in self._ledger.families(customer_id)
        return deposit_address(customer_id, family=family) if known else None

    def pay(self, reference: str, usd: Amount | None = None) -> Payment:
        """A confirmed deposit of ``usd``.

        Without a sum, all that is missing: deposits on the chain are confirmed, the rest is paid.
        Raises UnknownPayment, and ValueError when nothing is missing.
        """
        with self._ledger.changing():
            payment = self._ledger.find(reference)
            if usd is None and payment.pending:
                payment = payment.confirm(payment.blocks)
                if not payment.missing_usd:
                    return self._change(payment)
            return self._change(payment.deposit(_sum(usd, payment), confirmations=payment.blocks))

    def see(self, reference: str, usd: Amount | None = None) -> Payment:
        """A deposit on the chain without confirmations, the state stays; without a sum, all that is missing."""
        with self._ledger.changing():
            payment = self._ledger.find(reference)
            return self._change(payment.deposit(_sum(usd, payment), confirmations=0))

    def send_coins(self, reference: str, amount: Amount | None = None, *, currency: str, network: str) -> Payment:
        """So many coins on the chain, without confirmations; without an amount, all that is missing.

        Raises ValueError for an unknown coin, and for one which the payment does not take: see ``Payment.deposit``.
        """
        coin = find_coin(currency, network)
        if coin is None:
            raise ValueError(f"The sandbox has no {currency} on {network}.")
        with self._ledger.changing():
            payment = self._ledger.find(reference)
            usd = _sum(None if amount is None else worth(positive_sum(amount), coin=coin), payment)
            return self._change(payment.deposit(usd, confirmations=0, coin=coin))

    def confirm(self, reference: str, blocks: int = 1) -> Payment:
        """So many blocks more on top of the deposits; with enough of them the money counts.

        A negative number takes blocks away, as a reorganised chain does.
        """
        with self._ledger.changing():
            return self._change(self._ledger.find(reference).confirm(blocks))

    def expire(self, reference: str) -> Payment:
        """The link expires: CANCELLED, keeping what was received; a settled payment stays."""
        with self._ledger.changing():
            payment = self._ledger.find(reference)
            return self._change(payment.cancel()) if payment.state in EXPIRING else payment

    def ask_for(self, reference: str, usd: Amount) -> Payment:
        """PayRam asks for another sum than the shop did; the shop is told with the next change."""
        with self._ledger.changing():
            return self._ledger.save(self._ledger.find(reference).ask_for(positive_sum(usd)))

    def top_up(self, reference: str, usd: Amount | None = None) -> str:
        """The rest as a new, FILLED payment of the same customer; returns its reference."""
        with self._ledger.changing():
            parent = self._ledger.find(reference)
            amount = _sum(usd, parent)
            wanted = CreateRequest(
                customer_id=parent.customer_id,
                customer_email=parent.customer_email,
                amount_usd=amount,
                coin=parent.coin,
            )
            where = urlsplit(parent.url)
            child = self._draft(wanted, site=f"{where.scheme}://{where.netloc}")
            return self._change(child.deposit(amount, confirmations=child.blocks)).reference

    def redeliver(self, reference: str) -> Delivery:
        """Send the present state of a payment at once; raises ValueError when no webhook URL is set."""
        return self._send_now(self.payment(reference))

    def _change(self, payment: Payment) -> Payment:
        return self._queue(self._ledger.save(payment))

    def _draft(self, wanted: CreateRequest, *, site: str) -> Payment:
        reference = str(uuid.uuid4())
        now = self.now()
        draft = Payment(
            reference=reference,
            customer_id=wanted.customer_id,
            customer_email=wanted.customer_email,
            invoice_id=wanted.invoice_id or reference,
            amount_usd=wanted.amount_usd,
            created_at=now,
            expires_at=wanted.expires_at or now + self.api_version.lifetime,
            url=self.api_version.checkout(site, reference),
            blocks=self.project.confirmations_required,
        )
        return draft.choose(wanted.coin) if wanted.coin else draft


def _sum(usd: Amount | None, payment: Payment) -> Decimal:
    """What was given, or all that is still to be sent for the payment; raises ValueError when that is nothing."""
    if usd is not None:
        return positive_sum(usd)
    if not payment.unsent_usd:
        raise ValueError(f"Nothing is missing of the payment {payment.reference}.")
    return payment.unsent_usd
