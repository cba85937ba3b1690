"""Test a shop's payments against a pretend PayRam: a real server on this machine, no mocks.

With pytest, the fixture ``payram`` is there as soon as django_payram is installed::

    @pytest.mark.django_db
    def test_the_order_is_paid(payram, order):
        payment = open_payment(order, amount=order.total, email=order.email)
        payram.pay(payment)
        order.refresh_from_db()
        assert order.status == "paid"

With unittest, use :func:`running_payram` as a context manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_payram.testing.payram import PretendPayram, running_payram

__all__ = ["PretendPayram", "running_payram"]


def __getattr__(name: str) -> object:
    """Import on demand: pytest loads the plugin of this package in every run, before Django and without need."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from django_payram.testing import payram  # noqa: PLC0415 - as said

    return getattr(payram, name)
