"""The books on disk: a first line that names the format, then a line of JSON for every change.

A change costs the same whatever the ledger hold. The file is replaced whole only when a sandbox starts; what a crash
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

from django_payram.sandbox.deliveries import Delivery, QueuedWebhook, WebhookQueue
from django_payram.sandbox.ledger import Deposit, Ledger, Payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HEAD = {"format": 2}

Row = dict[str, Any]
Change = tuple[str, object]


class CorruptData(ValueError):
    """The data file cannot be read as the ledger of a sandbox."""


def append(path: Path, changes: Iterable[Change]) -> None:
    """Write changes at the end of the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(_lines(changes)))


def load(path: Path, *, ledger: Ledger, queue: WebhookQueue) -> None:
    """Fill ledger and queue from the file, if there is one, and write it anew; raises CorruptData."""
    if not path.parent.is_dir():
        raise CorruptData(f"The folder of the data file {path} does not exist.")
    if path.exists():
        try:
            _replay(path, ledger=ledger, queue=queue)
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as exc:
            message = f"The sandbox cannot read its data file {path}. Mend it, or delete it to start with empty books."
            raise CorruptData(message) from exc
    _replace(path, [*ledger.whole(), *queue.whole()])


def _replace(path: Path, changes: Iterable[Change]) -> None:
    """Write everything beside the file, then put it in its place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(HEAD) + "\n")
            file.writelines(_lines(changes))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _lines(changes: Iterable[Change]) -> Iterator[str]:
    for kind, value in changes:
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        yield json.dumps({kind: plain}, default=_text) + "\n"


def _replay(path: Path, *, ledger: Ledger, queue: WebhookQueue) -> None:
    head, *lines = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
    if json.loads(head) != HEAD:
        raise ValueError("The format of the ledger is unknown.")
    waiting: dict[int, QueuedWebhook] = {}
    log: list[Delivery] = []
    replay: dict[str, Callable[[Any], object]] = {
        "payment": lambda row: ledger.enter(_payment(row)),
        "waiting": lambda row: waiting.update({row["number"]: _queued(row)}),
        "settled": lambda number: waiting.pop(number, None),
        "delivery": lambda row: log.append(_delivery(row)),
    }
    for line in lines:
        [(kind, row)] = json.loads(line).items()
        replay[kind](row)
    queue.restore(list(waiting.values()), log)


def _payment(row: Row) -> Payment:
    deposits = row.pop("deposits")
    return Payment(
        **_typed(row, money=("amount_usd",), moments=("created_at", "expires_at")),
        deposits=tuple(Deposit(**_typed(one, money=("usd",))) for one in deposits),
    )


def _queued(row: Row) -> QueuedWebhook:
    row["body"] = str(row["body"]).encode()
    return QueuedWebhook(**_typed(row, moments=("due_at",)))


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
