"""A PayRam that costs next to nothing, so that it is the asking that is measured: one answer for each number.

It stores nothing: what it says of a payment is computed from the number in the reference. Each answer comes after a
fixed latency, which GET /latency/SECONDS changes. For everything else there is the sandbox.

    python -m benchmarks.stage.quick_payram --port 8001 --latency 0.02
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from benchmarks.rows.facts import PAID_FROM, amount_usd, customer_id, order_of
from benchmarks.rows.facts import reference as reference_of
from benchmarks.stage.processes import HOST, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUS = b"/api/v1/payment/reference/"
CREATE = b"/api/v1/payment"
LATENCY = b"/latency/"
CREATED_FROM = 10**11
"""Payments that it makes itself are numbered from here."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def status(reference: str) -> dict[str, object]:
    """Return what PayRam says of a payment, as the servers of 2026 do."""
    number = order_of(reference)
    paid = PAID_FROM <= number < CREATED_FROM
    amount = str(amount_usd(number))
    return {
        "invoiceID": reference,
        "customerID": customer_id(number),
        "currencySymbol": "ETH",
        "blockchainSymbol": "ETH",
        "amountInUSD": amount,
        "filledAmount": "0.013512" if paid else None,
        "filledAmountInUSD": amount if paid else None,
        "paymentState": "FILLED" if paid else "OPEN",
        "merchantName": "Example Shop",
        "depositAddress": "0x2222222222222222222222222222222222222222",
        "referenceID": reference,
        "successURL": "",
        "cancelURL": "",
        "createdAt": "2026-06-20T07:33:01.961030Z",
        "explorerTransaction": "https://etherscan.example/tx/0xaaaa" if paid else "",
        "confirmationCurrent": 12 if paid else 0,
        "confirmationRequired": 12 if paid else 0,
    }


class QuickPayram:
    """The answers, and how long they take."""

    def __init__(self, *, latency: float) -> None:
        self.latency = latency
        self._numbers = itertools.count(CREATED_FROM)

    def answer(self, method: bytes, path: bytes) -> bytes | None:
        """Return the body of an answer; None for a path that is not PayRam's."""
        if path.startswith(STATUS):
            return json.dumps(status(path.removeprefix(STATUS).decode())).encode()
        if path == CREATE and method == b"POST":
            reference = reference_of(next(self._numbers))
            url = f"http://{HOST}/payments?reference_id={reference}"
            return json.dumps({"reference_id": reference, "url": url, "host": HOST}).encode()
        if path.startswith(LATENCY):
            self.latency = float(path.removeprefix(LATENCY))
            return b"{}"
        return None


class Connection(asyncio.Protocol):
    """One kept-alive connection; whole requests are taken from what has come so far."""

    def __init__(self, payram: QuickPayram) -> None:
        self._payram, self._come = payram, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request as soon as it is whole, after the latency."""
        self._come += data
        head, blank, body = self._come.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        self._come = body[_length(head) :]
        method, path, _version = head.split(b" ", 2)
        found = self._payram.answer(method, path)
        answer = NOT_FOUND if found is None else HEAD % (len(found), found)
        if self._payram.latency:
            asyncio.get_running_loop().call_later(self._payram.latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(port: int, latency: float) -> None:
    """Serve until SIGTERM."""
    loop, payram = asyncio.get_running_loop(), QuickPayram(latency=latency)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(lambda: Connection(payram), HOST, port, backlog=256)
    await ended.wait()


class Quick(Server):
    """The server as a process, seen from outside."""

    def __init__(self, *, folder: Path) -> None:
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        command = [sys.executable, "-m", "benchmarks.stage.quick_payram", f"--port={port}"]
        super().__init__(command, ready_url=f"{self.url}{LATENCY.decode()}0", log=folder / "payram.log", environment={})

    def take(self, seconds: float) -> None:
        """Let every answer take so long."""
        requests.get(f"{self.url}{LATENCY.decode()}{seconds}", timeout=10).raise_for_status()


@contextmanager
def quick_payram(*, folder: Path) -> Iterator[Quick]:
    """Run the server until the block ends."""
    server = Quick(folder=folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency))


if __name__ == "__main__":
    main()
