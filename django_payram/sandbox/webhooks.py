"""Queues a webhook for every change of a payment, and sends those that are due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.deliveries import (
    Delivery,
    OutgoingWebhook,
    QueuedWebhook,
    Send,
    send_by_requests,
    sign,
    wait_before,
)
from django_payram.sandbox.jsontext import encode
from django_payram.sandbox.payments import FINAL, Payment

if TYPE_CHECKING:
    from django_payram.sandbox.api_versions import ApiVersion
    from django_payram.sandbox.ledger import Ledger

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc)


class WebhookSender:
    """One project's webhooks. ``on`` is the switch: off, nothing is queued and nothing sent."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        url: str,
        key: str,
        api_version: ApiVersion,
        on: bool,
        send: Send | None,
        clock: Clock,
    ) -> None:
        """Without a ``url`` nothing is queued."""
        self.on = on
        self.url = url
        self._ledger = ledger
        self._key = key
        self._api_version = api_version
        self._send = send or send_by_requests
        self._clock = clock
        self._numbers = count(max(ledger.waiting, default=0) + 1)
        self._sending: set[int] = set()

    def queue(self, payment: Payment) -> Payment:
        """Queue a webhook with the present state of a payment; returns the payment. Call it under the lock."""
        if self.on and self.url:
            self._ledger.enqueue(self._webhook(payment, now=self._clock()))
        return payment

    def deliver_due(self, now: datetime | None = None) -> list[Delivery]:
        """Send every webhook that is due; an exception other than requests' own comes through."""
        if not self.on:
            return []
        moment = now or self._clock()
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

    def redeliver(self, payment: Payment) -> Delivery:
        """Send the present state at once; raises ValueError when no webhook URL is set."""
        if not self.url:
            raise ValueError("The sandbox has no webhook URL to send to.")
        now = self._clock()
        webhook = self._webhook(payment, now=now)
        status, text = self._post(webhook)
        with self._ledger.changing():
            return self._ledger.record(webhook.outcome(status=status, text=text, now=now))

    def _webhook(self, payment: Payment, *, now: datetime) -> QueuedWebhook:
        word = self._api_version.word(payment)
        return QueuedWebhook(
            number=next(self._numbers),
            reference=payment.reference,
            state=word,
            final=payment.state in FINAL,
            body=encode(self._api_version.webhook(payment, word, int(now.timestamp()))),
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
        headers = {"Content-Type": "application/json", self._api_version.key_header: self._key}
        if self._api_version.signs:
            headers["X-Payram-Signature"] = sign(webhook.body, key=self._key)
        try:
            return self._send(OutgoingWebhook(self._api_version.webhook_method, self.url, headers, webhook.body))
        except requests.RequestException as exc:
            # The class alone: messages of requests may repeat what was sent.
            return None, f"No answer ({type(exc).__name__})."

    def _repeat_progress(self, now: datetime) -> None:
        if self._api_version.repeat_seconds is None:
            return
        since = now - timedelta(seconds=self._api_version.repeat_seconds)
        for payment in self._ledger.confirming_payments():
            if self._is_quiet_about(payment.reference, since=since):
                self.queue(payment)

    def _is_quiet_about(self, reference: str, *, since: datetime) -> bool:
        """Whether nothing waits for this payment and nothing was sent about it after ``since``."""
        if any(one.reference == reference for one in self._ledger.waiting.values()):
            return False
        sent = (one.at for one in reversed(self._ledger.log) if one.reference == reference)
        last = next(sent, None)
        return last is None or last <= since
