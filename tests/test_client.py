"""The two calls to PayRam over real sockets, and what each failure means."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import textwrap
import time
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.views.debug import ExceptionReporter

from django_payram import conf
from django_payram.client import Client, client_for
from django_payram.exceptions import PayramDataError, PayramError, PayramRefused, PayramUnavailable
from django_payram.sandbox import VINTAGES, Sandbox
from django_payram.states import State
from django_payram.wire import Created
from tests.samples import sample
from tests.servers import closed_port, header, http, raw_server

KEY = "00112233445566778899aabbccddeeff"
REFERENCE = "6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11"
ORDER = {
    "customer_email": "buyer@example.org",
    "customer_id": "order-1042",
    "amount_usd": Decimal("49.99"),
    "invoice_id": "INV-1042",
}


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def connect(settings):
    """Clients of a server at a URL, closed at the end."""
    made = []

    def make(url, **options):
        given = {"BASE_URL": url, "API_KEY": KEY, "TIMEOUT": (2, 2), "DEADLINE": 5, "ALLOW_HTTP": True, **options}
        settings.PAYRAM = {"default": given}
        client = Client(conf.project())
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def sandbox():
    with Sandbox(api_key=KEY).serve() as serving:
        yield serving


@pytest.fixture
def _named_hosts(monkeypatch):
    """Every host name is this machine."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *args, **kwargs: real("127.0.0.1", *args, **kwargs))


def fails(call, *args, **kwargs):
    with pytest.raises(PayramError) as caught:
        call(*args, **kwargs)
    return caught.value


def created(url, reference=REFERENCE):
    return http(body={"reference_id": reference, "url": url})


def told(**given):
    return http(body={"referenceID": REFERENCE, "customerID": "order-1042", "paymentState": "OPEN", **given})


# --- good calls ----------------------------------------------------------------------------


@pytest.mark.parametrize("vintage", VINTAGES)
def test_a_payment_is_made_and_asked_about_in_every_vintage(connect, vintage):
    with Sandbox(api_key=KEY, vintage=vintage).serve() as server:
        client = connect(server.url)
        made = client.create(**ORDER)
        server.pay(made.reference)
        report = client.fetch(made.reference, customer_id="order-1042")
        booked = server.payment(made.reference)
    assert made.url.startswith(server.url or "http://127.0.0.1:")
    assert (booked.customer_email, booked.customer_id) == ("buyer@example.org", "order-1042")
    assert (booked.amount_usd, booked.invoice_id) == (Decimal("49.99"), "INV-1042")
    assert report.state == State.FILLED
    assert report.filled_usd == Decimal("49.99")


def test_the_calls_go_where_payram_documents_them(connect, sandbox):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    client.fetch(reference)
    assert [(call.method, call.path, call.status) for call in sandbox.calls] == [
        ("POST", "/api/v1/payment", 200),
        ("GET", f"/api/v1/payment/reference/{reference}", 200),
    ]


def test_the_calls_carry_the_first_key_and_the_base_path(connect):
    with raw_server(told()) as server:
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
        connection.send(told())
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
        report = connect(server.url).fetch(REFERENCE, customer_id="order-1042")
    assert (report.state, report.reference, report.customer_id) == (State.FILLED, None, None)


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
        server.closing.wait(0.6)
        connection.send(http(404, {"message": "Not found"}))

    with raw_server(talk) as server:
        error = fails(connect(server.url, DEADLINE=1.1).fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable), "each route answers within the deadline, the two together do not"
    assert paths(server)[1] == f"/api/v1/payment/ref/{REFERENCE}"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 422, 429, 500])
def test_any_other_answer_of_the_first_route_stands(connect, status):
    with raw_server(http(status, sample("errors/400-flat"))) as server:
        fails(connect(server.url).fetch, REFERENCE)
    assert paths(server) == [f"/api/v1/payment/reference/{REFERENCE}"]


def test_a_customer_who_is_not_asked_for_may_be_anyone(connect):
    with raw_server(told(customerID="somebody")) as server:
        assert connect(server.url).fetch(REFERENCE).customer_id == "somebody"


@pytest.mark.parametrize("body", [b" \n\t{}", b'{"reference_id": "<"}'])
def test_only_a_body_that_begins_like_a_page_is_taken_for_one(connect, body):
    with raw_server(http(body=body)) as server:
        assert isinstance(fails(connect(server.url).fetch, REFERENCE), PayramDataError)


# --- no answer -----------------------------------------------------------------------------


def test_a_refused_connection_is_definite(connect):
    url = closed_port()
    error = fails(connect(url).create, **ORDER)
    assert isinstance(error, PayramUnavailable)
    assert (error.definite, error.status, error.code, error.retry_after) == (True, None, "", None)
    assert str(error) == "PayRam at 127.0.0.1 could not be asked. The connection failed or broke off."


def test_a_name_that_does_not_exist_is_definite(connect, monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = fails(connect("https://pay.example.org").create, **ORDER)
    assert isinstance(error, PayramUnavailable)
    assert error.definite
    assert str(error) == "PayRam at pay.example.org could not be asked. The connection failed or broke off."


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_silence_is_not_definite(connect, call):
    with raw_server(lambda _: server.closing.wait(5)) as server:
        client = connect(server.url, TIMEOUT=(2, 0.2), DEADLINE=20)
        began = time.monotonic()
        error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, REFERENCE)
        assert time.monotonic() - began < 4, "silence is cut by the time-out for reading, not by the deadline"
        assert len(server.requests) == {"create": 1, "fetch": 3}[call]
    assert isinstance(error, PayramUnavailable)
    assert (error.definite, error.status) == (False, None)
    assert str(error) == "PayRam at 127.0.0.1 could not be asked. The answer timed out."


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body"])
@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_dripping_server_ends_with_the_deadline(connect, sandbox, kind, call):
    """F19."""
    reference = connect(sandbox.url).create(**ORDER).reference
    client = connect(sandbox.url, TIMEOUT=(5, 5), DEADLINE=0.4)
    sandbox.misbehave(None, kind)
    started = time.monotonic()
    error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, reference)
    assert 0.4 <= time.monotonic() - started < 2
    assert isinstance(error, PayramUnavailable)
    assert not error.definite


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_body_that_breaks_off_is_not_definite(connect, sandbox, call):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.misbehave(None, "cut_body")
    error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, reference)
    assert isinstance(error, PayramUnavailable)
    assert not error.definite
    assert str(error) == "PayRam at 127.0.0.1 could not be asked. The answer broke off in the middle."


def test_a_body_over_the_limit_is_not_payrams(connect, sandbox):
    """F19."""
    client = connect(sandbox.url)
    sandbox.misbehave(None, "huge_body")
    error = fails(client.create, **ORDER)
    assert isinstance(error, PayramDataError)
    assert str(error) == "PayRam's answer is not one of its own. The answer is larger than 1048576 bytes."


# --- answers that are none -------------------------------------------------------------------


def test_a_redirect_is_not_followed_and_the_key_stays_here(connect):
    """F56: the key can create payouts."""
    with raw_server(told()) as target:
        elsewhere = target.url.replace("127.0.0.1", "localhost")
        with raw_server(http(302, Location=f"{elsewhere}/api")) as server:
            client = connect(server.url)
            for error in (fails(client.create, **ORDER), fails(client.fetch, REFERENCE)):
                assert isinstance(error, PayramUnavailable)
                assert (error.status, error.definite) == (302, False)
                assert str(error) == (
                    "127.0.0.1 redirects to localhost; redirects are not followed, because the key would go along. "
                    "Correct BASE_URL of project 'default'."
                )
        assert target.connections == 0


def test_a_redirect_to_another_name_of_the_sandbox_never_arrives(connect, sandbox):
    client = connect(sandbox.url)
    sandbox.misbehave(None, "redirect")
    fails(client.create, **ORDER)
    assert [call.status for call in sandbox.calls] == [302]


@pytest.mark.parametrize("status", [300, 301, 304, 308, 399])
@pytest.mark.parametrize("target", [{}, {"Location": "/login"}, {"Location": "http://["}, {"Location": ""}])
def test_a_redirect_without_a_host_names_our_own(connect, status, target):
    with raw_server(http(status, **target)) as server:
        error = fails(connect(server.url).create, **ORDER)
    assert isinstance(error, PayramUnavailable)
    assert error.status == status
    assert str(error).startswith("127.0.0.1 redirects to 127.0.0.1; ")


def test_the_host_that_a_redirect_names_is_quoted_in_short(connect):
    with raw_server(http(302, b"", Location=f"https://{'a' * 300}/")) as server:
        error = fails(connect(server.url).fetch, REFERENCE)
    assert str(error).startswith(f"127.0.0.1 redirects to {'a' * 253}; redirects are not followed")


def test_a_status_just_below_the_redirects_is_read(connect):
    with raw_server(http(299, told().partition(b"\r\n\r\n")[2])) as server:
        assert connect(server.url).fetch(REFERENCE).state == State.OPEN


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_web_page_means_a_wrong_base_url(connect, sandbox, call):
    """F19."""
    client = connect(sandbox.url)
    sandbox.misbehave(None, "html")
    error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable)
    assert (error.status, error.definite) == (200, False)
    assert str(error) == (
        "127.0.0.1 answered with a web page instead of JSON. "
        "BASE_URL of project 'default' probably points at PayRam's front end, not at its API."
    )


def test_a_web_page_after_white_space_is_one_as_well(connect):
    with raw_server(http(body=b"\n \t<html>")) as server:
        assert "instead of JSON" in str(fails(connect(server.url).create, **ORDER))


@pytest.mark.parametrize("body", [b"", b"Welcome to Payram Core", b'{"reference_id": ', b"[]", b"{}"])
@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_good_status_without_payrams_json_is_a_data_error(connect, body, call):
    with raw_server(http(body=body)) as server:
        client = connect(server.url)
        error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, REFERENCE)
    assert isinstance(error, PayramDataError)


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_carries_payrams_words(connect, status):
    with raw_server(http(status, {"error": {"code": "NO", "message": "Not so."}})) as server:
        client = connect(server.url)
        for error in (fails(client.create, **ORDER), fails(client.fetch, REFERENCE)):
            assert isinstance(error, PayramRefused)
            assert (error.status, error.code) == (status, "NO")
            assert str(error) == f"PayRam at 127.0.0.1 refused the call with status {status}: Not so."
        assert len(server.requests) == (3 if status == 404 else 2)


@pytest.mark.parametrize(
    ("status", "definite"),
    [
        (402, True),
        (405, True),
        (409, True),
        (410, True),
        (413, True),
        (418, True),
        (429, True),
        (499, True),
        (500, False),
        (501, False),
        (502, False),
        (503, False),
        (504, False),
        (520, False),
        (599, False),
    ],
)
def test_every_other_error_may_pass_and_only_a_server_error_leaves_doubt(connect, status, definite):
    with raw_server(http(status, {"code": 7, "message": "Later."})) as server:
        error = fails(connect(server.url).create, **ORDER)
        assert len(server.requests) == 1
    assert isinstance(error, PayramUnavailable)
    assert (error.status, error.code, error.definite, error.retry_after) == (status, "7", definite, None)
    assert str(error) == f"PayRam at 127.0.0.1 refused the call with status {status}: Later."


@pytest.mark.parametrize(
    ("kind", "error", "status", "code"),
    [
        ("unauthorized", PayramRefused, 401, "UNAUTHORIZED"),
        ("conflict", PayramUnavailable, 409, "CONFLICT"),
        ("throttled", PayramUnavailable, 429, "RATE_LIMITED"),
        ("broken", PayramUnavailable, 500, ""),
        ("gateway", PayramUnavailable, 502, ""),
        ("code5", PayramUnavailable, 200, "5"),
    ],
)
def test_what_the_sandbox_refuses_is_told_apart(connect, sandbox, kind, error, status, code):
    sandbox.misbehave(None, kind)
    caught = fails(connect(sandbox.url).create, **ORDER)
    assert type(caught) is error
    assert (caught.status, caught.code) == (status, code)


def test_a_wrong_key_is_refused(connect, sandbox):
    error = fails(connect(sandbox.url, API_KEY="f" * 32).create, **ORDER)
    assert isinstance(error, PayramRefused)
    assert error.status == 401


@pytest.mark.parametrize("name", ["errors/400-nested", "errors/400-flat", "errors/401-nested", "errors/404-message"])
def test_every_envelope_of_a_refusal_is_read(connect, name):
    status = int(name[7:10])
    with raw_server(http(status, sample(name))) as server:
        error = fails(connect(server.url).create, **ORDER)
    assert isinstance(error, PayramRefused)
    assert "no reason given" not in str(error)


@pytest.mark.parametrize("body", [b"", b"plain text", {}])
@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal_without_words_says_so(connect, status, body):
    with raw_server(http(status, body)) as server:
        error = fails(connect(server.url).create, **ORDER)
    assert isinstance(error, PayramRefused)
    assert error.code == ""
    assert str(error).endswith(f"refused the call with status {status}: no reason given")


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_an_error_inside_a_200_is_definite(connect, call):
    """F19: read the body, not the status."""
    with raw_server(http(body=sample("errors/200-code5"), Retry_After="7")) as server:
        client = connect(server.url)
        error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable)
    assert (error.status, error.code, error.definite) == (200, "5", True)
    assert "status 200: Error occurred while creating the payment request." in str(error)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("999999999", 999999999),
        ("9999999999", None),
        ("9" * 5000, None),
        ("-5", None),
        ("1.5", None),
        ("\xb2", None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_the_wait_that_payram_asks_for_is_read_in_seconds(connect, written, seconds):
    with raw_server(http(429, Retry_After=written)) as server:
        assert fails(connect(server.url).create, **ORDER).retry_after == seconds


def test_the_sandboxs_wait_is_seven_seconds(connect, sandbox):
    sandbox.misbehave(None, "throttled")
    assert fails(connect(sandbox.url).fetch, REFERENCE).retry_after == 7


# --- repeating -------------------------------------------------------------------------------


def test_a_fetch_survives_a_gateway_that_fails_twice(connect, sandbox):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.misbehave(None, "gateway", times=2)
    assert client.fetch(reference).state == State.OPEN
    assert [call.status for call in sandbox.calls] == [200, 502, 502, 200]


def test_a_fetch_gives_up_after_three_times(connect, sandbox):
    """F19."""
    sandbox.misbehave(None, "gateway")
    error = fails(connect(sandbox.url).fetch, REFERENCE)
    assert isinstance(error, PayramUnavailable)
    assert error.status == 502
    assert len(sandbox.calls) == 3


def test_a_create_is_never_repeated(connect, sandbox):
    """F20: the payment behind the failing gateway was made."""
    sandbox.misbehave(None, "gateway", times=1)
    fails(connect(sandbox.url).create, **ORDER)
    assert len(sandbox.calls) == 1
    assert len(sandbox.payments()) == 1


# --- answers about another payment -------------------------------------------------------------


def test_an_answer_about_another_reference_is_refused(connect, sandbox):
    """F51."""
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.misbehave(None, "wrong_reference")
    error = fails(client.fetch, reference)
    assert isinstance(error, PayramDataError)
    assert str(error) == f"PayRam was asked about {reference} and answered about another payment."


def test_an_answer_about_another_customer_is_refused(connect, sandbox):
    """F51."""
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.misbehave(None, "wrong_customer")
    error = fails(client.fetch, reference, customer_id="order-1042")
    assert isinstance(error, PayramDataError)
    assert str(error) == f"PayRam's answer about {reference} names another customer id."
    assert client.fetch(reference).customer_id == "somebody-else"


# --- where the customer is sent ------------------------------------------------------------------


def test_a_page_on_a_foreign_host_is_refused(connect, sandbox):
    """F54: customers are sent there with money."""
    sandbox.misbehave(None, "foreign_url")
    error = fails(connect(sandbox.url).create, **ORDER)
    assert isinstance(error, PayramDataError)
    assert error.reference == sandbox.payments()[0].reference
    assert str(error) == (
        "PayRam's payment page is on checkout.elsewhere.example, not on 127.0.0.1. If that is right, add the host to "
        "CHECKOUT_HOSTS of project 'default'; if it is localhost, set the Site URL in PayRam."
    )


def test_a_page_on_localhost_is_good_for_a_local_payram(connect, sandbox):
    sandbox.misbehave(None, "localhost_url")
    assert connect(sandbox.url).create(**ORDER).url.startswith("http://localhost/")


def page(connect, url, **options):
    """Create a payment at ``pay.example.org`` whose page is at ``url``."""
    with raw_server(created(url)) as server:
        return connect(f"http://pay.example.org:{server.port}", **options).create(**ORDER)


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example.org/payments",
        "http://pay.example.org/payments",
        "https://pay.example.org:8443/payments",
        "https://PAY.example.org/payments",
        "https://checkout.example.org/sess/1",
        "https://Checkout.Example.org/sess/1",
    ],
)
def test_a_page_on_payrams_host_or_a_listed_one_is_good(connect, url):
    assert page(connect, url, CHECKOUT_HOSTS=["Checkout.example.org"]) == Created(REFERENCE, url)


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://checkout.example.org/sess/1", "checkout.example.org"),
        ("https://pay.example.org.evil.example/", "pay.example.org.evil.example"),
        ("https://pay.example.org@evil.example/", "evil.example"),
        ("https://sub.pay.example.org/", "sub.pay.example.org"),
        ("javascript://pay.example.org/%0aalert(1)", "pay.example.org"),
        ("ftp://pay.example.org/", "pay.example.org"),
        ("//pay.example.org/", "pay.example.org"),
        ("/payments?reference_id=1", "no host"),
        ("https:pay.example.org", "no host"),
    ],
)
def test_any_other_page_is_refused(connect, url, place):
    error = fails(page, connect, url)
    assert isinstance(error, PayramDataError)
    assert error.reference == REFERENCE
    assert str(error).startswith(f"PayRam's payment page is on {place}, not on pay.example.org. ")


@pytest.mark.usefixtures("_named_hosts")
def test_a_page_without_a_readable_address_is_refused(connect):
    error = fails(page, connect, "https://[pay.example.org/")
    assert isinstance(error, PayramDataError)
    assert error.reference == REFERENCE
    assert str(error) == "PayRam's payment page has no address."


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize("url", ["http://localhost/payments", "http://127.0.0.1:8080/p", "http://[::1]/payments"])
def test_a_local_page_of_a_distant_payram_is_good_in_debug_only(connect, settings, url):
    settings.DEBUG = False
    error = fails(page, connect, url)
    assert isinstance(error, PayramDataError)
    assert "set the Site URL in PayRam" in str(error)
    settings.DEBUG = True
    assert page(connect, url).url == url


@pytest.mark.usefixtures("_named_hosts")
def test_debug_takes_no_host_away(connect, settings):
    settings.DEBUG = True
    assert page(connect, "https://pay.example.org/payments").url == "https://pay.example.org/payments"


# --- keys ------------------------------------------------------------------------------------


def test_the_repr_names_the_project_and_no_key(connect):
    client = connect("https://pay.example.org/")
    assert repr(client) == "<Client of PayRam project 'default' at https://pay.example.org>"
    assert KEY not in repr(client) + repr(client.project)


def test_a_key_that_comes_back_is_taken_out_of_message_and_code(connect):
    """F42."""
    for status in (401, 500):
        with raw_server(http(status, {"code": f"bad {KEY}", "message": f"The key {KEY} is wrong."})) as server:
            error = fails(connect(server.url).create, **ORDER)
        assert str(error).endswith(f"status {status}: The key [key] is wrong.")
        assert error.code == "bad [key]"


def test_a_key_that_comes_back_in_a_good_answer_is_taken_out(connect):
    """F42: whatever stands between may repeat what was sent."""
    with raw_server(http(body={"payment_state": "OPEN", "invoice_id": f"for {KEY}"})) as server:
        assert connect(server.url).fetch(REFERENCE).invoice_id == "for [key]"


def test_a_long_message_is_cut_only_once_the_key_is_out(connect):
    with raw_server(http(401, {"code": "c" * 60 + KEY, "message": "m" * 290 + KEY + "n" * 100})) as server:
        error = fails(connect(server.url).create, **ORDER)
    assert str(error).endswith("status 401: " + "m" * 290 + "[key]" + "n" * 5)
    assert error.code == "c" * 60 + "[key"


MISHAPS = ["html", "redirect", "unauthorized", "throttled", "broken", "gateway", "code5", "cut_body", "huge_body"]
MISHAPS += ["not_json", "foreign_url"]


def test_no_log_no_message_and_no_repr_shows_the_key(connect, sandbox, caplog):
    """F42."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    client = connect(sandbox.url)
    said = [repr(client), repr(client.create(**ORDER))]
    for kind in MISHAPS:
        sandbox.misbehave(None, kind)
        error = fails(client.create, **ORDER)
        said += [str(error), repr(error), repr(vars(error))]
        sandbox.behave()
    error = fails(connect(closed_port()).create, **ORDER)
    said += [str(error), repr(error), str(error.__cause__)]
    assert len(said) == 2 + 3 * len(MISHAPS) + 3
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert KEY not in "".join(said) + caplog.text
    assert all(KEY not in str(vars(record)) for record in caplog.records)


# --- the process's clients -----------------------------------------------------------------------


@pytest.fixture
def _no_clients():
    client_for.cache_clear()
    yield
    client_for.cache_clear()


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
    from django_payram.client import client_for
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
        cwd=Path(__file__).parent.parent,
        check=False,
        timeout=30,
    )
    assert done.returncode == 7


# --- what a person, a browser and an error report see ------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 405, 502])
def test_a_web_page_as_an_error_says_that_the_base_url_is_wrong(connect, status):
    with raw_server(http(status, b" <html>no</html>", Connection="close")) as server:
        for error in (fails(connect(server.url).create, **ORDER), fails(connect(server.url).fetch, REFERENCE)):
            assert error.status == status
            assert "BASE_URL of project 'default' probably points at PayRam's front end" in str(error)


@pytest.mark.parametrize("url", ["https://evil.example\\@127.0.0.1/", "http://kim@127.0.0.1/", "http://127.0.0.1/a b"])
def test_a_page_with_a_misleading_address_is_refused(connect, url):
    """F54: browsers read a backslash as a slash."""
    with raw_server(http(200, {"reference_id": "r", "url": url})) as server:
        error = fails(connect(server.url).create, **ORDER)
    assert isinstance(error, PayramDataError)
    assert str(error) == "PayRam's payment page has a misleading address."
    assert error.reference == "r"


@pytest.mark.parametrize("debug", [True, False])
def test_no_error_report_shows_the_key(connect, settings, rf, debug):
    """F42: Django's report prints what every frame holds."""
    settings.DEBUG = debug
    reports = []
    with raw_server(http(500, b"no", Connection="close")) as server:
        for url in (server.url, "http://127.0.0.1:9"):
            client = connect(url)
            for call in (client.create, client.fetch):
                try:
                    call(**ORDER) if call == client.create else call(REFERENCE)
                except PayramError:
                    reports.append(ExceptionReporter(rf.get("/"), *sys.exc_info()).get_traceback_html())
    assert len(reports) == 4
    for report in reports:
        assert "API-Key" in report or not debug
        assert KEY not in report


def test_no_error_report_shows_the_key_of_a_broken_setting(settings, rf):
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": KEY, "NONSENSE": 1}}
    try:
        conf.project()
    except ImproperlyConfigured:
        report = ExceptionReporter(rf.get("/"), *sys.exc_info()).get_traceback_html()
    assert "NONSENSE" in report
    assert KEY not in report
