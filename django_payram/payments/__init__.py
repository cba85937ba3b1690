"""What happens to a payment: the verbs that a shop calls.

open_payment      ask for money: the row first, then the call to PayRam
refresh           ask PayRam about one payment and record the answer
withdraw          want no more money on a link
assign            give a payment to an order that was made later
record_refund     write down that money was sent back
adopt             take over a payment that was made in PayRam's own dashboard
mail_status_link  mail the customer the page that shows what became of the payment

``aopen_payment`` and ``arefresh`` are the first two for asynchronous code.
"""

from __future__ import annotations

from django_payram.payments.checkout import aopen_payment, open_payment
from django_payram.payments.decisions import assign, record_refund, withdraw
from django_payram.payments.mails import mail_status_link
from django_payram.payments.matching import adopt
from django_payram.payments.refresh import arefresh, refresh

__all__ = [
    "adopt",
    "aopen_payment",
    "arefresh",
    "assign",
    "mail_status_link",
    "open_payment",
    "record_refund",
    "refresh",
    "withdraw",
]
