"""Make a link by hand: ask somebody for money."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, reverse

from django_payram import conf
from django_payram.exceptions import InvalidPaymentRequest, PayramError
from django_payram.management.arguments import positive
from django_payram.management.orders import read_order
from django_payram.models import USD
from django_payram.payments import open_payment
from django_payram.payments.links import mail_link

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from django_payram.models import Payment


class Command(BaseCommand):
    """payram_request: the same as "Request a payment" in the admin."""

    help = (
        "Makes a payment link and prints it, with the address of the customer's status page. Exit codes: 0 made, "
        "1 not possible, 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say of whom, how much and for what."""
        parser.add_argument("--email", required=True, help="the customer's e-mail address")
        parser.add_argument("--amount", required=True, help="such as 49.99, in the currency")
        parser.add_argument("--currency", default=USD, help="default: %(default)s; another needs the option RATES")
        parser.add_argument("--order", metavar="APP.MODEL:KEY", help="the order it is for, such as shop.order:42")
        parser.add_argument("--order-number", help="what the customer calls the order")
        parser.add_argument("--purpose", default="", help="which bill of the order it is")
        parser.add_argument("--customer-id", help="PayRam's customer id (default: one of its own)")
        parser.add_argument("--expires-in", type=positive, metavar="HOURS", help="how long the link is good")
        parser.add_argument("--note", default="", help="for the shop alone; it is kept with the payment")
        parser.add_argument("--project", default=conf.DEFAULT_PROJECT, help="PayRam project (default: %(default)s)")
        parser.add_argument("--mail", action="store_true", help="send the link to the customer")
        parser.add_argument(
            "--site", default="", metavar="URL", help="the shop's address, such as https://shop.example"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Make the link and tell it."""
        payment = self._opened(options)
        status_url = _status_url(payment, options["site"])
        if options["mail"]:
            try:
                mail_link(payment, status_url=status_url if options["site"] else "")
            except (ValueError, OSError) as exc:
                raise CommandError(f"The link {payment.url} is made, and could not be sent: {exc}") from exc
        facts = {
            "url": payment.url,
            "status_url": status_url,
            "reference": payment.reference,
            "token": str(payment.token),
        }
        self.stdout.write(json.dumps(facts) if options["json"] else f"{payment.url}\n{status_url}".rstrip())

    def _opened(self, options: dict[str, Any]) -> Payment:
        hours, note = options["expires_in"], options["note"]
        try:
            return open_payment(
                None if options["order"] is None else read_order(options["order"]),
                amount=options["amount"],
                email=options["email"],
                currency=options["currency"],
                purpose=options["purpose"],
                order_number=options["order_number"],
                customer_id=options["customer_id"],
                project=options["project"],
                expires_in=timedelta(hours=hours) if hours else None,
                metadata={"note": note} if note else None,
            )
        except InvalidPaymentRequest as exc:
            raise CommandError(f"--{str(exc).replace('_', '-', 1)}", returncode=2) from exc
        except (PayramError, ImproperlyConfigured) as exc:
            raise CommandError(str(exc)) from exc


def _status_url(payment: Payment, site: str) -> str:
    try:
        return site.rstrip("/") + reverse("payram:status", args=[payment.token])
    except NoReverseMatch:
        return ""
