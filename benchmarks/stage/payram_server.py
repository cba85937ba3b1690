"""The pretend PayRam as a process, with its controls within reach of other processes: POST /control/VERB.

python -m benchmarks.stage.payram_server --port 8001 --key KEY --webhook-url URL --data FILE
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stage.unreliable_delivery import UnreliableDelivery
from django_payram.sandbox import API_VERSIONS, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from django_payram.sandbox import Payment

CONTROL = "/control/"
DELIVER_EVERY_SECONDS = 0.05


class Controls:
    """What other processes may do to the sandbox: every public method is a verb of ``/control/``."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        # What PayRam opened by itself repeats its reference as invoice id.
        opened = (one for one in sandbox.payments() if one.invoice_id == one.reference)
        self._top_ups = {one.customer_id: one.reference for one in opened}
        self._topping_up = threading.Lock()

    def pay(self, reference: str, usd: str | None = None) -> dict[str, Any]:
        """Pay, confirmed at once; without a sum all that is missing."""
        return facts(self._sandbox.pay(reference, usd))

    def fill(self, reference: str, usd: str) -> dict[str, Any]:
        """Pay until so much has come in all: said twice, it is done once."""
        missing = Decimal(usd) - self._sandbox.payment(reference).filled_usd
        return facts(self._sandbox.pay(reference, missing) if missing > 0 else self._sandbox.payment(reference))

    def see(self, reference: str, usd: str | None = None) -> dict[str, Any]:
        """Put a deposit on the chain."""
        return facts(self._sandbox.see(reference, usd))

    def confirm(self, reference: str, blocks: int = 1) -> dict[str, Any]:
        """Confirm deposits."""
        return facts(self._sandbox.confirm(reference, blocks))

    def expire(self, reference: str) -> dict[str, Any]:
        """Let a link expire."""
        return facts(self._sandbox.expire(reference))

    def top_up(self, reference: str, usd: str | None = None) -> dict[str, Any]:
        """Pay the rest under a new reference; said twice, it is done once."""
        customer = self._sandbox.payment(reference).customer_id
        with self._topping_up:
            if customer not in self._top_ups:
                self._top_ups[customer] = self._sandbox.top_up(reference, usd)
        return facts(self._sandbox.payment(self._top_ups[customer]))

    def payments(self) -> list[dict[str, Any]]:
        """Return all payments, newest first."""
        return [facts(one) for one in self._sandbox.payments()]

    def webhooks(self, *, on: bool) -> None:
        """Switch webhooks on or off."""
        self._sandbox.webhooks = on

    def redeliver(self, reference: str) -> dict[str, Any]:
        """Tell the present state at once; the status is None when nobody answered."""
        done = self._sandbox.redeliver(reference)
        return {"status": done.status, "answer": done.answer}

    def inject_fault(self, name: str, reference: str | None = None, times: int | None = None) -> None:
        """Spoil answers."""
        self._sandbox.inject_fault(reference, name, times)

    def clear_faults(self) -> None:
        """Answer honestly again."""
        self._sandbox.clear_faults()

    def calls(self) -> list[dict[str, Any]]:
        """Return the newest API calls: method, path, status."""
        return [vars(call) for call in self._sandbox.calls]


def facts(payment: Payment) -> dict[str, Any]:
    """Return what PayRam knows of a payment, sums in US dollars as text."""
    return {
        "reference": payment.reference,
        "customer_id": payment.customer_id,
        "invoice_id": payment.invoice_id,
        "amount_usd": str(payment.amount_usd),
        "filled_usd": str(payment.filled_usd),
        "state": payment.state,
        "pending": len(payment.pending),
    }


class ControlledSandbox(Sandbox):
    """A sandbox that also answers under ``/control/``."""

    controls: Controls

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(CONTROL):
            return super().__call__(environ, start_response)
        status, value = self._pull(path.removeprefix(CONTROL), environ)
        body = json.dumps(value).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _pull(self, verb: str, environ: WSGIEnvironment) -> tuple[str, Any]:
        arguments = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        control: Callable[..., Any] | None = None if verb.startswith("_") else getattr(self.controls, verb, None)
        if control is None:
            return "404 Not Found", {"error": f"There is no control {verb}."}
        try:
            return "200 OK", control(**arguments)
        except (ValueError, LookupError) as exc:
            return "409 Conflict", {"error": str(exc)}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--webhook-url", default="")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--api-version", choices=list(API_VERSIONS), default="2026")
    parser.add_argument("--no-webhooks", action="store_true")
    parser.add_argument("--senders", type=int, default=4, help="threads that send webhooks")
    parser.add_argument(
        "--unreliable", type=Path, metavar="LOG", help="lose, double and delay webhooks, and write it down"
    )
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM."""
    options = arguments()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sandbox = ControlledSandbox(
        api_key=options.key,
        webhook_url=options.webhook_url,
        data=options.data,
        api_version=options.api_version,
        webhooks=not options.no_webhooks,
        send=UnreliableDelivery(options.unreliable) if options.unreliable else None,
    )
    sandbox.controls = Controls(sandbox)
    with sandbox.serve(port=options.port):
        for _ in range(options.senders):
            threading.Thread(target=deliver, args=(sandbox, stop), daemon=True).start()
        stop.wait()


def deliver(sandbox: Sandbox, stop: threading.Event) -> None:
    """Send due webhooks until asked to stop; several threads share the work."""
    while not stop.wait(DELIVER_EVERY_SECONDS):
        sandbox.deliver_due()


if __name__ == "__main__":
    main()
