"""A shop that talks to the sandbox as any HTTP client would."""

from __future__ import annotations

import requests

from django_payram.sandbox import Sandbox

KEY = "00112233445566778899aabbccddeeff"


ORDER = {"customerEmail": "buyer@example.org", "customerId": "order-1042", "amountInUSD": 49.99}


class Shop:
    """A shop with the key, talking to a sandbox."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.http = requests.Session()
        self.http.headers["API-Key"] = KEY

    def post(self, **changes):
        return self.http.post(f"{self.sandbox.url}/api/v1/payment", json={**ORDER, **changes}, timeout=5)

    def create(self, **changes):
        return self.post(**changes).json()["reference_id"]

    def get(self, path, **kwargs):
        return self.http.get(f"{self.sandbox.url}{path}", timeout=5, **kwargs)

    def ask(self, reference):
        return self.get(f"/api/v1/payment/reference/{reference}")


def make(**options):
    return Sandbox(**{"api_key": KEY, "webhook_url": "http://shop/", "send": lambda _: (200, "ok"), **options})
