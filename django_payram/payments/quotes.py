"""Paying in the shop: what PayRam offers for a payment, the customer's choice, and the address to send to.

Nothing here says what has been paid. PayRam is asked for prices at most every half a minute for a payment, however many
pages show it, and for an address of a network by one click of many at once. No lock is held meanwhile.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramError, PayramRefused, PayramUnavailable
from django_payram.gateway.client import client_for
from django_payram.gateway.payment_methods import PaymentMethod
from django_payram.gateway.redaction import redact
from django_payram.models import (
    DATABASE_BUSY,
    PaymentQuote,
    database,
    give_back_connections,
    is_recent,
    is_stale,
    log_fields,
)
from django_payram.payments.refresh import PAGE_DEADLINE
from django_payram.payments.wallets import coin_amount, network_in_full, wallet_link

if TYPE_CHECKING:
    from django_payram.gateway.client import Client
    from django_payram.models import Payment

logger = logging.getLogger("django_payram")

FRESH = timedelta(seconds=30)
"""PayRam is asked for prices of a payment at most this often."""
PRICE_LIVES = timedelta(minutes=10)
"""An older price is not shown: PayRam would count what is sent by another one."""
ADDRESS_RETRY_SECONDS = 10
"""PayRam is asked again for an address that did not come at most this often. Longer than the call may take."""
POLL_SECONDS = 0.1
NO_ANSWER, NO_ADDRESS = "no answer", "no address"
"""How a call for an address has failed."""

UNKNOWN_CALL = frozenset({404, 405})
"""What a server answers that does not know the call."""


KEPT = {one.name for one in fields(PaymentMethod)}
"""What a row keeps of a way to pay."""


class NotOffered(PayramDataError):
    """PayRam does not offer what the customer has chosen."""


@dataclass(frozen=True)
class Offer:
    """One way to pay, as a customer reads it. ``amount`` is in coins, None while PayRam gives no price."""

    method: PaymentMethod
    amount: Decimal | None
    address: str = ""

    @property
    def code(self) -> str:
        """What names the offer in a form."""
        return self.method.code

    @property
    def coin(self) -> str:
        """The coin's code, as wallets show it."""
        return self.method.currency

    @property
    def network(self) -> str:
        """What people call the network."""
        return network_in_full(self.method)

    @property
    def written_amount(self) -> str:
        """The amount as a wallet takes it: a point, and no separators; ``""`` without a price."""
        return "" if self.amount is None else f"{self.amount.normalize():f}"

    @property
    def wallet_link(self) -> str:
        """What a wallet opens, ``""`` where there is none."""
        return wallet_link(self.method, self.address, self.amount) if self.address else ""


def quote_for(payment: Payment) -> PaymentQuote:
    """Return what PayRam offers for ``payment``, asked for anew when it is out of date; it begins with the first call.

    When PayRam cannot be asked, what is known must do: ``methods`` is None as long as nothing is.
    """
    rows = PaymentQuote.objects.using(database())
    quote, _is_new = rows.get_or_create(payment_id=payment.pk)
    if payment.reference is None or not _claim(quote, payment):
        return quote
    try:
        methods = _client(payment).payment_methods(payment.reference)
    except (PayramError, ImproperlyConfigured) as exc:
        is_unknown = isinstance(exc, PayramRefused) and exc.status in UNKNOWN_CALL and not quote.methods
        logger.warning(
            "PayRam does not say how payment %s can be paid. %s", payment.token, exc, extra=log_fields(payment)
        )
        if is_unknown:
            rows.filter(pk=quote.pk).update(methods=[])
    else:
        kept = [{**asdict(method), "price_usd": method.price_usd and str(method.price_usd)} for method in methods]
        rows.filter(pk=quote.pk).update(methods=kept, priced_at=timezone.now())
    quote.refresh_from_db(using=database())
    return quote


def known_quote(payment: Payment) -> PaymentQuote | None:
    """Return what PayRam has offered for ``payment``, without asking it; None when no price of it may be shown."""
    quote = PaymentQuote.objects.using(database()).filter(pk=payment.pk).first()
    return quote if quote is not None and (quote.methods == [] or _is_priced(quote)) else None


def offers(payment: Payment, quote: PaymentQuote) -> list[Offer]:
    """Return the ways to pay what is missing now."""
    is_priced, found = _is_priced(quote), []
    for kept in quote.methods or []:
        if kept.keys() != KEPT:
            # A row of another release. PayRam is asked again within half a minute.
            continue
        price = kept["price_usd"] if is_priced else None
        method = PaymentMethod(**{**kept, "price_usd": None if price is None else Decimal(price)})
        address = quote.addresses.get(method.blockchain, "")
        found.append(Offer(method, coin_amount(payment.missing_usd, method), address))
    return found


def _is_priced(quote: PaymentQuote) -> bool:
    return quote.priced_at is not None and is_recent(quote.priced_at, within=PRICE_LIVES, now=timezone.now())


def chosen_offer(payment: Payment, quote: PaymentQuote) -> Offer | None:
    """Return the offer that the customer has chosen, None when there is none or PayRam does not make it any more."""
    return next((offer for offer in offers(payment, quote) if offer.code == quote.chosen and offer.address), None)


def choose(payment: Payment, code: str) -> None:
    """Keep the customer's choice, with the address that PayRam assigns for it; ``""`` takes the choice back.

    Raises NotOffered for what PayRam does not offer, and the errors of :func:`django_payram.payments.refresh`.
    """
    quote = quote_for(payment)
    if code and quote.methods is None:
        raise PayramUnavailable(f"PayRam has not said yet how payment {payment.token} can be paid.", definite=True)
    if code:
        offer = next((offer for offer in offers(payment, quote) if offer.code == code), None)
        if offer is None or payment.reference is None:
            raise NotOffered(f"PayRam does not offer this coin for payment {payment.token}.")
        if not offer.address:
            _assign_address(payment, payment.reference, offer.method)
    PaymentQuote.objects.using(database()).filter(pk=payment.pk).update(chosen=code)


def _assign_address(payment: Payment, reference: str, method: PaymentMethod) -> None:
    """Ask PayRam for an address and keep it. Of clicks at once one asks, and the others share what becomes of that."""
    until, network = time.monotonic() + PAGE_DEADLINE, method.blockchain
    quote, is_claimed = _claim_address(payment, network)
    while not is_claimed and network not in quote.addresses:
        failure = quote.address_calls[network]["failure"]
        if failure == NO_ADDRESS:
            raise PayramDataError(f"PayRam has just given no address for payment {payment.token}.")
        if failure or time.monotonic() >= until:
            raise PayramUnavailable(f"PayRam has not answered about payment {payment.token} just now.", definite=True)
        give_back_connections()
        time.sleep(POLL_SECONDS)
        quote, is_claimed = _claim_address(payment, network)
    if not is_claimed:
        return
    try:
        address = _client(payment).assign_address(reference, method)
    except PayramError as exc:
        with transaction.atomic(using=database()):
            _note_call(_locked(payment), network, NO_ANSWER if isinstance(exc, PayramUnavailable) else NO_ADDRESS)
        raise
    with transaction.atomic(using=database()):
        addresses = _locked(payment).addresses | {network: address}
        PaymentQuote.objects.using(database()).filter(pk=payment.pk).update(addresses=addresses)


def _claim_address(payment: Payment, network: str) -> tuple[PaymentQuote, bool]:
    """Claim the right to ask for an address now, and return whether nobody else asks, or has just asked in vain."""
    with transaction.atomic(using=database()):
        quote = _locked(payment)
        call = quote.address_calls.get(network)
        # A time in the future was written by a wrong clock, and means nothing.
        is_new = call is None or abs(timezone.now().timestamp() - call["at"]) >= ADDRESS_RETRY_SECONDS
        is_claimed = is_new and network not in quote.addresses
        if is_claimed:
            _note_call(quote, network)
    return quote, is_claimed


def _note_call(quote: PaymentQuote, network: str, failure: str = "") -> None:
    calls = quote.address_calls | {network: {"at": timezone.now().timestamp(), "failure": failure}}
    PaymentQuote.objects.using(database()).filter(pk=quote.pk).update(address_calls=calls)


def _locked(payment: Payment) -> PaymentQuote:
    return PaymentQuote.objects.using(database()).select_for_update().get(pk=payment.pk)


def _client(payment: Payment) -> Client:
    project = conf.project(payment.project)
    return client_for(replace(project, deadline=min(project.deadline, PAGE_DEADLINE)))


def _claim(quote: PaymentQuote, payment: Payment) -> bool:
    """Claim the right to ask now; of many pages that are open at once, one gets it."""
    now = timezone.now()
    rows = PaymentQuote.objects.using(database()).filter(is_stale("asked_at", after=FRESH, now=now), pk=quote.pk)
    try:
        return rows.update(asked_at=now) > 0
    except DATABASE_BUSY as exc:
        # It can be read, but not be written to: what is recorded must do.
        logger.warning(
            "PayRam was not asked how payment %s can be paid. %s", quote.pk, redact(str(exc)), extra=log_fields(payment)
        )
        return False
