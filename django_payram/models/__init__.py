"""What is remembered of payments: the rows, the questions asked about them, and the words that stand in them."""

from __future__ import annotations

from django_payram.models.amounts import read_number
from django_payram.models.databases import DATABASE_BUSY, database, give_back_connections, in_transaction, pages
from django_payram.models.event import Outcome, PaymentEvent, Source
from django_payram.models.logs import log_fields
from django_payram.models.orders import OrderKey, content_type, number_of, order_key
from django_payram.models.payment import (
    CRASHED_AFTER,
    USD,
    Payment,
    PaymentQuerySet,
    is_recent,
    is_stale,
    order_type,
)
from django_payram.models.quote import PaymentQuote
from django_payram.models.refund import Refund
from django_payram.models.relation import DETACH, PROTECT, PaymentsRelation
from django_payram.models.review_mail import ReviewMail
from django_payram.models.states import Review, State, Status

__all__ = [
    "CRASHED_AFTER",
    "DATABASE_BUSY",
    "DETACH",
    "PROTECT",
    "USD",
    "OrderKey",
    "Outcome",
    "Payment",
    "PaymentEvent",
    "PaymentQuerySet",
    "PaymentQuote",
    "PaymentsRelation",
    "Refund",
    "Review",
    "ReviewMail",
    "Source",
    "State",
    "Status",
    "content_type",
    "database",
    "give_back_connections",
    "in_transaction",
    "is_recent",
    "is_stale",
    "log_fields",
    "number_of",
    "order_key",
    "order_type",
    "pages",
    "read_number",
]
