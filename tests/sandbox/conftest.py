"""Sandboxes that listen, each with a shop that talks to it."""

from __future__ import annotations

import pytest

from tests.sandbox.helpers import Shop, make


@pytest.fixture
def open_shop():
    """Sandboxes on real sockets, closed at the end."""
    opened = []

    def start(**options):
        serving = make(**options).serve()
        shop = Shop(serving.__enter__())
        opened.append((shop, serving))
        return shop

    yield start
    for shop, serving in opened:
        shop.http.close()
        serving.__exit__(None, None, None)
