"""The pretend PayRam as a test sees it: payments go in, money comes, webhooks arrive through Django's test client."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from decimal import ROUND_DOWN
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client, override_settings

from django_payram import payments
from django_payram.conf import DEFAULT_PROJECT, SETTING
from django_payram.conf.addresses import path_of
from django_payram.gateway.redaction import KEY, quoted, redact
from django_payram.models import Source, log_fields
from django_payram.payments import rules, transitions
from django_payram.sandbox import Sandbox
from django_payram.sandbox.coins import CENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from django_payram.models import Payment
    from django_payram.sandbox import Delivery, OutgoingWebhook

logger = logging.getLogger("django_payram.testing")

TEST_KEY = "5a6e64626f782d6b65792d7465737473"
LONGEST_QUOTE = 200
"""Characters of what the shop answered."""


class PretendPayram:
    """Acts on payments as a customer's wallet and the blockchain would, then delivers the webhooks.

    Each method returns the payment as it is in the database afterwards (the same instance), and logs an error when the
    shop answered a webhook with anything but 2xx, which pytest shows with a test that fails. Amounts are US dollars,
    except in ``send_coins``. ``sandbox`` is the server behind it, for everything else; it only writes down what the
    shop answered.
    """

    def __init__(self, sandbox: Sandbox, *, api_key: str) -> None:
        self.sandbox = sandbox
        self._api_key = api_key
        self._is_down = False

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

    def pay_late(self, payment: Payment, usd: Decimal | int | str | None = None) -> Payment:
        """Let the link expire, unless the shop has withdrawn it, and then pay: the payment is under review as late."""
        if payment.withdrawn_at is None:
            self.expire(payment)
        return self.pay(payment, usd)

    def pay_twice(self, payment: Payment) -> Payment:
        """Pay, unless it is paid, and pay as much again: the payment is under review as a duplicate."""
        if not payment.is_paid:
            self.pay(payment)
        self.sandbox.top_up(_reference(payment), payment.amount_usd)
        return self._told(payment)

    def hold(self, payment: Payment) -> Payment:
        """Pay all that PayRam asks for, which is less than the shop did: the payment is held until it is accepted."""
        reference = _reference(payment)
        asked = self.sandbox.payment(reference)
        half = (asked.missing_usd / 2).quantize(CENT, rounding=ROUND_DOWN)
        self.sandbox.ask_for(reference, asked.filled_usd + half)
        return self.pay(payment)

    def accept(self, payment: Payment, *, reason: str = "") -> Payment:
        """Accept a payment that is held, as a person does in the admin."""
        transitions.apply(payment, rules.Acceptance(reason), source=Source.ADMIN)
        return self._told(payment)

    def withdraw(self, payment: Payment) -> Payment:
        """Want no more money on the link: :func:`django_payram.payments.withdraw`."""
        payments.withdraw(payment)
        return self._told(payment)

    def refund(self, payment: Payment, usd: Decimal | int | str | None = None) -> Payment:
        """Send back ``usd``, or all that is left: :func:`django_payram.payments.record_refund`."""
        left = payment.net_usd.quantize(CENT, rounding=ROUND_DOWN)
        if usd is None and not left:
            raise ValueError(f"There is nothing to send back of the payment {payment.token}.")
        payments.record_refund(payment, amount_usd=left if usd is None else usd)
        return self._told(payment)

    def repeat(self, payment: Payment) -> Payment:
        """Deliver a webhook about the payment once more, although nothing is new: PayRam does so."""
        if self._is_down:
            raise ValueError("PayRam is down, and says nothing.")
        self._check([self.sandbox.redeliver(_reference(payment))])
        return self._told(payment)

    @contextmanager
    def down(self) -> Iterator[None]:
        """PayRam answers every call with status 500 and sends nothing while the block runs.

        Money that comes meanwhile is told when the block ends.
        """
        with self.sandbox.faulty("broken"):
            self._is_down = True
            try:
                yield
            finally:
                self._is_down = False
        self.deliver()

    def deliver(self) -> list[Delivery]:
        """Deliver every webhook that is due."""
        if self._is_down:
            return []
        done = self.sandbox.deliver_due()
        self._check(done)
        return done

    def _told(self, payment: Payment) -> Payment:
        self.deliver()
        payment.refresh_from_db()
        return payment

    def _check(self, done: list[Delivery]) -> None:
        """Say of each of the webhooks that the shop did not accept what it answered."""
        for one in done:
            if not one.succeeded:
                logger.error(
                    "The shop answered %s to the webhook about %s (%s): %s",
                    one.status,
                    one.reference,
                    one.state,
                    quoted(one.answer, LONGEST_QUOTE) or "an empty body",
                    extra=log_fields(reference=one.reference, project=DEFAULT_PROJECT),
                )


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
    options.setdefault("webhook_url", shop + path_of("webhook"))
    options.setdefault("success_url", shop + path_of("return"))
    options.setdefault("cancel_url", shop + path_of("return"))
    options.setdefault("send", partial(_send, options["api_key"]))
    sandbox = Sandbox(**options)
    with sandbox.serve():
        yield PretendPayram(sandbox, api_key=options["api_key"])


def _send(api_key: str, webhook: OutgoingWebhook) -> tuple[int, str]:
    headers = dict(webhook.headers)
    url = urlsplit(webhook.url)
    response = Client(raise_request_exception=False, headers=headers).generic(
        webhook.method,
        url.path,
        data=webhook.body,
        content_type=headers.get("Content-Type", "application/json"),
        secure=url.scheme == "https",
    )
    # Here, where the text is whole: of what is written down, the end is cut off.
    return response.status_code, redact(response.content.decode(errors="replace").replace(api_key, KEY))


def _reference(payment: Payment) -> str:
    if payment.reference is None:
        raise ValueError(f"The payment {payment.token} never reached PayRam, so nobody can pay it.")
    return str(payment.reference)
