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

from django_payram.testing.payram import PretendPayram, running_payram

__all__ = ["PretendPayram", "running_payram"]
