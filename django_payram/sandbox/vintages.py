"""The table of PayRam's vintages: what each of them does its own way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django_payram.sandbox import dialects
from django_payram.sandbox.ledger import CANCELLED, OPEN, Payment

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_payram.sandbox.dialects import Json, Project


@dataclass(frozen=True, kw_only=True)
class Vintage:
    """One generation of PayRam servers. Times are seconds unless typed otherwise."""

    lifetime: timedelta
    checkout: Callable[[str, str], str]
    status: Callable[[Payment, Project, str], Json]
    webhook: Callable[[Payment, str, int], Json]
    webhook_method: str = "POST"
    key_header: str = "API-Key"
    signs: bool = False
    names_host: bool = True
    nested_errors: bool = False
    unknown_reference: int = 404
    status_needs_key: bool = False
    tells_health: bool = False
    reads_options: bool = False
    return_parameters: bool = False
    repeat_seconds: int | None = None
    cancelled_word: str = CANCELLED
    confirming_word: str = OPEN

    def word(self, payment: Payment) -> str:
        """The state of a payment as this vintage spells it."""
        if payment.state == OPEN and payment.pending:
            return self.confirming_word
        return self.cancelled_word if payment.state == CANCELLED else payment.state


VINTAGES = {
    "2024": Vintage(
        lifetime=timedelta(hours=24),
        checkout=dialects.old_checkout,
        status=dialects.coin_snake_status,
        webhook=dialects.webhook_2024,
        names_host=False,
        confirming_word="VERIFYING",
    ),
    "faq": Vintage(
        lifetime=timedelta(minutes=15),
        checkout=dialects.split_checkout,
        status=dialects.dollar_snake_status,
        webhook=dialects.webhook_faq,
        webhook_method="GET",
        cancelled_word="CANCELED",
    ),
    "2025-11": Vintage(
        lifetime=timedelta(minutes=15),
        checkout=dialects.split_checkout,
        status=dialects.camel_status,
        webhook=dialects.webhook_late_2025,
        nested_errors=True,
        unknown_reference=401,
        status_needs_key=True,
    ),
    "2026": Vintage(
        lifetime=timedelta(hours=24),
        checkout=dialects.checkout,
        status=dialects.confirming_status,
        webhook=dialects.webhook_2026,
        key_header="API-KEY",
        signs=True,
        nested_errors=True,
        unknown_reference=401,
        status_needs_key=True,
        tells_health=True,
        reads_options=True,
        return_parameters=True,
        repeat_seconds=3,
    ),
}


def vintage_named(name: str) -> Vintage:
    """The vintage of that name; raises ValueError, naming those there are."""
    if name not in VINTAGES:
        known = ", ".join(VINTAGES)
        raise ValueError(f"There is no vintage {name!r}; there are {known}.")
    return VINTAGES[name]
