"""What a PayRam server tells of itself: ``/api/v1/health`` and ``/api/v1/version`` of servers since 2026."""

from __future__ import annotations

from dataclasses import dataclass

from django_payram import strict_json
from django_payram.doctor.hops import quote

WELL = frozenset({"ok", "up", "healthy", "running"})
LONGEST_NAME = 40


@dataclass(frozen=True)
class Health:
    """A server's version, "" when not told, and the names of its parts that do not run."""

    version: str
    ailing: tuple[str, ...]


def read_health(body: bytes) -> Health | None:
    """Read the answer to either call; None when it is not PayRam's. What is of an unknown type is passed over."""
    try:
        value = strict_json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("version"), str):
        return None
    workers = value.get("workers")
    parts = {"status": value.get("status"), "db": value.get("db"), **(workers if isinstance(workers, dict) else {})}
    return Health(version=_name(value["version"]), ailing=tuple(_ailing(parts)))


def _ailing(parts: dict[str, object]) -> list[str]:
    return sorted(_name(name) for name, word in parts.items() if isinstance(word, str) and word.lower() not in WELL)


def _name(text: str) -> str:
    return quote(text)[:LONGEST_NAME]
