"""The pretend PayRam as a test sees it: payments go in, money comes, webhooks arrive through Django's test client."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse

from django_payram.conf import DEFAULT_PROJECT, SETTING
from django_payram.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from django_payram.models import Payment
    from django_payram.sandbox import Delivery, OutgoingWebhook

TEST_KEY = "5a6e64626f782d6b65792d7465737473"


class PretendPayram:
    """Acts on payments as a customer's wallet and the blockchain would, then delivers the webhooks.

    Each verb returns the payment as it is in the database afterwards. Amounts are US dollars, except in
    ``send_coins``. ``sandbox`` is the server behind it, for everything else.
    """

    def __init__(self, sandbox: Sandbox, *, api_key: str) -> None:
        self.sandbox = sandbox
        self._api_key = api_key

    def setting(self) -> dict[str, dict[str, object]]:
        """Return the setting ``PAYRAM`` as it is, with project ``default`` pointing here."""
        projects: dict[str, dict[str, object]] = dict(getattr(settings, SETTING, None) or {})
        ours = {"BASE_URL": self.sandbox.url, "API_KEY": self._api_key}
        projects[DEFAULT_PROJECT] = {**projects.get(DEFAULT_PROJECT, {}), **ours}
        return projects

    def pay(self, payment: Payment, usd: Decimal | int | str | None = None) -> Payment:
        """Pay ``usd``, or all that is missing, at once and confirmed."""
        self.sandbox.pay(_reference(payment), usd)
        return self._told(payment)

    def see(self, payment: Payment, usd: Decimal | int | str | None = None) -> Payment:
        """Put a deposit on the chain, without confirmations."""
        self.sandbox.see(_reference(payment), usd)
        return self._told(payment)

    def send_coins(
        self, payment: Payment, amount: Decimal | int | str | None = None, *, currency: str, network: str
    ) -> Payment:
        """Put so many coins of that kind on the chain, or what is missing in them, without confirmations."""
        self.sandbox.send_coins(_reference(payment), amount, currency=currency, network=network)
        return self._told(payment)

    def confirm(self, payment: Payment, blocks: int = 1) -> Payment:
        """Confirm the deposits on the chain by so many blocks."""
        self.sandbox.confirm(_reference(payment), blocks)
        return self._told(payment)

    def expire(self, payment: Payment) -> Payment:
        """Let the link expire."""
        self.sandbox.expire(_reference(payment))
        return self._told(payment)

    def deliver(self) -> list[Delivery]:
        """Deliver every webhook that is due."""
        return self.sandbox.deliver_due()

    def _told(self, payment: Payment) -> Payment:
        self.deliver()
        payment.refresh_from_db()
        return payment


@contextmanager
def running_payram(**options: Any) -> Iterator[PretendPayram]:
    """Run a pretend PayRam and point project ``default`` of the setting ``PAYRAM`` at it.

    ``options`` are those of :class:`django_payram.sandbox.Sandbox`, ``api_version`` for instance.
    """
    with serving(**options) as payram, override_settings(**{SETTING: payram.setting()}):
        yield payram


@contextmanager
def serving(**options: Any) -> Iterator[PretendPayram]:
    """Run a pretend PayRam and leave the setting to the caller."""
    shop = "https://testserver"
    options.setdefault("api_key", TEST_KEY)
    options.setdefault("webhook_url", shop + reverse("payram:webhook"))
    options.setdefault("success_url", shop + reverse("payram:return"))
    options.setdefault("cancel_url", shop + reverse("payram:return"))
    options.setdefault("send", _send)
    sandbox = Sandbox(**options)
    with sandbox.serve():
        yield PretendPayram(sandbox, api_key=options["api_key"])


def _send(webhook: OutgoingWebhook) -> tuple[int, str]:
    headers = dict(webhook.headers)
    url = urlsplit(webhook.url)
    response = Client(raise_request_exception=False, headers=headers).generic(
        webhook.method,
        url.path,
        data=webhook.body,
        content_type=headers.get("Content-Type", "application/json"),
        secure=url.scheme == "https",
    )
    return response.status_code, response.content.decode(errors="replace")


def _reference(payment: Payment) -> str:
    if payment.reference is None:
        raise ValueError(f"The payment {payment.token} never reached PayRam, so nobody can pay it.")
    return str(payment.reference)
