"""A PostgreSQL that takes reads only for a while, as in a failover, is busy: everywhere, and with no key in a log."""

from __future__ import annotations

import socket
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client

from django_payram.models import Payment, PaymentQuote, Review, State, database
from django_payram.payments import open_payment
from django_payram.polling import worker
from django_payram.polling.rate_limit import StopSignal
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.shop.models import Order

pytestmark = [
    pytest.mark.concurrency,  # leaves SQLite out, which has no such mode
    pytest.mark.django_db(transaction=True),
]


def read_only(on):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET default_transaction_read_only = {'on' if on else 'off'}")
        else:
            cursor.execute(f"SET SESSION TRANSACTION {'READ ONLY' if on else 'READ WRITE'}")


@pytest.fixture
def standby(payram):
    order, payment = Order.objects.create(), PaymentFactory(reference="r" * 30)
    read_only(on=True)
    yield order, payment
    read_only(on=False)


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    "body", [b'{"reference_id": "unknown", "status": "FILLED"}', b'{"reference_id": "%s"}' % (b"r" * 30), b"{"]
)
def test_a_webhook_is_answered_503_and_comes_again(standby, client, body):
    """F74."""
    answer = client.post("/payram/webhook/", body, content_type="application/json", headers={"API-Key": TEST_KEY})
    assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (503, True)


@pytest.mark.parametrize("path", ["/orders/{}/pay/", "/api/orders/{}/pay/"])
def test_a_checkout_asks_to_try_again(standby, client, path):
    """F74."""
    order, _payment = standby
    assert client.post(path.format(order.pk)).status_code == 503


def test_a_status_page_shows_what_is_recorded(standby, client):
    """F74."""
    _order, payment = standby
    assert client.get(f"/payram/payments/{payment.token}/").status_code == 200


def test_a_status_page_that_is_paid_on_shows_what_is_recorded(payram, client):
    order = Order.objects.create()
    payment = open_payment(order, amount=order.total, email=order.email)
    pay = f"/payram/payments/{payment.token}/pay/"
    shown = client.post(pay, {"method": "USDC-BASE"}, follow=True).content.decode()
    PaymentQuote.objects.using(database()).update(asked_at=None)
    read_only(on=True)
    try:
        answer = client.get(f"/payram/payments/{payment.token}/")
    finally:
        read_only(on=False)
    assert answer.status_code == 200
    assert '<code id="payram-address-' in shown
    assert '<code id="payram-address-' in answer.content.decode()


@pytest.fixture
def gone(payram):
    """A payment whose database takes no connections: it is restarted, or its standby takes over."""
    payment = PaymentFactory(reference="r" * 30)
    closed = connections[database()]
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()
        closed.close()
        for name, value in {"HOST": "127.0.0.1", "PORT": str(port)}.items():
            patch.setitem(closed.settings_dict, name, value)
        yield payment
    closed.close()


@pytest.mark.parametrize("path", ["payments/{}/", "return/?invoice_id={}"])
def test_a_page_without_its_database_asks_to_try_again(gone, client, path):
    """F74."""
    answer = client.get(f"/payram/{path.format(gone.token)}")
    assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (503, True)
    assert "there is no need to pay again" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_status_as_json_without_its_database_is_503(gone, client):
    """F74."""
    answer = client.get(f"/payram/payments/{gone.token}/state/")
    assert (answer.status_code, answer.json()) == (503, {"message": "The shop is busy. Please try again."})


def test_a_resync_says_so_and_leaves_with_1(standby):
    """F74."""
    with pytest.raises(CommandError, match="The database cannot be used just now") as caught:
        call_command("payram_resync", stdout=StringIO())
    assert caught.value.returncode == 1


def test_watching_goes_on(standby, caplog, monkeypatch):
    """F74."""
    # A new connection would not be read-only.
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    stop = StopSignal()
    threading.Timer(0.5, stop.set).start()
    assert list(worker.watch(stop=stop)) == []
    assert "The database could not be reached" in caplog.text


def test_an_action_of_the_admin_says_so(admin_user, standby, client):
    """F74."""
    read_only(on=False)
    client.force_login(admin_user)
    payment = PaymentFactory(state=State.FILLED, review=Review.AMOUNT)
    read_only(on=True)
    page = client.post(
        f"/admin/django_payram/payment/{payment.pk}/accept/", {"reason": "fine", "confirm": "on"}, follow=True
    )
    assert "The database is busy" in page.content.decode()
    assert Payment.objects.get(pk=payment.pk).paid_at is None
