"""What browsers and caches are told about an answer that is for one visitor alone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.views.decorators.cache import never_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http.response import HttpResponseBase


def private(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate ``view``: nobody stores its answers, frames them, or learns their address, which is a credential.

    Django's middleware says most of it as well, where a shop has it. What the view itself has set stays.
    """

    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(*args, **kwargs)
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS.upper())
        return response

    return never_cache(guarded)
