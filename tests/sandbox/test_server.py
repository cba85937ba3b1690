"""The sandbox as a server, and what its methods refuse."""

from __future__ import annotations

from decimal import Decimal
from http.client import HTTPConnection

import pytest
import requests

from django_payram.sandbox import UnknownPayment
from tests.sandbox.helpers import Shop, make

# The server


def test_one_connection_serves_many_requests(open_shop):
    host, port = open_shop().sandbox.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=5)
    sockets = set()
    for _ in range(20):
        connection.request("GET", "/api/v1/health")
        assert connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert None not in sockets


def test_a_closed_sandbox_answers_nobody_not_even_on_an_open_connection():
    sandbox = make()
    with sandbox.serve():
        shop, url = Shop(sandbox), sandbox.url
        shop.ask("nobody")
    assert sandbox.url == ""
    with pytest.raises(requests.ConnectionError):
        shop.http.get(url, timeout=5)
    shop.http.close()


def test_a_taken_port_is_an_os_error(open_shop):
    port = int(open_shop().sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), make().serve(port=port):
        pass


def test_head_gets_the_headers_alone(open_shop):
    shop = open_shop()
    answer = shop.http.head(f"{shop.sandbox.url}/", timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")
    assert shop.get("/").status_code == 200


# What is refused


def test_a_blank_key_or_unknown_api_version_is_refused():
    with pytest.raises(ValueError, match="key"):
        make(api_key="  ")
    with pytest.raises(ValueError, match="2025-11"):
        make(api_version="1999")


@pytest.mark.parametrize(
    ("usd", "error"), [(1.5, TypeError), ("x", ValueError), (0, ValueError), (Decimal("NaN"), ValueError)]
)
def test_wrong_dollars_are_refused(open_shop, usd, error):
    shop = open_shop()
    reference = shop.create()
    with pytest.raises(error):
        shop.sandbox.pay(reference, usd)
    assert shop.sandbox.payment(reference).filled_usd == 0


@pytest.mark.parametrize("method", ["pay", "see", "confirm", "expire", "top_up", "payment", "redeliver"])
def test_every_method_refuses_an_unknown_reference(method):
    with pytest.raises(UnknownPayment):
        getattr(make(), method)("nobody")
