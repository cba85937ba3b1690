"""The pytest plugin: the fixture ``payram``. Imports nothing of ours until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from django_payram.testing import PretendPayram


@pytest.fixture
def payram(settings: Any) -> Iterator[PretendPayram]:
    """Run a pretend PayRam for the test, as project ``default`` of the setting ``PAYRAM``.

    The setting is changed through pytest-django's own fixture, so that a test may change it further.
    """
    from django_payram.testing.payram import serving  # noqa: PLC0415 - Django is not set up when plugins load

    with serving() as running:
        settings.PAYRAM = running.setting()
        yield running
