"""A payment of an order in a shop whose changes are recorded and whose queries are cached."""

from __future__ import annotations

import pytest

from django_payram.payments import open_payment
from tests.shop.models import Order


@pytest.fixture
def order(transactional_db):
    # cacheops neither keeps nor drops anything before a transaction ends, so each test commits.
    return Order.objects.create()


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)
