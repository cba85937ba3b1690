"""PayRam's calls: what is sent, what is read, and what an answer proves."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import override_settings
from django.utils import timezone

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.gateway.client import client_for
from django_payram.models.states import State
from django_payram.sandbox import API_VERSIONS, Sandbox
from tests.gateway.helpers import KEY, ORDER, REFERENCE, answered, fails
from tests.samples import sample
from tests.servers import header, http, raw_server

# Good calls


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_a_payment_is_made_and_asked_about_in_every_api_version(connect, api_version):
    with Sandbox(api_key=KEY, api_version=api_version).serve() as server:
        client = connect(server.url)
        made = client.create(**ORDER)
        server.pay(made.reference)
        update = client.fetch(made.reference, customer_id="order-1042")
        booked = server.payment(made.reference)
    assert made.url.startswith(server.url or "http://127.0.0.1:")
    assert (booked.customer_email, booked.customer_id) == ("buyer@example.org", "order-1042")
    assert (booked.amount_usd, booked.invoice_id) == (Decimal("49.99"), "INV-1042")
    assert update.state == State.FILLED
    assert update.filled_usd == Decimal("49.99")


def test_an_answer_says_when_it_was_asked_for(connect, sandbox):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    before = timezone.now()
    asked_at = client.fetch(reference).asked_at
    assert before <= asked_at <= timezone.now()


def test_the_calls_go_where_payram_documents_them(connect, sandbox):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    client.fetch(reference)
    assert [(call.method, call.path, call.status) for call in sandbox.calls] == [
        ("POST", "/api/v1/payment", 200),
        ("GET", f"/api/v1/payment/reference/{reference}", 200),
    ]


def test_the_calls_carry_the_first_key_and_the_base_path(connect):
    with raw_server(answered()) as server:
        client = connect(f"{server.url}/payram/", API_KEY=[KEY, "f" * 32], WEBHOOK_KEYS=["e" * 32])
        client.fetch(REFERENCE)
        fails(client.create, **ORDER)
    get, post = server.requests
    assert get.startswith(f"GET /payram/api/v1/payment/reference/{REFERENCE} HTTP/1.1\r\n".encode())
    assert post.startswith(b"POST /payram/api/v1/payment HTTP/1.1\r\n")
    assert [header(request, "api-key") for request in (get, post)] == [KEY, KEY]
    assert json.loads(post.partition(b"\r\n\r\n")[2]) == {
        "customerEmail": "buyer@example.org",
        "customerId": "order-1042",
        "amountInUSD": 49.99,
        "invoiceID": "INV-1042",
    }


def test_connections_are_kept_until_the_client_is_closed(connect):
    def talk(connection):
        connection.send(answered())
        return True

    with raw_server(talk) as server:
        client = connect(server.url)
        for _ in range(3):
            client.fetch(REFERENCE)
        assert server.connections == 1
        client.close()
        client.fetch(REFERENCE)
        assert server.connections == 2


def test_an_answer_that_names_neither_reference_nor_customer_is_believed(connect):
    with raw_server(http(body=sample("status/s2-filled"))) as server:
        update = connect(server.url).fetch(REFERENCE, customer_id="order-1042")
    assert (update.state, update.reference, update.customer_id) == (State.FILLED, None, None)


def paths(server):
    return [request.split(b" ", 2)[1].decode() for request in server.requests]


def test_the_second_route_is_asked_where_the_first_is_not_there(connect):
    def talk(connection):
        second = b"/payment/ref/" in connection.request
        connection.send(http(body=sample("status/s2-filled")) if second else http(404, {"message": "Not found"}))

    with raw_server(talk) as server:
        assert connect(server.url).fetch("px_7f3a9c").state == State.FILLED
    assert paths(server) == ["/api/v1/payment/reference/px_7f3a9c", "/api/v1/payment/ref/px_7f3a9c"]


def test_a_reference_that_neither_route_knows_is_refused(connect):
    with raw_server(http(404, {"message": "Not found"})) as server:
        error = fails(connect(server.url).fetch, REFERENCE)
    assert isinstance(error, PayramRefused)
    assert error.status == 404
    assert paths(server) == [f"/api/v1/payment/reference/{REFERENCE}", f"/api/v1/payment/ref/{REFERENCE}"]


def test_both_routes_share_one_deadline(connect):
    def talk(connection):
        server.closing.wait(2.4 if b"/payment/ref/" in connection.request else 1.6)
        connection.send(http(404, {"message": "Not found"}))

    with raw_server(talk) as server:
        error = fails(connect(server.url, DEADLINE=3).fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable), "each route answers within the deadline, the two together do not"
    assert paths(server)[1] == f"/api/v1/payment/ref/{REFERENCE}"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 422, 429, 500])
def test_any_other_answer_of_the_first_route_stands(connect, status):
    with raw_server(http(status, sample("errors/400-flat"))) as server:
        fails(connect(server.url).fetch, REFERENCE)
    assert paths(server) == [f"/api/v1/payment/reference/{REFERENCE}"]


def test_a_customer_who_is_not_asked_for_may_be_anyone(connect):
    with raw_server(answered(customerID="somebody")) as server:
        assert connect(server.url).fetch(REFERENCE).customer_id == "somebody"


@pytest.mark.parametrize("body", [b" \n\t{}", b'{"reference_id": "<"}'])
def test_only_a_body_that_begins_like_a_page_is_taken_for_one(connect, body):
    with raw_server(http(body=body)) as server:
        assert isinstance(fails(connect(server.url).fetch, REFERENCE), PayramDataError)


# Repeating


def test_a_fetch_survives_a_gateway_that_fails_twice(connect, sandbox):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.inject_fault(None, "gateway", times=2)
    assert client.fetch(reference).state == State.OPEN
    assert [call.status for call in sandbox.calls] == [200, 502, 502, 200]


def test_a_fetch_gives_up_after_three_times(connect, sandbox):
    """F19."""
    sandbox.inject_fault(None, "gateway")
    error = fails(connect(sandbox.url).fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable)
    assert error.status == 502
    assert len(sandbox.calls) == 3


def test_a_create_is_never_repeated(connect, sandbox):
    """F20: the payment behind the failing gateway was made."""
    sandbox.inject_fault(None, "gateway", times=1)
    fails(connect(sandbox.url).create, **ORDER)
    assert len(sandbox.calls) == 1
    assert len(sandbox.payments()) == 1


# Answers about another payment


def test_an_answer_about_another_reference_is_refused(connect, sandbox):
    """F51."""
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.inject_fault(None, "wrong_reference")
    error = fails(client.fetch, reference)
    assert isinstance(error, PayramDataError)
    assert str(error) == f"PayRam was asked about {reference} and answered about another payment."


def test_an_answer_about_another_customer_is_refused(connect, sandbox):
    """F51."""
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.inject_fault(None, "wrong_customer")
    error = fails(client.fetch, reference, customer_id="order-1042")
    assert isinstance(error, PayramDataError)
    assert str(error) == f"PayRam's answer about {reference} names another customer id."
    assert client.fetch(reference).customer_id == "somebody-else"


@pytest.fixture
def _no_clients():
    client_for.cache_clear()
    yield
    client_for.cache_clear()


# The process's clients


@pytest.mark.usefixtures("_no_clients")
def test_a_project_has_one_client_until_its_settings_change():
    first = client_for(conf.project())
    assert first.project == conf.project()
    assert client_for(conf.project()) is first
    with override_settings(PAYRAM={"default": {"BASE_URL": "https://pay.example.org", "API_KEY": KEY}}):
        assert client_for(conf.project()) is not first
        assert client_for(conf.project()).project.host == "pay.example.org"
    assert client_for(conf.project()) is first


@pytest.mark.usefixtures("_no_clients")
def test_32_projects_have_their_clients_at_once():
    assert client_for.cache_parameters()["maxsize"] == 32
    options = {"API_KEY": KEY}
    with override_settings(PAYRAM={f"p{n}": {"BASE_URL": f"https://p{n}.example", **options} for n in range(32)}):
        clients = [client_for(project) for project in conf.projects()]
        assert [client_for(project) for project in conf.projects()] == clients


FORK = """
    import os
    import django
    django.setup()
    from django_payram import conf
    from django_payram.gateway.client import client_for
    client = client_for(conf.project())
    child = os.fork()
    if not child:
        os._exit(7 if client_for(conf.project()) is not client else 1)
    _, status = os.waitpid(child, 0)
    assert client_for(conf.project()) is client
    raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_forked_worker_does_not_share_its_parents_sockets():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=30,
    )
    assert done.returncode == 7
