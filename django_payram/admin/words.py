"""What the admin says to the merchant: statuses in a word and in a sentence, and what to do about a review."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from django_payram.exceptions import InvalidPaymentRequest
from django_payram.gateway.redaction import redact
from django_payram.models import Review, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

    from django_payram.models import Payment

# Where the word for customers speaks to the customer.
WORDS: Mapping[Status, _StrPromise] = MappingProxyType(
    {
        Status.WAITING: _("Waiting"),
        Status.CONFIRMING: _("Confirming"),
        Status.HELD: _("Held"),
        Status.OVERPAID: _("Overpaid"),
        Status.FAILED: _("Failed"),
    }
)

SENTENCES: Mapping[Status, _StrPromise] = MappingProxyType(
    {
        Status.PREPARING: _("The link is being made."),
        Status.WAITING: _("The link is open, and nothing has come yet."),
        Status.CONFIRMING: _("Money was seen on the chain, and is being confirmed."),
        Status.PARTLY_PAID: _("A part of the amount has come."),
        Status.HELD: _("The money is there, and does not count until a person accepts it."),
        Status.PAID: _("Paid."),
        Status.OVERPAID: _("Paid, and more than the amount has come."),
        Status.EXPIRED: _("PayRam has closed the link, and nothing has come."),
        Status.WITHDRAWN: _("The shop wants no money on the link any more, and nothing has come."),
        Status.REFUNDED: _("All that had come was sent back."),
        Status.FAILED: _("PayRam made no link."),
    }
)

ADVICE: Mapping[Review, _StrPromise] = MappingProxyType(
    {
        Review.AMOUNT: _(
            "PayRam asked for another amount, or less than the amount has come. Accept it if it is enough, or send "
            "the money back and record the refund."
        ),
        Review.REGRESSION: _(
            "PayRam now reports less than before. Compare with the transaction on the chain before anything is "
            "delivered, then resolve."
        ),
        Review.DUPLICATE: _(
            "The order was paid by another payment as well. Send this money back and record the refund, or assign the "
            "payment to the order that it is for."
        ),
        Review.ORPHAN: _(
            "The order was deleted. Assign the payment to another order, or send the money back and record the refund."
        ),
        Review.UNCLEAR: _(
            "It is not certain that this money is for this order. Look at the timeline and at PayRam's dashboard, "
            "then assign or resolve."
        ),
        Review.LATE: _(
            "Money came after the link was closed. See whether the order can still be delivered; otherwise send the "
            "money back and record the refund."
        ),
        Review.PARTIAL: _(
            "PayRam closed the link when only a part had come. Request the rest, or send the money back and record "
            "the refund."
        ),
    }
)


REASONS: Mapping[Review, _StrPromise] = MappingProxyType(
    {
        Review.AMOUNT: _("Other amount"),
        Review.REGRESSION: _("Less than before"),
        Review.DUPLICATE: _("Paid twice"),
        Review.ORPHAN: _("Order deleted"),
        Review.UNCLEAR: _("Unclear"),
        Review.LATE: _("Too late"),
        Review.PARTIAL: _("Closed in part"),
    }
)
"""The reasons for review in so few words that they fit into a column."""


REFUSALS: Mapping[str, _StrPromise] = MappingProxyType(
    {
        "amount": _("This amount cannot be asked for: it is worth less than a cent of a US dollar, or is too long."),
        "currency": _("A price in this currency needs exchange rates: the option RATES of the project."),
        "email": _("PayRam does not take this e-mail address."),
        "order": _("This order cannot be paid as it is."),
        "transaction": _("This transaction is recorded already."),
        **dict.fromkeys(
            ("purpose", "order_number"),
            _("Only printable characters can stand here, and no white space at the ends."),
        ),
    }
)
"""Why an argument of ``open_payment`` or ``record_refund`` was refused, in the reader's language."""
REFUSED = _("This cannot be done: %(error)s")
"""For everything that names a setting, a server's answer, or what only a program can have written."""


def refusal(exc: Exception) -> str:
    """Return why something was refused, in a sentence for the merchant, without keys."""
    known = REFUSALS.get(exc.argument) if isinstance(exc, InvalidPaymentRequest) else None
    return str(known or REFUSED % {"error": redact(str(exc))})


def word(status: Status) -> str:
    """Return a status in a word."""
    return str(WORDS.get(status, status.label))


def sentence(payment: Payment) -> str:
    """Return the status of a payment in a sentence."""
    return str(SENTENCES[payment.status])


def advice(payment: Payment) -> str:
    """Return what to do about the payment's review in a sentence; ``""`` without one."""
    return str(ADVICE[Review(payment.review)]) if payment.review else ""
