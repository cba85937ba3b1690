"""Calls over the network: what is sent, kept and repeated."""

from __future__ import annotations

import gzip
import io
import json
import logging
import socket
import threading
import time
from contextlib import suppress

import pytest
import requests

from django_payram.gateway import transport as transports
from django_payram.gateway.responses import Answer, NoAnswer, UnacceptableAnswer
from django_payram.gateway.transport import MAX_ANSWER, MAX_BODY
from tests.gateway.helpers import KEY, LONG, ask, ends_after, refusal, send_huge_502
from tests.servers import closed_port, header, http, raw_server

# A good answer


def test_an_answer_is_read_to_its_end(new_transport):
    with raw_server(http(207, b"x" * 200_000, X_Said="this")) as server:
        answer = ask(new_transport(), server.url)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (207, b"x" * 200_000)
    assert answer.headers["x-said"] == "this"


def test_the_request_carries_our_headers_and_json_and_no_credentials(new_transport):
    with raw_server(http()) as server:
        ask(new_transport(), f"{server.url}/api", json={"amountInUSD": 49.99})
    (request,) = server.requests
    head, _blank, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api HTTP/1.1\r\n")
    assert json.loads(body) == {"amountInUSD": 49.99}
    sent = {name: header(head, name) for name in ("api-key", "content-type", "accept", "accept-encoding")}
    assert sent == {
        "api-key": KEY,
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
    }
    assert header(head, "authorization") is None
    assert header(head, "cookie") is None


def test_a_get_sends_no_body(new_transport):
    with raw_server(http()) as server:
        ask(new_transport(), server.url, "GET")
    assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n")


def test_netrc_is_not_read(new_transport, monkeypatch, tmp_path):
    """PayRam answers 404 to a call that carries Authorization."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with raw_server(http()) as server:
        ask(new_transport(), server.url)
    assert header(server.requests[0], "authorization") is None


def test_cookies_are_not_kept(new_transport):
    transport = new_transport()
    with raw_server(http(Set_Cookie="session=1; Path=/")) as server:
        for method in ("GET", "GET", "POST"):
            ask(transport, server.url, method)
    assert [header(request, "cookie") for request in server.requests] == [None] * 3


def test_connections_are_kept(new_transport):
    def talk(connection):
        connection.send(http(body=b"{}"))
        return True

    transport = new_transport()
    with raw_server(talk) as server:
        for _ in range(5):
            ask(transport, server.url, "GET")
        assert (len(server.requests), server.connections) == (5, 1)


def test_an_address_may_have_four_parts_as_in_ipv6(new_transport, monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, port, *args, **options):
        six = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port, 0, 0))]
        return six if host == "pay.example.org" else real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with raw_server(http(body=b"{}")) as server:
        assert ask(new_transport(), f"http://pay.example.org:{server.port}").body == b"{}"


def test_a_small_request_does_not_wait_to_become_a_larger_one(new_transport, monkeypatch):
    real, no_delay = transports.create_connection, []

    def connect(*args, **options):
        sock = real(*args, **options)
        no_delay.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
        return sock

    monkeypatch.setattr(transports, "create_connection", connect)
    with raw_server(http()) as server:
        ask(new_transport(), server.url)
    assert no_delay == [True]


def test_the_environment_is_read_once_for_each_site(new_transport, monkeypatch):
    def talk(connection):
        connection.send(http())
        return True

    looked, real = [], requests.Session.merge_environment_settings

    def look(self, url, *args, **options):
        looked.append(url)
        return real(self, url, *args, **options)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", look)
    transport = new_transport()
    with raw_server(talk) as server:
        for path in ("/api/v1/payment", "/api/v1/payment/reference/r", "/"):
            ask(transport, server.url + path)
    assert looked == [server.url]


def test_a_closed_transport_keeps_no_connection(new_transport):
    def talk(connection):
        connection.send(http())
        return True

    transport = new_transport()
    with raw_server(talk) as server:
        for method in ("GET", "POST"):
            ask(transport, server.url, method)
        transport.close()
        for method in ("GET", "POST"):
            ask(transport, server.url, method)
        assert server.connections == 4


def test_as_many_connections_are_kept_as_threads_need(new_transport, caplog):
    most = 12  # requests itself keeps ten
    meeting = threading.Barrier(most + 1)

    def talk(connection):
        meeting.wait(LONG)
        connection.send(http())
        return True

    transport = new_transport(connections=most)
    with raw_server(talk) as server:
        for _ in range(2):
            threads = [threading.Thread(target=ask, args=(transport, server.url, "GET")) for _ in range(most)]
            for thread in threads:
                thread.start()
            meeting.wait(LONG)
            for thread in threads:
                thread.join()
        assert server.connections == most
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_an_answer_and_its_target_never_gets_the_key(new_transport, method, status):
    """F56: the key is in a header that libraries send on."""
    with raw_server(http()) as target, raw_server(http(status, b"moved", Location=target.url)) as server:
        answer = ask(new_transport(), server.url, method)
        assert (answer.status, answer.body, answer.headers["Location"]) == (status, b"moved", target.url)
        assert (len(server.requests), target.connections) == (1, 0)


@pytest.mark.parametrize("target", ["http://[", "/\xff", "http://%00", "//", "javascript:1"])
def test_the_target_of_a_redirect_is_not_even_parsed(new_transport, target):
    with raw_server(http(302, Location=target)) as server:
        assert ask(new_transport(), server.url).headers["Location"] == target


def test_the_body_of_a_redirect_is_bounded(new_transport):
    with raw_server(http(302, b"x" * (MAX_BODY + 1), Location="/")) as server, pytest.raises(UnacceptableAnswer):
        ask(new_transport(), server.url)


# Size


def test_a_body_of_one_mebibyte_is_read_and_a_byte_more_is_refused(new_transport):
    assert MAX_BODY == 2**20
    with raw_server(http(body=b"x" * MAX_BODY)) as server:
        assert len(ask(new_transport(), server.url).body) == MAX_BODY
    with raw_server(http(body=b"x" * (MAX_BODY + 1))) as server:
        with pytest.raises(UnacceptableAnswer) as caught:
            ask(new_transport(), server.url)
        assert str(caught.value) == "The answer is larger than 1048576 bytes."


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(new_transport):
    packed = gzip.compress(b"x" * 50 * MAX_BODY)
    with raw_server(http(body=packed, Content_Encoding="gzip")) as server, pytest.raises(UnacceptableAnswer):
        ask(new_transport(), server.url)


def test_a_body_without_an_end_is_refused(new_transport):
    def talk(connection):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with raw_server(talk) as server, pytest.raises(UnacceptableAnswer):
        ask(new_transport(), server.url)


def test_a_body_that_is_thrown_away_is_bounded_as_well(new_transport):
    """Before a GET is repeated the answer to it is read and dropped."""
    sent = []
    with raw_server(lambda connection: send_huge_502(connection, sent)) as server:
        with pytest.raises(UnacceptableAnswer):
            ask(new_transport(), server.url, "GET")
        assert len(server.requests) == 3
    assert sum(sent) < 60 * MAX_BODY


def test_the_last_byte_that_an_answer_may_have_is_read_and_none_after_it():
    assert MAX_ANSWER == 2 * MAX_BODY
    with socket.socket() as sock:
        call = transports._Call(time.monotonic() + LONG)
        reader = transports._TimedReader(io.BytesIO(b"x" * (MAX_ANSWER + 1)), sock, call)
        assert [reader.readinto(bytearray(size)) for size in (MAX_ANSWER - 1, 1)] == [MAX_ANSWER - 1, 1]
        with pytest.raises(ConnectionError):
            reader.readinto(bytearray(1))


# Repeating


@pytest.mark.parametrize("status", [502, 504])
def test_a_get_is_asked_three_times_behind_a_failing_gateway(new_transport, status, pauses):
    with raw_server(http(status, b"gone", Retry_After="60", Connection="close")) as server:
        with ends_after(0.4):
            answer = ask(new_transport(), server.url, "GET")
        assert (answer.status, answer.body) == (status, b"gone")
        assert len(server.requests) == 3


def test_a_get_takes_the_first_good_answer(new_transport):
    def talk(connection):
        connection.send(http(502, Connection="close") if len(server.requests) == 1 else http(body=b"{}"))

    with raw_server(talk) as server:
        assert ask(new_transport(), server.url, "GET").body == b"{}"
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 501, 503])
def test_any_other_answer_to_a_get_is_taken_at_once(new_transport, status):
    with raw_server(http(status, Retry_After="1")) as server:
        assert ask(new_transport(), server.url, "GET").status == status
        assert len(server.requests) == 1


def test_a_get_whose_connection_breaks_is_repeated(new_transport):
    with raw_server(b"") as server:
        assert refusal(new_transport(), server.url, "GET") == ("The connection failed or broke off.", True)
        assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [http(502), http(504), http(503, Retry_After="0"), http(429, Retry_After="0"), b""])
def test_a_post_is_never_repeated(new_transport, answer):
    """F20: PayRam has no idempotency key, so that asking twice may make two payments."""
    transport = new_transport()
    with raw_server(answer) as server:
        with suppress(NoAnswer):
            ask(transport, server.url)
        assert len(server.requests) == 1


# What is logged


def test_no_error_and_no_log_shows_the_key(new_transport, caplog):
    """F42."""
    caplog.set_level(logging.DEBUG)
    said = []
    with raw_server(http(502, Connection="close")) as server, raw_server(b"") as broken:
        ask(new_transport(), server.url, "GET")
        for url in (broken.url, closed_port()):
            with pytest.raises(NoAnswer) as caught:
                ask(new_transport(), url)
            said += [str(caught.value), repr(caught.value)]
    assert len(caplog.records) >= 3
    assert KEY not in caplog.text + "".join(said)
    assert all(KEY not in str(vars(record)) for record in caplog.records)


def late(*_args, **_options):
    time.sleep(1)
    return []


def unknown(*_args, **_options):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def none_but_deaf(*_args, **_options):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(closed_port().rpartition(":")[2])))]


@pytest.mark.parametrize(
    ("look_up", "reason"),
    [
        (late, "'The name could not be looked up in time.')"),
        (unknown, "Failed to resolve 'pay.example.org' ([Errno "),
        (none_but_deaf, ": No address could be connected to."),
        (lambda *_args, **_options: [], ": No address could be connected to."),
    ],
)
def test_urllib3_logs_why_a_get_found_no_connection(new_transport, monkeypatch, caplog, look_up, reason):
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    refusal(new_transport(deadline=0.3), "http://pay.example.org", "GET")
    assert reason in caplog.text
    assert "_Connection" in caplog.text, "which connection it was"
