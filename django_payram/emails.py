"""E-mail addresses and customer ids in texts we keep: PayRam's payloads, receivers' errors, notes.

Only what is personal is replaced; every other byte of a text stays, so that a payload still says what PayRam said.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ERASED = "[erased]"
"""Stands where something personal stood; the value of an e-mail field becomes empty."""

# Every string matches at its first try, the unterminated one at the end too, which keeps the time linear.
CONTENT = r'"[^"\\]*(?:\\.[^"\\]*)*'
STRINGS = re.compile(
    rf'(?P<key>{CONTENT}")(?P<colon>\s*:\s*)(?P<value>{CONTENT}"?|-?[0-9][0-9.eE+-]*)|{CONTENT}"?', re.DOTALL
)

# Looked for only where a word begins, which keeps the time linear. In a query string the at-sign is %40.
WORD = r"""[^\s"'<>(),;:&=?#/\\\[\]@]"""
ADDRESS = re.compile(rf"(?<!{WORD}){WORD}+(?:@|%40){WORD}+")
AT_SIGNS = ("@", "%40", "\\u0040")
"""How an at-sign may be written in a text that holds an address."""


def scrub(text: str, *, customer_ids: Collection[str] = ()) -> str:
    """Return ``text`` without any e-mail address, and without these customer ids where a field names one."""
    return _rewrite(text, _without_addresses, email_fields=True, customer_ids=customer_ids)


def scrub_person(text: str, *, email: str = "", customer_ids: Collection[str] = ()) -> str:
    """Return ``text`` without this e-mail address, in upper or lower case, and without these customer ids.

    For texts that may be about other people as well.
    """
    return _rewrite(text, _eraser(email), email_fields=False, customer_ids=customer_ids)


def spellings(email: str) -> set[str]:
    """Return how ``email`` may be written in a text: as it is, in a query string, with JSON's escapes."""
    escaped = json.dumps(email)[1:-1]
    return {email, quote(email), quote(email, safe=""), escaped, escaped.replace("@", "\\u0040")}


def _without_addresses(text: str) -> str:
    return ADDRESS.sub(ERASED, text) if "@" in text or "%40" in text else text


def _eraser(email: str) -> Callable[[str], str]:
    if not email:
        return lambda found: found
    known = "|".join(re.escape(spelling) for spelling in sorted(spellings(email), key=len, reverse=True))
    # Not the end of a longer address, nor its beginning.
    pattern = re.compile(rf"(?<![\w.+-])(?:{known})(?![\w-]|\.\w)", re.IGNORECASE)
    return lambda found: pattern.sub(ERASED, found)


def _rewrite(text: str, clean: Callable[[str], str], *, email_fields: bool, customer_ids: Collection[str]) -> str:
    if not text.lstrip().startswith(("{", "[")):
        return _rewrite_plain(text, clean, customer_ids)

    def string(found: re.Match[str]) -> str:
        if found["key"] is None:
            return _replaced(found[0], clean)
        name = _name(found["key"])
        if (email_fields and "email" in name) or (name == "customerid" and _decoded(found["value"]) in customer_ids):
            value = '""'
        else:
            value = _replaced(found["value"], clean)
        return _replaced(found["key"], clean) + found["colon"] + value

    return STRINGS.sub(string, text)


def _rewrite_plain(text: str, clean: Callable[[str], str], customer_ids: Collection[str]) -> str:
    for customer_id in customer_ids:
        field = rf"((?:^|&)customer_?id=){re.escape(quote(customer_id))}(?=&|$)"
        text = re.sub(field, r"\1", text, flags=re.IGNORECASE)
    return clean(text)


@functools.lru_cache(maxsize=128)
def _name(key: str) -> str:
    """Return a field's name as it is compared: customerEmail, customer_email and customer-EMail are one."""
    return re.sub(r"[^a-z]", "", _decoded(key).lower())


def _replaced(token: str, clean: Callable[[str], str]) -> str:
    before = _decoded(token)
    after = clean(before)
    return token if after == before else json.dumps(after)


def _decoded(token: str) -> str:
    if not token.startswith('"'):
        return token
    if "\\" not in token:
        return token[1:].removesuffix('"')
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token.strip('"')
