"""Make a link by hand: ask somebody for money."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch

from django_payram import conf
from django_payram.conf.addresses import path_of
from django_payram.exceptions import InvalidPaymentRequest, PayramError
from django_payram.gateway.redaction import clean_text, redact
from django_payram.management.arguments import positive, site
from django_payram.management.orders import read_order
from django_payram.models import DATABASE_BUSY, USD, Source
from django_payram.payments.by_hand import LONGEST_HOURS, mail_link, request_payment

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
        hours = partial(positive, most=LONGEST_HOURS)
        parser.add_argument("--expires-in", type=hours, metavar="HOURS", help="how long the link is good")
        parser.add_argument("--note", default="", help="for the shop alone; it is kept with the payment")
        parser.add_argument("--project", default=conf.DEFAULT_PROJECT, help="PayRam project (default: %(default)s)")
        parser.add_argument("--mail", action="store_true", help="send the link to the customer")
        parser.add_argument("--site", type=site, metavar="URL", help="such as https://shop.example")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Make the link and tell it."""
        payment = self._opened(options)
        status_url = _status_url(payment, options["site"] or "")
        facts = {
            "url": payment.url,
            "status_url": status_url,
            "reference": payment.reference,
            "token": str(payment.token),
        }
        # Before the mail: whatever becomes of it, the link is not lost.
        self.stdout.write(json.dumps(facts) if options["json"] else f"{payment.url}\n{status_url}".rstrip())
        self.stdout.flush()
        if options["mail"]:
            try:
                mail_link(payment, status_url=status_url if options["site"] else "", source=Source.SHOP)
            except Exception as exc:
                # Mail back ends raise whatever they like.
                error = clean_text(str(exc))
                raise CommandError(f"The link is made, and the mail could not be sent: {error}") from exc

    def _opened(self, options: dict[str, Any]) -> Payment:
        try:
            return request_payment(
                None if options["order"] is None else read_order(options["order"]),
                amount=options["amount"],
                email=options["email"],
                currency=options["currency"],
                purpose=options["purpose"],
                order_number=options["order_number"],
                customer_id=options["customer_id"],
                project=options["project"],
                hours=options["expires_in"],
                note=options["note"],
                source=Source.SHOP,
            ).payment
        except InvalidPaymentRequest as exc:
            option = "note" if exc.argument == "metadata" else exc.argument.replace("_", "-")
            raise CommandError(f"--{option}{str(exc).removeprefix(exc.argument)}", returncode=2) from exc
        except (PayramError, ImproperlyConfigured, *DATABASE_BUSY) as exc:
            raise CommandError(redact(str(exc))) from exc


def _status_url(payment: Payment, address: str) -> str:
    try:
        return address + path_of("status", payment.token)
    except NoReverseMatch:
        return ""
