"""One webhook: the HTTP request, when it is tried again, and what the shop answered."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import requests

SEND_TIMEOUT = 10
ANSWER_LENGTH = 500

SECONDS, MINUTE, HOUR = 1, 60, 3600
# The wait before each attempt, counted from the one before; in seconds.
FIRST_TRIES = (0, 2 * SECONDS, 4 * SECONDS)
LATER_TRIES = (30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR, 48 * HOUR)


@dataclass(frozen=True)
class OutgoingWebhook:
    """One HTTP request to the shop. The headers hold the key, so they stay out of the repr."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Send = Callable[[OutgoingWebhook], tuple[int, str]]


@dataclass(frozen=True)
class Delivery:
    """One attempt: the state that was sent, and the answer. Status None means no answer at all."""

    reference: str
    state: str
    attempt: int
    at: datetime
    status: int | None
    answer: str
    next_at: datetime | None

    @property
    def succeeded(self) -> bool:
        """Whether the shop accepted the webhook: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class QueuedWebhook:
    """A webhook that waits for its next attempt. The key is added only when it is sent."""

    number: int
    reference: str
    state: str
    final: bool
    body: bytes
    attempt: int
    due_at: datetime

    def outcome(self, *, status: int | None, text: str, now: datetime) -> Delivery:
        """What is logged about an attempt to deliver this."""
        return Delivery(self.reference, self.state, self.attempt, now, status, text[:ANSWER_LENGTH], next_at=None)


def sign(body: bytes, *, key: str) -> str:
    """The value of ``X-Payram-Signature`` for these bytes."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def send_by_requests(webhook: OutgoingWebhook) -> tuple[int, str]:
    """Send over the network, following no redirect; raises requests' exceptions."""
    with requests.request(
        webhook.method,
        webhook.url,
        headers=webhook.headers,
        data=webhook.body,
        timeout=SEND_TIMEOUT,
        allow_redirects=False,
    ) as answer:
        return answer.status_code, answer.text


def wait_before(attempt: int, *, final: bool) -> timedelta | None:
    """How long to wait before attempt number ``attempt``; None when there is none left."""
    waits = FIRST_TRIES + LATER_TRIES if final else FIRST_TRIES
    return timedelta(seconds=waits[attempt - 1]) if attempt <= len(waits) else None
