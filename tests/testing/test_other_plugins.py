"""The test kit beside what else shops use in their tests."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import freezegun
import pytest
import time_machine

from django_payram.models.states import Review, Status
from django_payram.payments import open_payment, refresh

ROOT = Path(__file__).parents[2]
NOON = datetime(2030, 5, 17, 12, tzinfo=timezone.utc)


@pytest.mark.not_in("naive", reason="times are compared with one that has a zone")
@pytest.mark.django_db
@pytest.mark.parametrize("stop", [partial(time_machine.travel, tick=False), freezegun.freeze_time])
def test_time_stands_still(payram, stop):
    with stop(NOON):
        payment = open_payment(amount=20, email="a@example.org")
        payram.see(payment)
        assert payram.confirm(payment, 3).is_paid
        assert payment.paid_at == NOON
        assert payram.repeat(payment).is_paid


@pytest.mark.django_db
@pytest.mark.parametrize("frozen", [True, False])
def test_time_flies_and_the_link_expires(payram, frozen):
    with time_machine.travel(NOON, tick=not frozen) as traveller:
        payment = open_payment(amount=20, email="a@example.org")
        traveller.shift(timedelta(days=2))
        assert refresh(payment).status == Status.EXPIRED
        assert payram.pay_late(payment).review == Review.LATE
        assert open_payment(amount=5, email="a@example.org").status == Status.WAITING


@pytest.mark.django_db
def test_sockets_lead_to_this_machine_only(payram, monkeypatch):
    """So does ``allow_hosts`` of pytest-socket: it looks at the address in ``connect``."""
    connect, asked = socket.socket.connect, []

    def guarded(self, address):
        asked.append(address[0])
        assert address[0] == "127.0.0.1"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    assert payram.pay(open_payment(amount=20, email="a@example.org")).is_paid
    assert asked


@pytest.mark.once
def test_many_processes_and_any_order(pytester, monkeypatch):
    """Each test has a server of its own, on a port that is free."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # The database of the tests around this one is in use, and what surrounds them says nothing here.
    for name in ("DATABASE_URL", "SURROUNDINGS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    pytester.makepyfile(
        """
        import pytest
        from django_payram.models import Payment
        from django_payram.payments import open_payment

        @pytest.mark.django_db
        @pytest.mark.parametrize("number", range(4))
        def test_it(payram, number):
            assert payram.sandbox.payments() == []
            assert payram.pay(open_payment(amount=20, email="a@example.org")).is_paid
            assert Payment.objects.count() == 1
        """
    )
    result = pytester.runpytest_subprocess(
        "--ds=tests.settings", "--no-migrations", "-p", "no:cacheprovider", "-n", "2"
    )
    result.assert_outcomes(passed=4)
