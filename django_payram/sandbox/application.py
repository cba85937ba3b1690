"""The sandbox itself: a pretend PayRam as one WSGI application, with methods to make things happen."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_payram.sandbox import api
from django_payram.sandbox.api_versions import api_version_named
from django_payram.sandbox.faults import ActiveFault
from django_payram.sandbox.ledger import Ledger
from django_payram.sandbox.messages import Request, Response, host_name, read_request
from django_payram.sandbox.pages import Pages
from django_payram.sandbox.payloads import Project
from django_payram.sandbox.processor import Processor
from django_payram.sandbox.server import SLOW_HEADERS, Server
from django_payram.sandbox.webhooks import Clock, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from django_payram.sandbox.webhooks import Send

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DELIVER_EVERY = 0.2  # seconds
MOST_CALLS = 10_000


@dataclass(frozen=True)
class Call:
    """One API call as it was answered."""

    method: str
    path: str
    status: int


class Sandbox(Processor):
    """A pretend PayRam server for one project: the WSGI application, and methods to make things happen there.

    Thread-safe. ``webhook_url`` empty: no webhooks. ``data``: the file in which the ledger survives a restart.
    ``send``: sends a webhook and returns status and text; by default over the network. ``faults``: names of faults in
    force from the start. ``allowed_hosts``: names beside those of this machine under which requests are answered, as
    any page in a browser could otherwise reach the sandbox under a name of its own.
    """

    def __init__(
        self,
        *,
        api_key: str,
        webhook_url: str = "",
        success_url: str = "",
        cancel_url: str = "",
        api_version: str = "2026",
        data: str | Path | None = None,
        send: Send | None = None,
        webhooks: bool = True,
        confirmations_required: int = 3,
        merchant: str = "Example shop",
        faults: Iterable[str] = (),
        clock: Clock = utc_now,
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        """Raises ValueError for an unknown API version or fault, a blank key, a broken data file, a wrong host."""
        if not api_key.strip():
            raise ValueError("The sandbox needs an API key.")
        project = Project(
            api_key=api_key,
            api_version=api_version_named(api_version),
            merchant=merchant,
            success_url=success_url,
            cancel_url=cancel_url,
            webhook_url=webhook_url,
            confirmations_required=confirmations_required,
        )
        super().__init__(project, Ledger(data), webhooks=webhooks, send=send, clock=clock)
        self._pages = Pages(self)
        self._closing = threading.Event()
        self._faults = [ActiveFault(name) for name in faults]
        self._hosts = LOOPBACK | {host_name(host) for host in allowed_hosts}
        if "" in self._hosts:
            raise ValueError("An allowed host of the sandbox is a name or an address, without http:// and a path.")
        self.calls: list[Call] = []
        self.url = ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read_request(environ)
        response = self._answer(request)
        if response.slow_headers:
            environ[SLOW_HEADERS] = True
        response.start(start_response)
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
        server = Server(host, port, app=self, pause=self._closing.wait)
        with server.running():
            self.url = server.url
            sending = threading.Thread(target=self._deliver_always, daemon=True)
            if deliver:
                sending.start()
            try:
                yield self
            finally:
                self._closing.set()
                self.url = ""
        if deliver:
            sending.join()

    def inject_fault(self, reference: str | None, name: str, times: int | None = None) -> None:
        """Spoil answers about one payment, or all of them; ``times=None``: for ever."""
        with self._ledger.lock:
            self._faults.append(ActiveFault(name, reference, times))

    @contextmanager
    def faulty(self, name: str) -> Iterator[None]:
        """Spoil answers about all payments while the block runs, and leave other faults as they are."""
        fault = ActiveFault(name)
        with self._ledger.lock:
            self._faults.append(fault)
        try:
            yield
        finally:
            with self._ledger.lock:
                self._faults = [one for one in self._faults if one is not fault]

    def clear_faults(self) -> None:
        """Answer correctly again."""
        with self._ledger.lock:
            self._faults.clear()

    def _answer(self, request: Request) -> Response:
        if request.host not in self._hosts:
            name = repr(request.host)
            text = f"The sandbox does not answer under the name {name}. If it should, give it as an allowed host."
            return Response(421, text.encode())
        if not api.is_call(request):
            return self._pages.answer(request)
        response = self._answer_call(request)
        with self._ledger.lock:
            self.calls.append(Call(request.method, request.path, response.status))
            del self.calls[:-MOST_CALLS]
        return response

    def _answer_call(self, request: Request) -> Response:
        with self._ledger.lock:
            # The newest that applies.
            active = next((one for one in reversed(self._faults) if one.take(request)), None)
        if active is None:
            return api.answer(self, request)
        correct = api.answer(self, request) if active.fault.acts else Response(200)
        return active.fault.spoil(request, correct, self._closing.wait)

    def _deliver_always(self) -> None:
        while not self._closing.wait(DELIVER_EVERY):
            try:
                self.deliver_due()
            except Exception:
                logger.exception("The sandbox failed to send a webhook.")
