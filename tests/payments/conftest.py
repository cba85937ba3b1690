"""What the tests of webhooks share: a payment at the sandbox, and webhooks about it."""

from __future__ import annotations

import pytest

from django_payram.payments import open_payment


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)
