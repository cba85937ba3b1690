"""One-time tokens for forms: a double click does a thing once, a foreign page does nothing."""

from __future__ import annotations

import secrets
import threading
from enum import Enum

MOST = 5000


class TokenState(Enum):
    """What a posted token turns out to be."""

    FRESH = "fresh"
    USED = "used"
    UNKNOWN = "unknown"


class FormTokens:
    """The tokens given out with pages; the newest five thousand are remembered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, bool] = {}

    def issue(self) -> str:
        """A new token for one rendering of a page."""
        form_token = secrets.token_urlsafe(16)
        with self._lock:
            self._used[form_token] = False
            if len(self._used) > MOST:
                self._used.pop(next(iter(self._used)))
        return form_token

    def take(self, form_token: str) -> TokenState:
        """Use a token up."""
        with self._lock:
            if form_token not in self._used:
                return TokenState.UNKNOWN
            used, self._used[form_token] = self._used[form_token], True
        return TokenState.USED if used else TokenState.FRESH
