"""Test a shop's payments against a pretend PayRam: a real server on this machine, no mocks.

With pytest, the fixture ``payram`` is there as soon as django_payram is installed::

    @pytest.mark.django_db
    def test_the_order_is_paid(payram, order):
        payment = open_payment(order, amount=order.total, email=order.email)
        payram.pay(payment)
        order.refresh_from_db()
        assert order.status == "paid"

With unittest, a test case is a :class:`PayramTestCase`, or has :class:`PayramMixin` before a class of Django's;
:func:`running_payram` is a context manager.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_payram.testing.calls import calls_only_to
    from django_payram.testing.cases import PayramMixin, PayramTestCase
    from django_payram.testing.payram import PretendPayram, running_payram

__all__ = ["PayramMixin", "PayramTestCase", "PretendPayram", "calls_only_to", "running_payram"]

MODULES = {
    "PayramMixin": "cases",
    "PayramTestCase": "cases",
    "PretendPayram": "payram",
    "calls_only_to": "calls",
    "running_payram": "payram",
}


def __getattr__(name: str) -> object:
    """Import on demand: pytest loads the plugin of this package in every run, before Django and without need."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
