"""Where the shop has included our URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import get_resolver, get_urlconf, reverse

if TYPE_CHECKING:
    from django.urls import URLResolver

APP = "payram"


def path_of(view: str, *args: object) -> str:
    """Return the path of our view of that name, below whatever namespaces the shop has included it.

    Raises NoReverseMatch in a shop that has not.
    """
    return reverse(f"{_namespace(get_resolver(get_urlconf())) or APP}:{view}", args=args)


def _namespace(resolver: URLResolver) -> str | None:
    """Return the whole name of our namespace: Django finds a bare one among the outermost only."""
    if APP in resolver.app_dict:
        return APP
    for name, (_prefix, below) in resolver.namespace_dict.items():
        if (found := _namespace(below)) is not None:
            return f"{name}:{found}"
    return None
