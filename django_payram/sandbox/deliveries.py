"""Webhooks on their way: what to send, when to try again, and what the shop answered."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.jsontext import encode
from django_payram.sandbox.ledger import FINAL, Payment

if TYPE_CHECKING:
    from django_payram.sandbox.api_versions import ApiVersion

SEND_TIMEOUT = 10
LOG_LENGTH = 1000
ANSWER_LENGTH = 500

SECONDS, MINUTE, HOUR = 1, 60, 3600
# The wait before each attempt, counted from the one before; in seconds.
FIRST_TRIES = (0, 2 * SECONDS, 4 * SECONDS)
LATER_TRIES = (30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR, 48 * HOUR)


@dataclass(frozen=True)
class OutgoingWebhook:
    """One HTTP call to the shop. The headers hold the key, so they stay out of the repr."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Send = Callable[[OutgoingWebhook], tuple[int, str]]


@dataclass(frozen=True)
class Delivery:
    """One attempt: the state told, and what came back. Status None means no answer at all."""

    reference: str
    state: str
    attempt: int
    at: datetime
    status: int | None
    answer: str
    next_at: datetime | None

    @property
    def succeeded(self) -> bool:
        """Whether the shop took the webhook: any 2xx."""
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
        return Delivery(
            reference=self.reference,
            state=self.state,
            attempt=self.attempt,
            at=now,
            status=status,
            answer=text[:ANSWER_LENGTH],
            next_at=None,
        )


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


class WebhookQueue:
    """The waiting queued and the log. Not locked: its owner is.

    ``news`` is what happened since its owner last saved.
    """

    def __init__(self) -> None:
        """Start with nothing to send."""
        self.waiting: list[QueuedWebhook] = []
        self.log: list[Delivery] = []
        self.news: list[tuple[str, object]] = []
        self._numbers = count(1)
        self._on_the_road: set[int] = set()

    def pack(self, payment: Payment, *, api_version: ApiVersion, now: datetime) -> QueuedWebhook:
        """A webhook with the present state of a payment, not yet queued."""
        word = api_version.word(payment)
        return QueuedWebhook(
            number=next(self._numbers),
            reference=payment.reference,
            state=word,
            final=payment.state in FINAL,
            body=encode(api_version.webhook(payment, word, int(now.timestamp()))),
            attempt=1,
            due_at=now,
        )

    def put(self, webhook: QueuedWebhook) -> None:
        """Queue a webhook."""
        self.waiting.append(webhook)
        self.news.append(("waiting", webhook))

    def restore(self, waiting: list[QueuedWebhook], log: list[Delivery]) -> None:
        """Take up what an earlier run left behind."""
        self.waiting, self.log = waiting, log[-LOG_LENGTH:]
        self._numbers = count(max((one.number for one in waiting), default=0) + 1)

    def whole(self) -> list[tuple[str, object]]:
        """What waits and the log, as if all of it were news."""
        return [*(("waiting", one) for one in self.waiting), *(("delivery", one) for one in self.log)]

    def take_due(self, now: datetime) -> list[QueuedWebhook]:
        """The due queued, oldest first, marked as on the road so that nobody sends them too."""
        due = [one for one in self.waiting if one.due_at <= now and one.number not in self._on_the_road]
        self._on_the_road.update(one.number for one in due)
        return sorted(due, key=lambda one: (one.due_at, one.number))

    def give_back(self, queued: list[QueuedWebhook]) -> None:
        """Parcels that were taken and not sent wait again."""
        self._on_the_road.difference_update(one.number for one in queued)

    def settle(self, webhook: QueuedWebhook, *, status: int | None, text: str, now: datetime) -> Delivery:
        """Log an attempt, and queue the next one unless the shop took it or none is left."""
        done = webhook.outcome(status=status, text=text, now=now)
        self.give_back([webhook])
        self.waiting = [one for one in self.waiting if one.number != webhook.number]
        self.news.append(("settled", webhook.number))
        wait = wait_before(webhook.attempt + 1, final=webhook.final)
        if not done.succeeded and wait is not None:
            done = replace(done, next_at=now + wait)
            self.put(replace(webhook, attempt=webhook.attempt + 1, due_at=now + wait))
        return self.record(done)

    def record(self, done: Delivery) -> Delivery:
        """Write an attempt into the log, which keeps the newest thousand."""
        self.log.append(done)
        self.news.append(("delivery", done))
        del self.log[:-LOG_LENGTH]
        return done

    def is_quiet_about(self, reference: str, *, since: datetime) -> bool:
        """Whether nothing waits for this payment and nothing was told of it after ``since``."""
        if any(one.reference == reference for one in self.waiting):
            return False
        told = (one.at for one in reversed(self.log) if one.reference == reference)
        last = next(told, None)
        return last is None or last <= since
