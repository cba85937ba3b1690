"""What a page shows of paying in the shop: the coins to choose from, or the address and the amount to send."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN
from typing import TYPE_CHECKING

from django_payram.models import PaymentQuote, Status, database, in_transaction
from django_payram.models.statuses import CENT
from django_payram.payments.quotes import chosen_offer, known_quote, offers, quote_for
from django_payram.views.decorators import url_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_payram.models import Payment
    from django_payram.payments.quotes import Offer
    from django_payram.views.customer_status import CustomerStatus


@dataclass(frozen=True)
class PayBlock:
    """The part of a page where the customer pays."""

    action: str
    """The address that a choice is posted to."""
    offers: list[Offer]
    chosen: Offer | None
    hosted_url: str
    """PayRam's own page: the way out of whatever goes wrong here."""
    problem: str
    """A sentence about what the customer has just tried, or ``""``."""

    @property
    def is_priced(self) -> bool:
        """Whether there is a coin to choose: PayRam may give no prices just now."""
        return any(offer.amount is not None for offer in self.offers)


def pay_block(
    request: HttpRequest, payment: Payment, status: CustomerStatus, *, begin: bool = False, problem: str = ""
) -> PayBlock | None:
    """Return how the payment can be paid here; None when it cannot, or is paid on PayRam's own page.

    It is paid here once the checkout or ``PayView`` has led the customer here, or with ``begin``. In a transaction of
    the shop PayRam is not asked, and nothing is written: what is known must do.
    """
    # Of a part whose sum PayRam does not say, nobody knows what is missing.
    is_sum_known = status.received_usd == payment.received_usd.quantize(CENT, rounding=ROUND_DOWN)
    is_part_known = is_sum_known and (status.status != Status.PARTLY_PAID or payment.received_usd > 0)
    if (
        not status.url
        or status.is_more_coming
        or not (begin or PaymentQuote.objects.using(database()).filter(pk=payment.pk).exists())
    ):
        return None
    quote = known_quote(payment) if in_transaction() else quote_for(payment)
    if quote is None or quote.methods == [] or not is_part_known or not payment.missing_usd:
        return None
    return PayBlock(
        action=url_of(request, "pay", payment.token),
        offers=offers(payment, quote),
        chosen=chosen_offer(payment, quote),
        hosted_url=status.url,
        problem=problem,
    )
