"""The books on disk: one JSON file, replaced whole, so that a crash never leaves half of it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django_payram.sandbox.deliveries import Delivery, Outbox, Parcel
from django_payram.sandbox.ledger import Deposit, Ledger, Payment

FORMAT = 1

Row = dict[str, Any]


class BrokenBooks(ValueError):
    """The data file cannot be read as the books of a sandbox."""


def save(path: Path, *, ledger: Ledger, outbox: Outbox) -> None:
    """Write everything beside the file, then put it in its place in one step."""
    books = {
        "format": FORMAT,
        "payments": [asdict(one) for one in ledger.payments.values()],
        "waiting": [asdict(one) for one in outbox.waiting],
        "deliveries": [asdict(one) for one in outbox.log],
    }
    text = json.dumps(books, default=_text, indent=1)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path, *, ledger: Ledger, outbox: Outbox) -> None:
    """Fill ledger and outbox from the file, if there is one; raises BrokenBooks."""
    if not path.parent.is_dir():
        raise BrokenBooks(f"The folder of the data file {path} does not exist.")
    if not path.exists():
        return
    try:
        _fill(json.loads(path.read_text(encoding="utf-8")), ledger=ledger, outbox=outbox)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as exc:
        message = f"The sandbox cannot read its data file {path}. Mend it, or delete it to start with empty books."
        raise BrokenBooks(message) from exc


def _fill(books: Row, *, ledger: Ledger, outbox: Outbox) -> None:
    if books["format"] != FORMAT:
        raise ValueError("The format of the books is unknown.")
    for row in books["payments"]:
        ledger.enter(_payment(row))
    outbox.restore(
        [_parcel(row) for row in books["waiting"]],
        [_delivery(row) for row in books["deliveries"]],
    )


def _payment(row: Row) -> Payment:
    deposits = row.pop("deposits")
    return Payment(
        **_typed(row, money=("amount_usd",), moments=("created_at", "expires_at")),
        deposits=tuple(Deposit(**_typed(one, money=("usd",))) for one in deposits),
    )


def _parcel(row: Row) -> Parcel:
    row["body"] = str(row["body"]).encode()
    return Parcel(**_typed(row, moments=("due_at",)))


def _delivery(row: Row) -> Delivery:
    return Delivery(**_typed(row, moments=("at", "next_at")))


def _typed(row: Row, *, money: tuple[str, ...] = (), moments: tuple[str, ...] = ()) -> Row:
    decimals = {name: Decimal(row[name]) for name in money}
    times = {name: row[name] and datetime.fromisoformat(row[name]) for name in moments}
    return {**row, **decimals, **times}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode() if isinstance(value, bytes) else str(value)
