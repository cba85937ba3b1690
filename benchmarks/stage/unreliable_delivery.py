"""A post that loses, doubles, delays and repeats webhooks, and writes down what it did and what the shop answered."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import requests

from django_payram.sandbox.webhooks import OutgoingWebhook, send_by_requests

if TYPE_CHECKING:
    from pathlib import Path

# What becomes of a webhook, and how many of a hundred.
FATES = {"lost": 10, "failed": 5, "doubled": 10, "delayed": 15, "old one again": 5, "delivered": 55}
LONGEST_DELAY_SECONDS = 5.0
REMEMBERED = 200


class UnreliableDelivery:
    """Carries webhooks for a sandbox.

    ``lost``: never sent, and PayRam believes that it arrived. ``failed``: PayRam notices and tries again. ``delayed``:
    sent later, so that newer ones overtake it. ``old one again``: some earlier webhook comes once more.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._random = random.Random()  # what meets what depends on real processes anyway
        self._earlier: deque[OutgoingWebhook] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def __call__(self, webhook: OutgoingWebhook) -> tuple[int, str]:
        """Send a webhook, or not; raises requests' errors."""
        [fate] = self._random.choices(list(FATES), weights=list(FATES.values()))
        self._note(fate=fate)
        if fate == "lost":
            return 200, "lost"
        if fate == "failed":
            raise requests.ConnectionError("The post has failed.")
        if fate == "delayed":
            pause = self._random.uniform(0, LONGEST_DELAY_SECONDS)
            threading.Thread(target=self._send_later, args=(webhook, pause), daemon=True).start()
            return 200, "delayed"
        if fate == "old one again" and self._earlier:
            self._send(self._random.choice(self._earlier))
        if fate == "doubled":
            self._send(webhook)
        return self._send(webhook)

    def _send_later(self, webhook: OutgoingWebhook, pause: float) -> None:
        time.sleep(pause)
        try:
            self._send(webhook)
        except requests.RequestException:
            return  # lost after all

    def _send(self, webhook: OutgoingWebhook) -> tuple[int, str]:
        self._earlier.append(webhook)
        try:
            status, text = send_by_requests(webhook)
        except requests.RequestException:
            self._note(status=None)
            raise
        self._note(status=status, **({"text": text} if status >= 500 else {}))
        return status, text

    def _note(self, **facts: object) -> None:
        with self._lock, self._log.open("a") as log:
            log.write(json.dumps(facts) + "\n")
