"""The pytest plugin: the fixture ``payram``. Imports nothing of ours until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.testing import PretendPayram


@pytest.fixture
def payram() -> Iterator[PretendPayram]:
    """Run a pretend PayRam for the test, as project ``default`` of the setting ``PAYRAM``."""
    from django_payram.testing import running_payram  # noqa: PLC0415 - Django is not set up when plugins load

    with running_payram() as running:
        yield running
