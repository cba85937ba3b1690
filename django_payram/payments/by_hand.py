"""A link that a person makes and mails by hand, in the admin or by ``payram_request``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone

from django_payram.models import Outcome, Payment, Source
from django_payram.payments import transitions
from django_payram.payments.checkout import open_payment
from django_payram.payments.links import usable_link
from django_payram.payments.mails import send
from django_payram.payments.request import read_text

if TYPE_CHECKING:
    from django.db.models import Model

LONGEST_HOURS = 24 * 365
LONGEST_NOTE = 500
"""Characters."""


class Requested(NamedTuple):
    """The payment that was asked for, and whether its link was made for it just now or was there already."""

    payment: Payment
    is_new: bool


def request_payment(
    order: Model | None, *, note: str = "", hours: int | None = None, source: Source, actor: str = "", **asked: Any
) -> Requested:
    """Open a payment as :func:`open_payment` does, with its arguments and errors, for a person who asks for it.

    ``note`` is for the shop: it is kept in the payment's ``metadata``, and cleaned in the timeline, where it stands
    also when the order's live link is used again. ``hours`` is how long the link lives.
    """
    text, started = read_text("note", note, longest=LONGEST_NOTE), timezone.now()
    payment = open_payment(
        order,
        expires_in=None if hours is None else timedelta(hours=hours),
        metadata={"note": note} if note else None,
        **asked,
    )
    is_new = payment.created_at >= started
    if is_new or order is not None:
        transitions.note([payment], Outcome.REQUESTED, source=source, actor=actor, text=text)
    return Requested(payment, is_new)


def link_to_mail(payment: Payment) -> str:
    """Return the link that can be mailed; ``""`` of a payment that takes no money, or has no e-mail address."""
    return usable_link(payment) if payment.is_open and payment.customer_email else ""


def mail_link(payment: Payment, *, status_url: str = "", source: Source, actor: str = "") -> None:
    """Mail the customer the link where to pay, and write it in the timeline.

    A shop may override the templates ``django_payram/request_mail.txt`` and ``django_payram/request_mail_subject.txt``.
    ``status_url`` is the absolute address of the customer's page, if there is one. Raises ValueError where
    :func:`link_to_mail` returns none, and what the mail server raises.
    """
    url = link_to_mail(payment)
    if not url:
        raise ValueError("Only the link of an open payment with an e-mail address can be sent.")
    context = {"payment": payment, "url": url, "status_url": status_url}
    send(payment, "django_payram/request_mail", context)
    transitions.note([payment], Outcome.MAILED, source=source, actor=actor)
