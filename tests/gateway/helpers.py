"""Servers that answer like PayRam, calls that fail, and how long they may take."""

from __future__ import annotations

import time
from contextlib import contextmanager
from decimal import Decimal

import pytest

from django_payram.exceptions import PayramError
from django_payram.gateway.responses import NoAnswer
from django_payram.gateway.transport import MAX_BODY
from tests.servers import http

KEY = "00112233445566778899aabbccddeeff"
REFERENCE = "6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11"
ORDER = {
    "customer_email": "buyer@example.org",
    "customer_id": "order-1042",
    "amount_usd": Decimal("49.99"),
    "invoice_id": "INV-1042",
}

LONG = 50
"""Seconds of a time-out or deadline other than the one under test: nothing takes so long, on the slowest machine."""


def fails(call, *args, **kwargs):
    with pytest.raises(PayramError) as caught:
        call(*args, **kwargs)
    return caught.value


def answered(**given):
    return http(body={"referenceID": REFERENCE, "customerID": "order-1042", "paymentState": "OPEN", **given})


def ask(transport, url, method="POST", **options):
    return transport.send(method, url, headers={"API-Key": KEY}, **options)


def refusal(transport, url, method="POST", **options):
    """Return why a call got no answer, and whether anything was sent."""
    with pytest.raises(NoAnswer) as caught:
        ask(transport, url, method, **options)
    return str(caught.value), caught.value.sent


def trickle(server, connection, data):
    """Send a byte at a time, slowly, until the test is over."""
    for byte in data:
        connection.send(bytes([byte]))
        if server.closing.wait(0.1):
            return


def send_huge_502(connection, sent):
    """Answer 502 with a body of 40 MiB; each MiB that went out is added to ``sent``."""
    connection.send(http(502, Content_Length=40 * MAX_BODY))
    for _ in range(40):
        connection.send(b"x" * MAX_BODY)
        sent.append(MAX_BODY)


@contextmanager
def ends_after(seconds):
    """See that the block takes at least these seconds, and that nothing of length LONG ended it."""
    started = time.monotonic()
    yield
    assert seconds <= time.monotonic() - started < LONG / 2
