"""The pretend PayRam, seen from outside its process."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from benchmarks.stage.processes import HOST, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

KEY = "62656e63686d61726b732d6b65792d31"
CONTROL_SECONDS = 60


class ControlError(Exception):
    """The pretend PayRam cannot do that now, and says why."""


class Payram(Server):
    """A pretend PayRam with the verbs of a customer's wallet and of the blockchain. Killed, it keeps its payments.

    Payments come back as dicts: reference, customer_id, invoice_id, amount_usd, filled_usd, state, pending.
    """

    def __init__(self, *, folder: Path, webhook_url: str, webhooks: bool = True, options: tuple[str, ...] = ()) -> None:
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.key = KEY
        command = [sys.executable, "-m", "benchmarks.stage.payram_server", f"--port={port}", f"--key={KEY}"]
        command += [f"--webhook-url={webhook_url}", f"--data={folder / 'payram'}", *options]
        command += [] if webhooks else ["--no-webhooks"]
        super().__init__(command, ready_url=f"{self.url}/", log=folder / "payram.log", environment={})

    def pay(self, reference: str, usd: Decimal | str | None = None) -> dict[str, Any]:
        """Pay, confirmed at once; without a sum all that is missing."""
        return self._pull("pay", reference=reference, usd=_text(usd))

    def fill(self, reference: str, usd: Decimal | str) -> dict[str, Any]:
        """Pay until so much has come in all: said twice, it is done once."""
        return self._pull("fill", reference=reference, usd=_text(usd))

    def see(self, reference: str, usd: Decimal | str | None = None) -> dict[str, Any]:
        """Put a deposit on the chain, without confirmations."""
        return self._pull("see", reference=reference, usd=_text(usd))

    def confirm(self, reference: str, blocks: int = 1) -> dict[str, Any]:
        """Confirm the deposits by so many blocks."""
        return self._pull("confirm", reference=reference, blocks=blocks)

    def expire(self, reference: str) -> dict[str, Any]:
        """Let a link expire."""
        return self._pull("expire", reference=reference)

    def top_up(self, reference: str, usd: Decimal | str | None = None) -> dict[str, Any]:
        """Pay the rest under a new reference, once; returns the new payment."""
        return self._pull("top_up", reference=reference, usd=_text(usd))

    def payments(self) -> list[dict[str, Any]]:
        """Return all payments, newest first."""
        return self._pull("payments")

    def calls(self) -> list[dict[str, Any]]:
        """Return the newest API calls, at most 10000: method, path, status."""
        return self._pull("calls")

    def webhooks(self, *, on: bool) -> None:
        """Switch webhooks on or off, until the next start."""
        self._pull("webhooks", on=on)

    def redeliver(self, reference: str) -> dict[str, Any]:
        """Send one webhook about a payment now, switched on or not; returns the shop's ``status`` and ``answer``."""
        return self._pull("redeliver", reference=reference)

    def inject_fault(self, name: str, *, reference: str | None = None, times: int | None = None) -> None:
        """Spoil answers, all or those about one payment, so many times or until clear_faults()."""
        self._pull("inject_fault", name=name, reference=reference, times=times)

    def clear_faults(self) -> None:
        """Answer honestly again."""
        self._pull("clear_faults")

    def _pull(self, verb: str, **arguments: object) -> Any:
        answer = requests.post(f"{self.url}/control/{verb}", json=arguments, timeout=CONTROL_SECONDS)
        if answer.status_code != 200:
            raise ControlError(answer.json()["error"])
        return answer.json()


@contextmanager
def payram(
    *, folder: Path, webhook_url: str = "", webhooks: bool = True, options: tuple[str, ...] = ()
) -> Iterator[Payram]:
    """Run a pretend PayRam until the block ends; its data and its log are in ``folder``.

    ``options`` are further ones of ``benchmarks.stage.payram_server``, ``--api-version=faq`` for instance.
    """
    server = Payram(folder=folder, webhook_url=webhook_url, webhooks=webhooks, options=options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _text(usd: Decimal | str | None) -> str | None:
    return None if usd is None else str(usd)
