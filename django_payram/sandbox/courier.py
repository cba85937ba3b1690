"""Tells the shop: queues a webhook for each piece of news and sends those that are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.deliveries import (
    Delivery,
    OutgoingWebhook,
    Parcel,
    Send,
    send_by_requests,
    sign,
)

if TYPE_CHECKING:
    from django_payram.sandbox.ledger import Payment
    from django_payram.sandbox.vault import Vault
    from django_payram.sandbox.vintages import Vintage

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc)


class Courier:
    """One project's webhooks. ``on`` is the switch: off, nothing is queued and nothing sent."""

    def __init__(
        self,
        vault: Vault,
        *,
        url: str,
        key: str,
        vintage: Vintage,
        on: bool = True,
        send: Send | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Without a ``url`` there is nobody to tell."""
        self.on = on
        self.url = url
        self._vault = vault
        self._key = key
        self._vintage = vintage
        self._send = send or send_by_requests
        self._clock = clock

    def tell(self, payment: Payment) -> Payment:
        """Queue the present state of a payment; returns the payment. Call it under the lock."""
        if self.on and self.url:
            outbox = self._vault.outbox
            outbox.put(outbox.pack(payment, vintage=self._vintage, now=self._clock()))
        return payment

    def deliver_due(self, now: datetime | None = None) -> list[Delivery]:
        """Send every parcel that is due; an exception other than requests' own comes through."""
        if not self.on:
            return []
        moment = now or self._clock()
        with self._vault.lock:
            self._repeat_progress(moment)
            due = self._vault.outbox.take_due(moment)
        try:
            return [self._deliver(parcel, now=moment) for parcel in due]
        finally:
            with self._vault.lock:
                self._vault.outbox.give_back(due)

    def redeliver(self, payment: Payment) -> Delivery:
        """Tell the present state at once; raises ValueError when no webhook URL is set."""
        if not self.url:
            raise ValueError("The sandbox has no webhook URL to send to.")
        now = self._clock()
        outbox = self._vault.outbox
        with self._vault.lock:
            parcel = outbox.pack(payment, vintage=self._vintage, now=now)
        status, text = self._post(parcel)
        with self._vault.changing():
            return outbox.record(parcel.outcome(status=status, text=text, now=now))

    def log(self) -> list[Delivery]:
        """Every attempt so far, oldest first."""
        with self._vault.lock:
            return list(self._vault.outbox.log)

    def waiting(self) -> int:
        """How many webhooks wait for an attempt."""
        with self._vault.lock:
            return len(self._vault.outbox.waiting)

    def _deliver(self, parcel: Parcel, *, now: datetime) -> Delivery:
        status, text = None, "The sender raised an error."
        try:
            status, text = self._post(parcel)
        finally:
            with self._vault.changing():
                done = self._vault.outbox.settle(parcel, status=status, text=text, now=now)
        return done

    def _post(self, parcel: Parcel) -> tuple[int | None, str]:
        try:
            return self._send(self._addressed(parcel))
        except requests.RequestException as exc:
            # The class alone: messages of requests may repeat what was sent.
            return None, f"No answer ({type(exc).__name__})."

    def _addressed(self, parcel: Parcel) -> OutgoingWebhook:
        vintage = self._vintage
        headers = {"Content-Type": "application/json", vintage.key_header: self._key}
        if vintage.signs:
            headers["X-Payram-Signature"] = sign(parcel.body, key=self._key)
        return OutgoingWebhook(vintage.webhook_method, self.url, headers, parcel.body)

    def _repeat_progress(self, now: datetime) -> None:
        if self._vintage.repeat_seconds is None:
            return
        pause = timedelta(seconds=self._vintage.repeat_seconds)
        for payment in self._vault.ledger.confirming():
            if self._vault.outbox.is_quiet_about(payment.reference, since=now - pause):
                self.tell(payment)
