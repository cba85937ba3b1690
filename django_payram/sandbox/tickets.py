"""One-time tickets for forms: a double click does a thing once, a foreign page does nothing."""

from __future__ import annotations

import secrets
import threading
from enum import Enum

MOST = 5000


class Ticket(Enum):
    """What a posted ticket turns out to be."""

    FRESH = "fresh"
    USED = "used"
    UNKNOWN = "unknown"


class Tickets:
    """The tickets given out with pages; the newest five thousand are remembered."""

    def __init__(self) -> None:
        """Start with none given out."""
        self._lock = threading.Lock()
        self._used: dict[str, bool] = {}

    def issue(self) -> str:
        """A new ticket for one rendering of a page."""
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._used[ticket] = False
            if len(self._used) > MOST:
                self._used.pop(next(iter(self._used)))
        return ticket

    def take(self, ticket: str) -> Ticket:
        """Use a ticket up."""
        with self._lock:
            if ticket not in self._used:
                return Ticket.UNKNOWN
            used, self._used[ticket] = self._used[ticket], True
        return Ticket.USED if used else Ticket.FRESH
