"""Where the ledger and the queue are kept: one lock around both, and the file they survive in."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django_payram.sandbox import storage
from django_payram.sandbox.deliveries import WebhookQueue
from django_payram.sandbox.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store:
    """Ledger and queue; whoever touches them holds ``lock``, and never while sending."""

    def __init__(self, data: str | Path | None) -> None:
        """Open the ledger; raises CorruptData when the data file cannot be read."""
        self.lock = threading.RLock()
        self.ledger = Ledger()
        self.queue = WebhookQueue()
        self._file = Path(data) if data is not None else None
        if self._file:
            storage.load(self._file, ledger=self.ledger, queue=self.queue)
            self._forget_news()

    @contextmanager
    def changing(self) -> Iterator[Ledger]:
        """The books under the lock, saved on the way out."""
        with self.lock:
            yield self.ledger
            if self._file:
                storage.append(self._file, [*self.ledger.news, *self.queue.news])
            self._forget_news()

    def _forget_news(self) -> None:
        self.ledger.news.clear()
        self.queue.news.clear()
