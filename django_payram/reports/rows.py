"""The rows of a file for accounting: one for each payment, one for each refund, and the sums at the end."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Max
from django.utils.timezone import is_aware

from django_payram.models import Payment, Refund, database, pages
from django_payram.models.statuses import ZERO
from django_payram.reports.figures import Range, Sums

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime, tzinfo

    from django.db.models import QuerySet

COLUMNS = (
    *("kind", "time", "time_zone", "project", "reference", "token", "order_number", "purpose", "customer_email"),
    *("status", "amount_usd", "price_amount", "price_currency", "received_usd", "refunded_usd", "net_usd"),
    *("forgiven_usd", "surplus_usd", "currency", "blockchain", "transaction", "created_at", "paid_at", "note"),
)
"""Money is in US dollars where the name says so. ``net_usd`` of a refund is negative, so that it adds up."""

AT_ONCE = 1_000
"""Rows read at a time."""

FORMULA = re.compile(r"""^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=["' ]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
"""Where a text begins that a spreadsheet would compute. In many countries it takes the semicolon for the separator, and
in some it reads wide signs as it reads =, +, - and @."""

Row = dict[str, Any]


def of_range(of: Range) -> Iterator[Row]:
    """Yield a row for each payment that became paid in the range and each refund recorded in it, then the sums."""
    total = Sums()
    # Refunds that are recorded from now on are left out: their payments may have been passed by before they were paid.
    last = of.refunds().aggregate(last=Max("pk"))["last"] or 0
    for page in pages(of.paid(), AT_ONCE):
        yield from _payment_rows(page, of.zone, total)
    yield from _refund_rows(of.refunds().filter(pk__lte=last), of.zone, total)
    yield _total_row(total, of.zone)


def of_payments(payments: QuerySet[Payment], *, zone: tzinfo | None) -> Iterator[Row]:
    """Yield a row for each of the payments and each of their refunds, then the sums: those of the payments' own."""
    total = Sums()
    for page in pages(payments, AT_ONCE):
        parents = {payment.parent_id for payment in page if payment.parent_id is not None}
        roots = payments.using(database()).order_by().filter(pk__in=parents, parent=None)
        alone = parents.difference(roots.values_list("pk", flat=True)) if parents else parents
        yield from _payment_rows(page, zone, total, alone)
        # With their payments: the filter may find others by the time that all payments are read.
        yield from _refund_rows(Refund.objects.filter(payment__in=page), zone, total)
    yield _total_row(total, zone)


def _payment_rows(
    payments: list[Payment], zone: tzinfo | None, total: Sums, alone: Collection[int] = ()
) -> Iterator[Row]:
    for payment in payments:
        row = _payment_row(payment, zone, counts=payment.parent_id is None or payment.parent_id in alone)
        total.add(row["received_usd"] or ZERO, 1)
        yield row


def _refund_rows(refunds: QuerySet[Refund], zone: tzinfo | None, total: Sums) -> Iterator[Row]:
    for page in pages(refunds.select_related("payment"), AT_ONCE):
        for refund in page:
            total.refunded += refund.amount_usd
            yield _refund_row(refund, zone)


def _total_row(total: Sums, zone: tzinfo | None) -> Row:
    return {
        "kind": "total",
        "time_zone": _name_of(zone),
        "received_usd": total.received,
        "refunded_usd": total.refunded,
        "net_usd": total.net,
    }


def _payment_row(payment: Payment, zone: tzinfo | None, *, counts: bool) -> Row:
    # What tops up another payment of the file is a part of what that one has received.
    received = payment.received_usd if counts else None
    return _row(
        payment,
        zone,
        kind="payment" if payment.parent_id is None else "top-up",
        time=payment.paid_at or payment.created_at,
        status=payment.status.value,
        amount_usd=payment.amount_usd,
        received_usd=received,
        net_usd=received,
        forgiven_usd=payment.forgiven_usd or None,
        surplus_usd=payment.surplus_usd or None,
        currency=payment.currency,
        blockchain=payment.blockchain,
        transaction=payment.transaction_hash,
        note=payment.metadata.get("note", "") if isinstance(payment.metadata, dict) else "",
    )


def _refund_row(refund: Refund, zone: tzinfo | None) -> Row:
    return _row(
        refund.payment,
        zone,
        kind="refund",
        time=refund.created_at,
        refunded_usd=refund.amount_usd,
        net_usd=-refund.amount_usd,
        transaction=refund.transaction,
        note=refund.note,
    )


def _row(payment: Payment, zone: tzinfo | None, *, time: datetime, **facts: Any) -> Row:
    amount, currency = payment.price
    return {
        "time": _told(time, zone),
        "time_zone": _name_of(zone),
        "project": payment.project,
        "reference": payment.reference or "",
        "token": str(payment.token),
        "order_number": payment.order_number,
        "purpose": payment.purpose,
        "customer_email": payment.customer_email,
        "price_amount": amount,
        "price_currency": currency,
        "created_at": _told(payment.created_at, zone),
        "paid_at": _told(payment.paid_at, zone),
        **facts,
    }


def _name_of(zone: tzinfo | None) -> str:
    # Without zones (USE_TZ), times are kept as those of the setting.
    return str(zone or settings.TIME_ZONE or "")


def _told(moment: datetime | None, zone: tzinfo | None) -> str:
    if moment is None:
        return ""
    return (moment.astimezone(zone) if is_aware(moment) else moment).isoformat(timespec="seconds")


class _Line:
    """What csv.writer writes to: it gives back the line."""

    def write(self, line: str) -> str:
        return line


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a CSV file, its head first. What a spreadsheet would compute gets an apostrophe before it."""
    writer = csv.writer(_Line())
    yield str(writer.writerow(COLUMNS))
    for row in rows:
        yield str(writer.writerow([_cell(row.get(name)) for name in COLUMNS]))


def as_jsonl(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a file of JSON objects; amounts are strings, so that no reader rounds them."""
    for row in rows:
        kept = {name: _text(row[name]) for name in COLUMNS if row.get(name) not in (None, "")}
        yield json.dumps(kept, ensure_ascii=False) + "\n"


def _cell(value: object) -> str:
    text = _text(value)
    return FORMULA.sub("'", text) if isinstance(value, str) else text


def _text(value: object) -> str:
    """Return a text as it is, and an amount with two places, or with all that it has."""
    if not isinstance(value, Decimal):
        # JSON, such as metadata, can hold half a character, which no file can.
        return "" if value is None else str(value).encode(errors="replace").decode()
    return f"{value:.2f}" if value == round(value, 2) else f"{value.normalize():f}"


FORMATS = {"csv": as_csv, "jsonl": as_jsonl}
