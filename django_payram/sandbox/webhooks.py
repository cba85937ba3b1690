"""Tells the shop: queues a webhook for each piece of news and sends those that are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.deliveries import (
    Delivery,
    OutgoingWebhook,
    QueuedWebhook,
    Send,
    send_by_requests,
    sign,
)

if TYPE_CHECKING:
    from django_payram.sandbox.api_versions import ApiVersion
    from django_payram.sandbox.ledger import Payment
    from django_payram.sandbox.store import Store

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc)


class WebhookSender:
    """One project's webhooks. ``on`` is the switch: off, nothing is queued and nothing sent."""

    def __init__(
        self,
        store: Store,
        *,
        url: str,
        key: str,
        api_version: ApiVersion,
        on: bool = True,
        send: Send | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Without a ``url`` there is nobody to tell."""
        self.on = on
        self.url = url
        self._store = store
        self._key = key
        self._api_version = api_version
        self._send = send or send_by_requests
        self._clock = clock

    def tell(self, payment: Payment) -> Payment:
        """Queue the present state of a payment; returns the payment. Call it under the lock."""
        if self.on and self.url:
            queue = self._store.queue
            queue.put(queue.pack(payment, api_version=self._api_version, now=self._clock()))
        return payment

    def deliver_due(self, now: datetime | None = None) -> list[Delivery]:
        """Send every webhook that is due; an exception other than requests' own comes through."""
        if not self.on:
            return []
        moment = now or self._clock()
        with self._store.lock:
            self._repeat_progress(moment)
            due = self._store.queue.take_due(moment)
        try:
            return [self._deliver(webhook, now=moment) for webhook in due]
        finally:
            with self._store.lock:
                self._store.queue.give_back(due)

    def redeliver(self, payment: Payment) -> Delivery:
        """Tell the present state at once; raises ValueError when no webhook URL is set."""
        if not self.url:
            raise ValueError("The sandbox has no webhook URL to send to.")
        now = self._clock()
        queue = self._store.queue
        with self._store.lock:
            webhook = queue.pack(payment, api_version=self._api_version, now=now)
        status, text = self._post(webhook)
        with self._store.changing():
            return queue.record(webhook.outcome(status=status, text=text, now=now))

    def log(self) -> list[Delivery]:
        """Every attempt so far, oldest first."""
        with self._store.lock:
            return list(self._store.queue.log)

    def waiting(self) -> int:
        """How many webhooks wait for an attempt."""
        with self._store.lock:
            return len(self._store.queue.waiting)

    def _deliver(self, webhook: QueuedWebhook, *, now: datetime) -> Delivery:
        status, text = None, "The sender raised an error."
        try:
            status, text = self._post(webhook)
        finally:
            with self._store.changing():
                done = self._store.queue.settle(webhook, status=status, text=text, now=now)
        return done

    def _post(self, webhook: QueuedWebhook) -> tuple[int | None, str]:
        try:
            return self._send(self._addressed(webhook))
        except requests.RequestException as exc:
            # The class alone: messages of requests may repeat what was sent.
            return None, f"No answer ({type(exc).__name__})."

    def _addressed(self, webhook: QueuedWebhook) -> OutgoingWebhook:
        api_version = self._api_version
        headers = {"Content-Type": "application/json", api_version.key_header: self._key}
        if api_version.signs:
            headers["X-Payram-Signature"] = sign(webhook.body, key=self._key)
        return OutgoingWebhook(api_version.webhook_method, self.url, headers, webhook.body)

    def _repeat_progress(self, now: datetime) -> None:
        if self._api_version.repeat_seconds is None:
            return
        pause = timedelta(seconds=self._api_version.repeat_seconds)
        for payment in self._store.ledger.confirming():
            if self._store.queue.is_quiet_about(payment.reference, since=now - pause):
                self.tell(payment)
