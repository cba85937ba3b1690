"""The calls to PayRam's API about payments, and what each failure means.

Documented in PayRam's API reference: ``POST /api/v1/payment`` and ``GET /api/v1/payment/reference/{reference}``, in
snake_case ``GET /api/v1/payment/ref/{reference}``. For a shop that shows the address itself
``GET /api/v1/blockchain-currency/reference/{reference}``, ``POST /api/v1/deposit-address/reference/{reference}`` and
``GET /api/v1/ticker``.
"""

from __future__ import annotations

import functools
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from django_payram.conf import LOCAL_HOSTS
from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.gateway import payloads, payment_methods
from django_payram.gateway.fields import REFERENCE
from django_payram.gateway.redaction import quoted, redact_bytes
from django_payram.gateway.responses import NoAnswer, UnacceptableAnswer

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from django_payram.conf import Project
    from django_payram.gateway.payment_methods import PaymentMethod
    from django_payram.gateway.responses import Answer

CREATE = "/api/v1/payment"
METHODS = "/api/v1/blockchain-currency/reference/{reference}"
TICKER = "/api/v1/ticker"
DEPOSIT_ADDRESS = "/api/v1/deposit-address/reference/{reference}"
# The second answers in snake_case; some servers know only that one.
STATUS_ROUTES = ("/api/v1/payment/reference/{reference}", "/api/v1/payment/ref/{reference}")

# Browsers read a backslash as a slash and drop white space, so that such an address leads elsewhere than it seems.
MISLEADING = re.compile(r"[\\\s\x00-\x1f\x7f]")

REFUSALS = frozenset({400, 401, 403, 404, 422})
"""PayRam understood and said no. Every other 4xx (409 busy, 429 too many) may well work later."""

MESSAGE_LIMIT, CODE_LIMIT, HOST_LIMIT = 300, 64, 253

SECONDS = re.compile(r"[0-9]{1,9}")


class Client:
    """One project's PayRam server. Safe to share between threads."""

    def __init__(self, project: Project) -> None:
        # Here, where PayRam is first asked: requests would be half of what a shop's start pays for this app.
        from django_payram.gateway.transport import Transport  # noqa: PLC0415 - as said

        self.project = project
        self._transport = Transport(timeout=project.timeout, deadline=project.deadline)

    def __repr__(self) -> str:
        return f"<Client of PayRam project {self.project.name!r} at {self.project.base_url}>"

    def create(
        self,
        *,
        customer_email: str,
        customer_id: str,
        amount_usd: Decimal,
        invoice_id: str,
        expires_at: datetime | None = None,
    ) -> payloads.CreatedPayment:
        """Ask PayRam for a payment of ``amount_usd`` US dollars (two places). Never repeated by itself.

        Its link is to expire at ``expires_at``, if given; servers before August 2026 do not know that.

        Raises PayramRefused, PayramUnavailable (``definite`` when certainly nothing was made) and PayramDataError.
        """
        fields = payloads.create_fields(
            customer_email=customer_email,
            customer_id=customer_id,
            amount_usd=amount_usd,
            invoice_id=invoice_id,
            expires_at=expires_at,
        )
        answer = self._ask("POST", CREATE, json=fields)
        created = payloads.read_created(answer.body)
        if isinstance(created, payloads.ErrorAnswer):
            self._refuse(answer.status, created)
        check_link(created.url, self.project, reference=created.reference)
        return created

    def fetch(self, reference: str, *, customer_id: str | None = None) -> payloads.PaymentUpdate:
        """Ask PayRam what it knows of ``reference``; with ``customer_id`` the answer must be that customer's.

        Raises PayramRefused (401 also means an unknown reference), PayramUnavailable and PayramDataError.
        """
        if not REFERENCE.fullmatch(reference):
            raise PayramDataError(
                "The reference is not one of PayRam's: up to 128 letters, digits, hyphens, underscores."
            )
        asked_at = timezone.now()
        answer = self._ask_by_either_route(reference)
        report = payloads.read_status(answer.body)
        if isinstance(report, payloads.ErrorAnswer):
            self._refuse(answer.status, report)
        if report.reference not in (None, reference):
            raise PayramDataError(f"PayRam was asked about {reference} and answered about another payment.")
        if customer_id is not None and report.customer_id not in (None, customer_id):
            raise PayramDataError(f"PayRam's answer about {reference} names another customer id.")
        return replace(report, asked_at=asked_at)

    def payment_methods(self, reference: str) -> list[PaymentMethod]:
        """Ask PayRam how ``reference`` can be paid, and what the coins cost now. Raises the errors of :meth:`fetch`.

        A server that does not know the call raises PayramRefused with status 404.
        """
        ends = time.monotonic() + self.project.deadline
        answer = self._ask("GET", METHODS.format(reference=reference), ends=ends)
        methods = payment_methods.read_methods(answer.body)
        prices = payment_methods.read_prices(self._ask("GET", TICKER, ends=ends).body)
        return [replace(method, price_usd=payment_methods.price_of(method, prices)) for method in methods]

    def assign_address(self, reference: str, method: PaymentMethod) -> str:
        """Ask PayRam where the customer of ``reference`` sends the coin to; the same each time.

        Raises the errors of :meth:`fetch`.
        """
        fields = {"blockchain_code": method.blockchain}
        answer = self._ask("POST", DEPOSIT_ADDRESS.format(reference=reference), json=fields)
        return payment_methods.read_address(answer.body, method)

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def _ask_by_either_route(self, reference: str) -> Answer:
        first, second = (route.format(reference=reference) for route in STATUS_ROUTES)
        ends = time.monotonic() + self.project.deadline
        try:
            return self._ask("GET", first, ends=ends)
        except PayramRefused as exc:
            # The route is not there, or the reference is not: only the other route can tell.
            if exc.status != 404:
                raise
        return self._ask("GET", second, ends=ends)

    def _ask(self, method: str, path: str, *, json: object = None, ends: float | None = None) -> Answer:
        headers = {"API-Key": self.project.api_key}
        try:
            answer = self._transport.send(method, self.project.base_url + path, headers=headers, json=json, ends=ends)
        except NoAnswer as exc:
            message = f"PayRam at {self.project.host} could not be asked. {exc}"
            raise PayramUnavailable(message, definite=not exc.sent) from exc
        except UnacceptableAnswer as exc:
            raise PayramDataError(f"PayRam's answer is not one of its own. {exc}") from exc
        # Whatever stands between may repeat what was sent: from here on nothing holds a key.
        answer = replace(answer, body=redact_bytes(answer.body))
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        """Raise for every answer that cannot be PayRam's good one."""
        if 300 <= answer.status < 400:
            raise PayramUnavailable(self._redirect_message(answer), status=answer.status)
        is_page = answer.body.lstrip()[:1] == b"<"
        if answer.status >= 400:
            failure = payloads.ErrorAnswer(self._page_message(), "") if is_page else payloads.read_error(answer.body)
            self._refuse(answer.status, failure, answer.headers.get("Retry-After", ""))
        if is_page:
            raise PayramUnavailable(self._page_message(), status=answer.status)

    def _page_message(self) -> str:
        return (
            f"{self.project.host} answered with a web page instead of JSON. "
            f"BASE_URL of project {self.project.name!r} probably points at PayRam's front end, not at its API."
        )

    def _redirect_message(self, answer: Answer) -> str:
        target = self.project.host
        with suppress(ValueError):
            target = quoted(urlsplit(answer.headers.get("Location", "")).hostname or target, HOST_LIMIT)
        return (
            f"{self.project.host} redirects to {target}; redirects are not followed, because the key would go along. "
            f"Correct BASE_URL of project {self.project.name!r}."
        )

    def _refuse(self, status: int, failure: payloads.ErrorAnswer, retry_after: str = "") -> NoReturn:
        """Raise what PayRam's error means. 4xx and an error inside a 200 mean that certainly nothing was made."""
        said = quoted(failure.message, MESSAGE_LIMIT) or "no reason given"
        code = quoted(failure.code, CODE_LIMIT)
        message = f"PayRam at {self.project.host} refused the call with status {status}: {said}"
        if status in REFUSALS:
            raise PayramRefused(message, status=status, code=code)
        raise PayramUnavailable(
            message,
            status=status,
            code=code,
            retry_after=int(retry_after) if SECONDS.fullmatch(retry_after) else None,
            definite=status < 500,
        )


def check_link(url: str, project: Project, *, reference: str | None = None) -> None:
    """Refuse a payment page that customers must not be sent to with money. Raises PayramDataError.

    It must be on the host of ``BASE_URL`` or in ``CHECKOUT_HOSTS``, and as secure as ``BASE_URL``.
    """
    local = LOCAL_HOSTS if project.host in LOCAL_HOSTS or settings.DEBUG else frozenset()
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise PayramDataError("PayRam's payment page has no address.", reference=reference) from exc
    if parts.scheme not in ("https", "http") or parts.hostname not in {project.host, *project.checkout_hosts, *local}:
        raise PayramDataError(
            f"PayRam's payment page is on {parts.hostname or 'no host'}, not on {project.host}. If that is right, add "
            f"the host to CHECKOUT_HOSTS of project {project.name!r}; if it is localhost, set the Site URL in PayRam.",
            reference=reference,
        )
    if MISLEADING.search(url) or parts.username is not None:
        raise PayramDataError("PayRam's payment page has a misleading address.", reference=reference)
    if parts.scheme == "http" and project.base_url.startswith("https:") and parts.hostname not in local:
        raise PayramDataError(
            f"PayRam's payment page uses http although BASE_URL of project {project.name!r} uses https. Correct the "
            "Site URL in PayRam.",
            reference=reference,
        )


@functools.lru_cache(maxsize=32)
def client_for(project: Project) -> Client:
    """Return the process's client for ``project``, so that connections are kept. A changed setting gets a new one."""
    return Client(project)


# A forked worker must not share its parent's sockets.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=client_for.cache_clear)
