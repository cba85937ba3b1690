"""Whether a Content-Security-Policy lets a customer come from the shop to PayRam's page.

Chromium holds ``form-action`` against every redirect that follows a form: with ``'self'`` alone the pay button does
nothing. No page of ours needs anything else than ``default-src 'self'``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django_payram.conf.options import Project


def policies() -> Iterator[tuple[str, list[str]]]:
    """Yield each setting that limits where forms lead, with the sources it allows.

    Django's own (6.0 and later), and those of django-csp 4 and 3.
    """
    for name, directives in (
        ("SECURE_CSP", getattr(settings, "SECURE_CSP", None)),
        ("CONTENT_SECURITY_POLICY", _directives(getattr(settings, "CONTENT_SECURITY_POLICY", None))),
        ("CSP_FORM_ACTION", {"form-action": getattr(settings, "CSP_FORM_ACTION", None)}),
    ):
        sources = directives.get("form-action") if isinstance(directives, dict) else None
        if sources:
            yield name, [str(source) for source in ([sources] if isinstance(sources, str) else sources)]


def sources_of(header: str) -> list[str] | None:
    """Return the sources of ``form-action`` in a header, None when it does not limit forms."""
    # A comma ends a policy: two headers arrive as one.
    for directive in re.split("[;,]", header):
        name, *sources = directive.split()[:200] or [""]
        if name.lower() == "form-action":
            return sources
    return None


def missing_host(project: Project, sources: Collection[str]) -> str:
    """Return the source that a policy has to allow for a project's pages, ``""`` when all of them are."""
    hosts = (project.base_url, *(f"https://{host}" for host in project.checkout_hosts))
    return next((_origin(url) for url in hosts if not any(_allows(source, url) for source in sources)), "")


def _directives(setting: Any) -> Any:
    return setting.get("DIRECTIVES") if isinstance(setting, dict) else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _allows(source: str, url: str) -> bool:
    """Return whether a source matches the host of an address, as browsers read it. Its path is not looked at."""
    source, wanted = source.lower(), urlsplit(url)
    if source == "*":
        return True
    if source.endswith(":"):
        return source[:-1] == wanted.scheme or (source, wanted.scheme) == ("http:", "https")
    try:
        allowed = urlsplit(source if "://" in source else f"{wanted.scheme}://{source}")
    except ValueError:
        # Browsers ignore what is no address.
        return False
    host, name = allowed.hostname or "", wanted.hostname or ""
    is_host = name.endswith(host[1:]) if host.startswith("*.") else name == host
    is_scheme = allowed.scheme == wanted.scheme or (allowed.scheme, wanted.scheme) == ("http", "https")
    _host, colon, port = allowed.netloc.rpartition(":")
    usual = {"https": "443", "http": "80"}[wanted.scheme]
    is_port = port == "*" or (port if colon else usual) == str(wanted.port or usual)
    return is_host and is_scheme and is_port
