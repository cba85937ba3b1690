"""The pytest plugin: the fixture ``payram``, and calls that stay on this machine. Imports no Django by itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from django_payram.testing.calls import calls_only_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from django_payram.testing import PretendPayram


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``payram_hosts``."""
    words = "hosts beside this machine at which tests may call PayRam; * for all"
    parser.addini("payram_hosts", words, type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Refuse calls to a PayRam elsewhere during the whole run: a variable is set, nothing is done for each test."""
    kept = ExitStack()
    kept.enter_context(calls_only_to(*config.getini("payram_hosts")))
    config.add_cleanup(kept.close)


@pytest.fixture
def payram(settings: Any) -> Iterator[PretendPayram]:
    """Run a pretend PayRam for the test, as project ``default`` of the setting ``PAYRAM``.

    The setting is changed through pytest-django's own fixture, so that a test may change it further.
    """
    from django_payram.testing.payram import serving  # noqa: PLC0415 - Django is not set up when plugins load

    with serving() as running:
        settings.PAYRAM = running.setting()
        yield running
