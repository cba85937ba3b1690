"""The table of PayRam's API versions: what each of them does its own way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django_payram.sandbox import payloads
from django_payram.sandbox.payments import CANCELLED, OPEN, Payment

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_payram.sandbox.payloads import Json, Project


@dataclass(frozen=True, kw_only=True)
class ApiVersion:
    """One generation of PayRam servers. Times are seconds unless typed otherwise.

    ``lists_coins``: it knows the calls by which a shop shows a payment itself; ``assigned``: how it then names an
    address. ``always_needs_key``: for more than creating payments, though some servers were seen not to insist.
    """

    lifetime: timedelta
    checkout: Callable[[str, str], str]
    status: Callable[[Payment, Project, str], Json]
    webhook: Callable[[Payment, str, int], Json]
    lists_coins: bool = False
    assigned: Callable[[str, str], Json] = payloads.documented_address
    webhook_method: str = "POST"
    key_header: str = "API-Key"
    signs: bool = False
    names_host: bool = True
    nested_errors: bool = False
    unknown_reference: int = 404
    always_needs_key: bool = False
    has_health: bool = False
    reads_options: bool = False
    return_parameters: bool = False
    repeat_seconds: int | None = None
    cancelled_word: str = CANCELLED
    confirming_word: str = OPEN

    def word(self, payment: Payment) -> str:
        """The word of this API version for the state of a payment."""
        if payment.state == OPEN and payment.pending:
            return self.confirming_word
        return self.cancelled_word if payment.state == CANCELLED else payment.state


API_VERSIONS = {
    "2024": ApiVersion(
        lifetime=timedelta(hours=24),
        checkout=payloads.old_checkout,
        status=payloads.coin_snake_status,
        webhook=payloads.webhook_2024,
        names_host=False,
        confirming_word="VERIFYING",
    ),
    "faq": ApiVersion(
        lifetime=timedelta(minutes=15),
        checkout=payloads.split_checkout,
        status=payloads.dollar_snake_status,
        webhook=payloads.webhook_faq,
        webhook_method="GET",
        cancelled_word="CANCELED",
    ),
    "2025-11": ApiVersion(
        lifetime=timedelta(minutes=15),
        checkout=payloads.split_checkout,
        status=payloads.camel_status,
        webhook=payloads.webhook_late_2025,
        lists_coins=True,
        nested_errors=True,
        unknown_reference=401,
        always_needs_key=True,
    ),
    "2026": ApiVersion(
        lifetime=timedelta(hours=24),
        checkout=payloads.checkout,
        status=payloads.confirming_status,
        webhook=payloads.webhook_2026,
        assigned=payloads.bare_address,
        lists_coins=True,
        key_header="API-KEY",
        signs=True,
        nested_errors=True,
        unknown_reference=401,
        always_needs_key=True,
        has_health=True,
        reads_options=True,
        return_parameters=True,
        repeat_seconds=3,
    ),
}


def api_version_named(name: str) -> ApiVersion:
    """The API version of that name; raises ValueError, naming those there are."""
    if name not in API_VERSIONS:
        known = ", ".join(API_VERSIONS)
        raise ValueError(f"There is no API version {name!r}; there are {known}.")
    return API_VERSIONS[name]
