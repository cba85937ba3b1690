"""Taking keys and personal data out of what is kept, logged or shown."""

from __future__ import annotations

import functools
import re
from decimal import Decimal

from django_payram.conf import SHORTEST_KEY, all_keys

KEY, ADDRESS = "[key]", "[e-mail]"

# Looked for only where a word begins, which keeps the time linear. In a query string the at-sign is %40.
WORD = r"""[^\s"'<>(),;:&=?#/\\\[\]@]"""
ADDRESSES = re.compile(rf"(?<!{WORD}){WORD}+(?:@|%40){WORD}+", re.IGNORECASE)

LARGEST_EXACT = 2**53
"""Every whole number up to this is the same in every reader of JSON."""


def redact(text: str, *, shortest: int = 1) -> str:
    """Return ``text`` without any project's keys of at least so many characters, fit for a log, an error or a row."""
    for key in all_keys():
        if len(key) >= shortest:
            text = text.replace(key, KEY)
    return text


def redact_bytes(body: bytes) -> bytes:
    """Return ``body`` without any key of any project; an untrusted sender may repeat one.

    The body has yet to be read: a key so short that it may be part of a name or an amount stays until then.
    """
    return redact(body.decode("latin-1"), shortest=SHORTEST_KEY).encode("latin-1")


def quoted(text: str, limit: int) -> str:
    """Return an untrusted text for a log or a page: without keys, control characters and line ends, and not too long.

    They are cut only once the keys are out: half a key is a key no redaction finds.
    """
    return "".join(letter if letter.isprintable() else " " for letter in redact(text))[:limit]


def clean_text(text: str) -> str:
    """Return a text to be kept without keys, e-mail addresses, and what PostgreSQL does not keep.

    That is NUL characters, and halves of surrogate pairs, which cannot be encoded.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    text = redact(text.replace("\x00", ""))
    return ADDRESSES.sub(ADDRESS, text) if "@" in text or "%40" in text else text


def clean(value: object) -> object:
    r"""Return decoded JSON to be kept: without keys, and without what says who the customer is.

    Because it is decoded, no spelling hides anything: ``\\u0040`` is an at-sign here, and ``\\/`` a slash. Numbers that
    not every reader of JSON gives back as they are become strings.
    """
    if isinstance(value, dict):
        return {clean_text(name): clean(inside) for name, inside in value.items() if not _is_personal(name)}
    if isinstance(value, list | tuple):
        return [clean(inside) for inside in value]
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < LARGEST_EXACT else str(value)
    return value


@functools.lru_cache(maxsize=256)
def _is_personal(name: str) -> bool:
    """Return whether a field says who the customer is: customerEmail, customer_email and customer-EMail are one."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    return "email" in letters or letters == "customerid"
