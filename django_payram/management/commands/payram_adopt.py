"""Take over a payment that was made in PayRam's own dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_payram import conf
from django_payram.exceptions import PayramError
from django_payram.management.orders import read_order
from django_payram.payments import adopt

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """payram_adopt: from then on the payment is followed like any other."""

    help = "Adopts a payment made in PayRam's own dashboard. Exit codes: 0 adopted, 1 not possible, 2 bad arguments."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which payment, and for which order."""
        parser.add_argument("reference", help="PayRam's reference of the payment")
        parser.add_argument("--project", default=conf.DEFAULT_PROJECT, help="PayRam project (default: %(default)s)")
        parser.add_argument("--order", metavar="APP.MODEL:KEY", help="the order it pays, such as shop.order:42")
        parser.add_argument("--move", action="store_true", help="take a known payment away from the order it has")

    def handle(self, **options: Any) -> None:
        """Adopt it and tell its state."""
        order = None if options["order"] is None else read_order(options["order"])
        if options["move"] and order is None:
            raise CommandError("--move needs --order, the order that the payment is to belong to.", returncode=2)
        try:
            payment = adopt(options["reference"], project=options["project"], order=order, move=options["move"])
        except (PayramError, ImproperlyConfigured, ValueError) as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"{payment}: {payment.state}, {payment.amount_usd} USD")
