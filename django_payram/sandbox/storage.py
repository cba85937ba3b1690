"""The data file: a first line that names the format, then a line of JSON for every change of the ledger.

A change costs the same whatever the ledger holds. The file is replaced whole only when a sandbox starts; what a crash
has left of a last line is forgotten then.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django_payram.sandbox.payments import Deposit, Payment
from django_payram.sandbox.webhooks import Delivery, QueuedWebhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_payram.sandbox.ledger import Ledger

FIRST_LINE = {"format": 2}

Row = dict[str, Any]
Change = tuple[str, object]


class CorruptData(ValueError):
    """The data file cannot be read as the ledger of a sandbox."""


def append(path: Path, changes: Iterable[Change]) -> None:
    """Write changes at the end of the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(_lines(changes)))


def replace(path: Path, changes: Iterable[Change]) -> None:
    """Write everything beside the file, then put it in its place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(FIRST_LINE) + "\n")
            file.writelines(_lines(changes))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path, ledger: Ledger) -> None:
    """Repeat the changes of the file, if there is one, in an empty ledger; raises CorruptData."""
    if not path.parent.is_dir():
        raise CorruptData(f"The folder of the data file {path} does not exist.")
    if not path.exists():
        return
    try:
        first, *lines = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
        if json.loads(first) != FIRST_LINE:
            raise ValueError("The format of the data file is unknown.")  # noqa: TRY301 - the message below names the file
        for line in lines:
            [(kind, row)] = json.loads(line).items()
            _repeat(ledger, kind, row)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as exc:
        message = f"The sandbox cannot read its data file {path}. Mend it, or delete it to start with an empty ledger."
        raise CorruptData(message) from exc


def _repeat(ledger: Ledger, kind: str, row: Any) -> None:
    match kind:
        case "payment":
            deposits = tuple(Deposit(**_typed(one, money=("usd",))) for one in row.pop("deposits"))
            chains = tuple(row.pop("chains", ()))
            typed = _typed(row, money=("amount_usd",), moments=("created_at", "expires_at"))
            ledger.save(Payment(**typed, chains=chains, deposits=deposits))
        case "waiting":
            body = str(row.pop("body")).encode()
            ledger.enqueue(QueuedWebhook(**_typed(row, moments=("due_at",)), body=body))
        case "settled":
            ledger.dequeue(row)
        case "delivery":
            ledger.record(Delivery(**_typed(row, moments=("at", "next_at"))))
        case _:
            raise ValueError(f"{kind!r} is no change of a ledger.")


def _typed(row: Row, *, money: tuple[str, ...] = (), moments: tuple[str, ...] = ()) -> Row:
    decimals = {name: Decimal(row[name]) for name in money}
    times = {name: row[name] and datetime.fromisoformat(row[name]) for name in moments}
    return {**row, **decimals, **times}


def _lines(changes: Iterable[Change]) -> Iterator[str]:
    for kind, value in changes:
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        yield json.dumps({kind: plain}, default=_text) + "\n"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode() if isinstance(value, bytes) else str(value)
