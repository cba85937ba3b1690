"""What our views share: to stay out of the shop's transactions, and out of caches and frames."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.db import connections, transaction
from django.urls import reverse
from django.views.decorators.cache import never_cache

from django_payram.conf.addresses import APP, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

RETRY_AFTER_SECONDS = 10
"""When to try again while the database is busy or PayRam cannot be asked, as answers with 503 say it."""

View = TypeVar("View", bound="Callable[..., Any]")


def outside_transactions(view: View) -> View:
    """Return the view, out of ATOMIC_REQUESTS on every database: payments may be in any, and orders in another.

    A payment must be committed before PayRam is called, and no lock may be held while PayRam is.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def private(view: View) -> View:
    """Decorate ``view``: nobody stores its answers, frames them, or learns their address, which is a credential.

    Django's middleware says most of it as well, where a shop has it. What the view itself has set stays.
    """
    if iscoroutinefunction(view):

        @functools.wraps(view)
        async def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
            return _guarded(await view(*args, **kwargs))
    else:

        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
            return _guarded(view(*args, **kwargs))

    return cast("View", never_cache(guarded))


def _guarded(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS.upper())
    return response


def url_of(request: HttpRequest, view: str, *args: object) -> str:
    """Return the address of another view of ours, in the namespace in which the shop has included our URLs.

    A view of the shop's own, such as a checkout, is in none of our namespaces.
    """
    match = request.resolver_match
    if match is not None and APP in match.app_names:
        return reverse(f"{match.namespace}:{view}", args=args)
    return path_of(view, *args)
