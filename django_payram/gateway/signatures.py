"""Whose webhook is it? The project is the one whose key fits.

A key proves that the sender knows it, no more: the same key travels in the header beside the signature, so what a
webhook says is confirmed by asking PayRam. Documented by PayRam under "Webhooks": header ``API-Key`` since 2025,
``X-Payram-Signature`` since 3.1.2.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from django_payram.conf.options import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.http import HttpRequest

    from django_payram.conf import Project

SIGNATURE = "X-Payram-Signature"
KEY = "API-Key"
PREFIX = "sha256="


class NotAuthenticated(Exception):
    """No key fits. The message says which header was missing or did not fit, never what was expected."""


def proofs(request: HttpRequest) -> dict[str, str]:
    """Return the headers by which a sender proves itself, unable to show themselves in an error report."""
    return {name: Secret(request.headers[name]) for name in (KEY, SIGNATURE) if name in request.headers}


def authenticate(
    projects: Iterable[Project], headers: Mapping[str, str], body: bytes, *, signable: bool = True
) -> Project:
    """Return the project whose key fits. Raises NotAuthenticated.

    If a signature header is present it alone decides. ``signable`` is False for a GET without a body: a signature
    covers nothing there, so that only the key counts.
    """
    signature = headers.get(SIGNATURE)
    if signature is not None and signable:
        return _matching(projects, lambda key: _signs(key, signature, body), SIGNATURE)
    key_header = headers.get(KEY, "")
    if not key_header.strip():
        raise NotAuthenticated(f"Neither the header {KEY} nor {SIGNATURE} arrived.")
    by_key = [project for project in projects if not project.require_signature]
    if not by_key:
        raise NotAuthenticated(f"The header {SIGNATURE} is required and did not arrive, or there was no body to sign.")
    return _matching(by_key, lambda key: _equals(key, key_header), KEY)


def signature(key: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of ``body``, as PayRam sends it after ``sha256=``."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def _matching(projects: Iterable[Project], fits: Callable[[str], bool], header: str) -> Project:
    """Try every key of every project, so that the time taken does not tell which one fits."""
    found = [project for project in projects for key in project.accepted_keys if fits(key)]
    if not found:
        raise NotAuthenticated(f"The header {header} fits no project.")
    return found[0]


def _signs(key: str, given: str, body: bytes) -> bool:
    return _equals(Secret(signature(key, body)), Secret(given.strip().lower().removeprefix(PREFIX)))


def _equals(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode("utf-8", "replace"))
