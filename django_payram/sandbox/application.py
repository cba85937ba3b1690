"""The sandbox itself: a pretend PayRam as one WSGI application with a hand on every lever."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_payram.sandbox import api
from django_payram.sandbox.courier import Clock, Courier, utc_now
from django_payram.sandbox.dialects import Project
from django_payram.sandbox.messages import Request, Response, read_request
from django_payram.sandbox.misbehaviour import Moods, is_call
from django_payram.sandbox.pages import Pages
from django_payram.sandbox.processor import Dollars, Processor
from django_payram.sandbox.server import SLOW_HEADERS, serving
from django_payram.sandbox.vault import Vault
from django_payram.sandbox.vintages import vintage_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from django_payram.sandbox.deliveries import Delivery, Send
    from django_payram.sandbox.ledger import Payment

logger = logging.getLogger(__name__)

DELIVER_EVERY = 0.2  # seconds
MOST_CALLS = 10_000


@dataclass(frozen=True)
class Call:
    """One API call as it was answered."""

    method: str
    path: str
    status: int


class Sandbox:
    """A pretend PayRam server for one project: the WSGI application, and the levers beside it.

    Thread-safe. ``webhook_url`` empty: nobody is told. ``data``: the file in which the books
    survive a restart. ``send``: carries a webhook and returns status and text; by default the
    network does. ``misbehave``: kinds of misbehaviour from the start.
    """

    def __init__(
        self,
        *,
        api_key: str,
        webhook_url: str = "",
        success_url: str = "",
        cancel_url: str = "",
        vintage: str = "2026",
        data: str | Path | None = None,
        send: Send | None = None,
        webhooks: bool = True,
        confirmations_required: int = 3,
        merchant: str = "Example shop",
        misbehave: str | Iterable[str] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Raises ValueError for an unknown vintage or kind, a blank key, a broken data file."""
        if not api_key.strip():
            raise ValueError("The sandbox needs an API key.")
        spoken = vintage_named(vintage)
        self._vault = Vault(data)
        self._courier = Courier(
            self._vault,
            url=webhook_url,
            key=api_key,
            vintage=spoken,
            on=webhooks,
            send=send,
            clock=clock,
        )
        self._processor = Processor(
            api_key=api_key,
            project=Project(merchant, success_url, cancel_url),
            vintage=spoken,
            vault=self._vault,
            courier=self._courier,
            blocks=confirmations_required,
            clock=clock,
        )
        self._pages = Pages(self._processor, self._courier)
        self._closing = threading.Event()
        self._moods = Moods()
        for kind in [misbehave] if isinstance(misbehave, str) else misbehave or ():
            self._moods.add(kind)
        self.calls: list[Call] = []
        self.url = ""

    # --- as a WSGI application --------------------------------------------------------------

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read_request(environ)
        response = self._answer(request)
        if response.slow_headers:
            environ[SLOW_HEADERS] = True
        start_response(response.status_line, response.all_headers)
        if request.method == "HEAD":
            return []
        return [response.body] if response.chunks is None else response.chunks

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0, *, deliver: bool = False) -> Iterator[Sandbox]:
        """Listen on a real socket while the block runs; ``url`` says where.

        ``deliver=True`` also sends the due webhooks, every 0.2 s. Raises OSError when the port
        is taken.
        """
        self._closing.clear()
        with serving(self, host=host, port=port, pause=self._closing.wait) as server:
            self.url = server.url
            postman = threading.Thread(target=self._deliver_always, daemon=True)
            if deliver:
                postman.start()
            try:
                yield self
            finally:
                self._closing.set()
                self.url = ""
        if deliver:
            postman.join()

    # --- the customer and the blockchain ----------------------------------------------------

    def pay(self, reference: str, usd: Dollars | None = None) -> Payment:
        """A confirmed deposit; without a sum all that is missing, confirming what is pending."""
        return self._processor.pay(reference, usd)

    def see(self, reference: str, usd: Dollars | None = None) -> Payment:
        """A deposit on the chain that has no confirmations yet; the state stays."""
        return self._processor.see(reference, usd)

    def confirm(self, reference: str, blocks: int = 1) -> Payment:
        """So many blocks on top of the deposits; with enough of them the money counts.

        A negative number takes blocks away, as a reorganised chain does.
        """
        return self._processor.confirm(reference, blocks)

    def expire(self, reference: str) -> Payment:
        """CANCELLED, keeping what was received; a settled payment stays as it is."""
        return self._processor.expire(reference)

    def top_up(self, reference: str, usd: Dollars | None = None) -> str:
        """The rest as a new, FILLED payment of the same customer; returns its reference."""
        return self._processor.top_up(reference, usd)

    # --- what there is ----------------------------------------------------------------------

    def payment(self, reference: str) -> Payment:
        """The payment as it stands now; raises UnknownPayment (a LookupError)."""
        return self._processor.payment(reference)

    def payments(self) -> list[Payment]:
        """All payments, newest first."""
        return self._processor.payments()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to tell the shop, oldest first."""
        return self._vault.outbox.log

    # --- webhooks ---------------------------------------------------------------------------

    @property
    def webhooks(self) -> bool:
        """The switch: off, nothing is queued and nothing that waits is sent."""
        return self._courier.on

    @webhooks.setter
    def webhooks(self, on: bool) -> None:
        self._courier.on = on

    def deliver_due(self, now: datetime | None = None) -> list[Delivery]:
        """Send every webhook that is due, in this thread; each at most once."""
        return self._courier.deliver_due(now)

    def redeliver(self, reference: str) -> Delivery:
        """Tell the present state of a payment at once."""
        return self._courier.redeliver(self.payment(reference))

    # --- misbehaviour -----------------------------------------------------------------------

    def misbehave(self, reference: str | None, kind: str, times: int | None = None) -> None:
        """Spoil answers about one payment, or all of them; ``times=None``: for ever."""
        with self._vault.lock:
            self._moods.add(kind, reference=reference, times=times)

    def behave(self) -> None:
        """End all misbehaviour."""
        with self._vault.lock:
            self._moods.clear()

    # --- inside -----------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        if not is_call(request):
            return self._pages.answer(request)
        response = self._answer_call(request)
        with self._vault.lock:
            self.calls.append(Call(request.method, request.path, response.status))
            del self.calls[:-MOST_CALLS]
        return response

    def _answer_call(self, request: Request) -> Response:
        with self._vault.lock:
            kind = self._moods.take(request)
        if kind is None:
            return api.answer(self._processor, request)
        honest = api.answer(self._processor, request) if kind.acts else Response(200)
        return kind.spoil(request, honest, self._closing.wait)

    def _deliver_always(self) -> None:
        while not self._closing.wait(DELIVER_EVERY):
            try:
                self.deliver_due()
            except Exception:
                logger.exception("The sandbox failed to send a webhook.")
