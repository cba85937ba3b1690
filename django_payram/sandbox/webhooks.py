"""Webhooks: what is sent for every change of a payment, when it is tried again, and what the shop answered."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.messages import encode
from django_payram.sandbox.payments import FINAL, Payment

if TYPE_CHECKING:
    from django_payram.sandbox.ledger import Ledger
    from django_payram.sandbox.payloads import Project

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
Clock = Callable[[], datetime]


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


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc)


class WebhookSender:
    """One project's webhooks. ``webhooks`` is the switch: off, nothing is queued and nothing that waits is sent."""

    def __init__(self, project: Project, ledger: Ledger, *, webhooks: bool, send: Send | None, clock: Clock) -> None:
        """Without a ``webhook_url`` nothing is queued."""
        self.webhooks = webhooks
        self.project = project
        self.api_version = project.api_version
        self.now = clock
        self._ledger = ledger
        self._send = send or send_by_requests
        self._numbers = count(max(ledger.waiting, default=0) + 1)
        self._sending: set[int] = set()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to deliver a webhook, oldest first; the newest thousand are kept."""
        with self._ledger.lock:
            return list(self._ledger.log)

    @property
    def waiting(self) -> int:
        """How many webhooks wait for an attempt."""
        with self._ledger.lock:
            return len(self._ledger.waiting)

    def deliver_due(self, now: datetime | None = None) -> list[Delivery]:
        """Send every webhook that is due, in this thread, each at most once.

        An exception of ``send`` other than requests' own comes through.
        """
        if not self.webhooks:
            return []
        moment = now or self.now()
        with self._ledger.lock:
            self._repeat_progress(moment)
            waiting = (one for one in self._ledger.waiting.values() if one.number not in self._sending)
            due = sorted((one for one in waiting if one.due_at <= moment), key=lambda one: (one.due_at, one.number))
            numbers = {one.number for one in due}
            self._sending |= numbers
        try:
            return [self._deliver(webhook, now=moment) for webhook in due]
        finally:
            with self._ledger.lock:
                self._sending -= numbers

    def _queue(self, payment: Payment) -> Payment:
        """Queue a webhook with the present state of a payment; returns the payment. Call it under the lock."""
        if self.webhooks and self.project.webhook_url:
            self._ledger.enqueue(self._webhook(payment, now=self.now()))
        return payment

    def _send_now(self, payment: Payment) -> Delivery:
        """Send the present state at once; raises ValueError when no webhook URL is set."""
        if not self.project.webhook_url:
            raise ValueError("The sandbox has no webhook URL to send to.")
        now = self.now()
        webhook = self._webhook(payment, now=now)
        status, text = self._post(webhook)
        with self._ledger.changing():
            return self._ledger.record(webhook.outcome(status=status, text=text, now=now))

    def _webhook(self, payment: Payment, *, now: datetime) -> QueuedWebhook:
        word = self.api_version.word(payment)
        return QueuedWebhook(
            number=next(self._numbers),
            reference=payment.reference,
            state=word,
            final=payment.state in FINAL,
            body=encode(self.api_version.webhook(payment, word, int(now.timestamp()))),
            attempt=1,
            due_at=now,
        )

    def _deliver(self, webhook: QueuedWebhook, *, now: datetime) -> Delivery:
        status, text = None, "The sender raised an error."
        try:
            status, text = self._post(webhook)
        finally:
            done = self._settle(webhook, webhook.outcome(status=status, text=text, now=now))
        return done

    def _settle(self, webhook: QueuedWebhook, done: Delivery) -> Delivery:
        """Log an attempt, and queue the next one unless the shop accepted it or none is left."""
        with self._ledger.changing():
            self._ledger.dequeue(webhook.number)
            wait = wait_before(webhook.attempt + 1, final=webhook.final)
            if not done.succeeded and wait is not None:
                done = replace(done, next_at=done.at + wait)
                self._ledger.enqueue(replace(webhook, attempt=webhook.attempt + 1, due_at=done.at + wait))
            return self._ledger.record(done)

    def _post(self, webhook: QueuedWebhook) -> tuple[int | None, str]:
        version = self.api_version
        headers = {"Content-Type": "application/json", version.key_header: self.project.api_key}
        if version.signs:
            headers["X-Payram-Signature"] = sign(webhook.body, key=self.project.api_key)
        try:
            return self._send(OutgoingWebhook(version.webhook_method, self.project.webhook_url, headers, webhook.body))
        except requests.RequestException as exc:
            # The class alone: messages of requests may repeat what was sent.
            return None, f"No answer ({type(exc).__name__})."

    def _repeat_progress(self, now: datetime) -> None:
        """Queue a webhook for each confirming payment about which nothing waits and nothing was sent of late."""
        seconds = self.api_version.repeat_seconds
        confirming = self._ledger.confirming_payments()
        if seconds is None or not confirming:
            return
        since = now - timedelta(seconds=seconds)
        waiting = {one.reference for one in self._ledger.waiting.values()}
        sent = {one.reference for one in self._ledger.log if one.at > since}
        for payment in confirming:
            if payment.reference not in waiting | sent:
                self._queue(payment)
