"""Finding payments by what people say on the phone, each by an index."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db.models import Q

from django_payram.admin.lists import LISTED
from django_payram.models.indexes import is_text, starts_with

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_payram.models import Payment

EXACT = ("reference", "customer_id", "order_id")


def matching(payments: QuerySet[Payment], term: str) -> QuerySet[Payment]:
    """Return those of the payments that ``term`` names, or as many of them as a list shows.

    It is a whole reference, token, customer id, order id, order number, transaction hash or deposit address, or the
    beginning of an e-mail address; the last four in any case.
    """
    rows = payments.order_by().values_list("pk", flat=True)
    whole = [rows.filter(condition) for condition in _whole_texts(term, payments.db)]
    beginning = rows.filter(starts_with("customer_email", term, using=payments.db))
    # One condition at a time: joined by OR, they are answered by reading every row as soon as one has no index. In no
    # order, for the beginning of an address may be that of every payment; and one payment may be found twice.
    keys = list(beginning.union(*whole, all=True)[: 2 * (LISTED + 1)])
    if len(keys) > LISTED:
        # More than a list shows: those whose whole text it is come first, the newest of them.
        keys = [*whole[0].union(*whole[1:]).order_by("-pk")[: LISTED + 1], *keys]
    return payments.filter(pk__in=list(dict.fromkeys(keys))[: LISTED + 1])


def _whole_texts(term: str, using: str) -> list[Q]:
    number = term.removeprefix("#")
    conditions = [
        *(Q((name, term)) for name in EXACT),
        # Indexes of what few payments have leave out the others.
        *(
            _in_any_case(name, term, using)
            for name in ("customer_email", "deposit_address", "transaction_hash", "order_number")
        ),
    ]
    if number != term:
        conditions.append(_in_any_case("order_number", number, using))
    if token := _uuid(term):
        conditions.append(Q(token=token))
    return conditions


def _in_any_case(name: str, text: str, using: str) -> Q:
    return is_text(name, text, using=using) & Q((f"{name}__gt", ""))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
