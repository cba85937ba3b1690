"""Which hosts calls to PayRam may go to: all of them, except in tests that say otherwise here."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django_payram.gateway.responses import NoAnswer

allowed: frozenset[str] | None = None
"""Hosts beside this machine, ``*`` for all; None is for shops: nobody has said anything."""


def check(url: str) -> None:
    """Raise NoAnswer for an address that tests may not call."""
    host = urlsplit(url).hostname or ""
    if allowed is None or "*" in allowed or host in allowed or _is_here(host):
        return
    raise NoAnswer(
        f"A test called PayRam at {host}, which is not on this machine. The fixture payram (self.payram with unittest) "
        "answers in its place; hosts that tests may call are named in the option payram_hosts of pytest.",
        sent=False,
    )


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
