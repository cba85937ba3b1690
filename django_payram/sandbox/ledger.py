"""All that the pretend PayRam keeps: payments, webhooks that wait and past deliveries, also in a file."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django_payram.sandbox import storage
from django_payram.sandbox.payments import OPEN, Payment, UnknownPayment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.sandbox.webhooks import Delivery, QueuedWebhook

LOG_LENGTH = 1000


class Ledger:
    """Payments by reference, oldest first; webhooks that wait, by number; the newest thousand deliveries.

    Whoever touches it holds ``lock``, and never while sending.
    """

    def __init__(self, data: str | Path | None) -> None:
        """Raises CorruptData when the data file cannot be read."""
        self.lock = threading.RLock()
        self.payments: dict[str, Payment] = {}
        self.waiting: dict[int, QueuedWebhook] = {}
        self.log: deque[Delivery] = deque(maxlen=LOG_LENGTH)
        self._open: defaultdict[str, set[str]] = defaultdict(set)
        self._families: defaultdict[str, set[str]] = defaultdict(set)
        self._confirming: dict[str, None] = {}
        self._unsaved: list[storage.Change] = []
        self._file = Path(data) if data is not None else None
        if self._file:
            storage.load(self._file, self)
            storage.replace(self._file, self._whole())
            self._unsaved.clear()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock, and save on the way out what was changed."""
        with self.lock:
            yield
            if self._file and self._unsaved:
                storage.append(self._file, self._unsaved)
            self._unsaved.clear()

    def find(self, reference: str) -> Payment:
        """The payment of that reference; raises UnknownPayment."""
        try:
            return self.payments[reference]
        except KeyError as exc:
            raise UnknownPayment(f"No call to this server has made a payment {reference!r}.") from exc

    def open_payments(self, customer_id: str) -> list[Payment]:
        """The customer's OPEN payments."""
        return [self.payments[one] for one in self._open[customer_id]]

    def families(self, customer_id: str) -> set[str]:
        """The families of chains on which the customer has an address, from any payment."""
        return self._families[customer_id]

    def confirming_payments(self) -> list[Payment]:
        """The payments with a deposit that waits for confirmations."""
        return [self.payments[one] for one in self._confirming]

    def save(self, payment: Payment) -> Payment:
        """Keep a payment, new or changed."""
        reference = payment.reference
        self.payments[reference] = payment
        self._unsaved.append(("payment", payment))
        self._families[payment.customer_id] |= payment.families
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

    def enqueue(self, webhook: QueuedWebhook) -> None:
        """Let a webhook wait for its next attempt."""
        self.waiting[webhook.number] = webhook
        self._unsaved.append(("waiting", webhook))

    def dequeue(self, number: int) -> None:
        """A webhook waits no longer."""
        self.waiting.pop(number, None)
        self._unsaved.append(("settled", number))

    def record(self, delivery: Delivery) -> Delivery:
        """Write an attempt into the log."""
        self.log.append(delivery)
        self._unsaved.append(("delivery", delivery))
        return delivery

    def _whole(self) -> Iterator[storage.Change]:
        yield from (("payment", one) for one in self.payments.values())
        yield from (("waiting", one) for one in self.waiting.values())
        yield from (("delivery", one) for one in self.log)
