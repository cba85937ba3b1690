"""Payments that are due at the sandbox."""

from __future__ import annotations

import pytest

from tests.polling.helpers import open_due


@pytest.fixture
def payments(payram):
    payram.sandbox.webhooks = False
    return open_due(3)
