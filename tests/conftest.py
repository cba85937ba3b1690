"""Fixtures of the suite."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from django_payram.signals import SIGNALS
from tests.shop.models import Order


@pytest.fixture
def order(db):
    return Order.objects.create()


class Listener:
    """Receivers of all four signals that remember what they were told."""

    def __init__(self):
        self.heard = []
        self.fail_on = set()

    def __call__(self, name):
        def receiver(sender, payment, **kwargs):
            if name in self.fail_on:
                raise RuntimeError(f"{name} is broken")
            kwargs.pop("signal")
            self.heard.append((name, payment, kwargs))

        return receiver

    @property
    def names(self):
        return [name for name, _payment, _extra in self.heard]


@contextmanager
def listening():
    listener = Listener()
    receivers = {name: listener(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name], weak=False)
    try:
        yield listener
    finally:
        for name, signal in SIGNALS.items():
            signal.disconnect(receivers[name])


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener
