"""SQL statements of one request, as Django sends them: BEGIN, SAVEPOINT and COMMIT are statements as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class UnexpectedStatusError(Exception):
    """The request went wrong, so that its statements mean nothing."""


def counted_in(work: Callable[[], object]) -> int:
    """Return how many statements ``work`` needs."""
    from django.db import connection  # noqa: PLC0415 - Django is set up only now
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as context:
        work()
    return len(context)


def counted(method: str, path: str, *, user: Any = None, **options: Any) -> int:
    """Return how many statements one request of Django's test client needs. Raises UnexpectedStatusError."""
    from django.test import Client  # noqa: PLC0415 - Django is set up only now

    client = Client()
    if user is not None:
        client.force_login(user)
    if method == "post":
        options.setdefault("content_type", "application/json")
    answers = []
    count = counted_in(lambda: answers.append(getattr(client, method)(path, **options)))
    if answers[0].status_code != 200:
        raise UnexpectedStatusError(f"{path}: {answers[0].status_code} {answers[0].content[:300]!r}")
    return count
