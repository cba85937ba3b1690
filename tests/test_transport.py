"""HTTP that ends: over real sockets, with servers that do all that they should not."""

from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import threading
import time
from contextlib import suppress

import pytest
import requests
from urllib3 import PoolManager

from django_payram.answers import Answer, NoAnswer, TooLarge
from django_payram.transport import MAX_BODY, Transport
from tests.servers import CERTIFICATE, closed_port, deaf_server, header, http, raw_server

KEY = "00112233445566778899aabbccddeeff"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch):
    for name in (*PROXIES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def connect():
    """Transports with short patience, closed at the end."""
    made = []

    def make(**options):
        transport = Transport(**{"timeout": (2, 2), "deadline": 5, **options})
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()


def ask(transport, url, method="POST", **options):
    return transport.send(method, url, headers={"API-Key": KEY}, **options)


def refusal(transport, url, method="POST"):
    with pytest.raises(NoAnswer) as caught:
        ask(transport, url, method)
    return str(caught.value), caught.value.sent


# --- a good answer -------------------------------------------------------------------------


def test_an_answer_is_read_to_its_end(connect):
    with raw_server(http(207, b"x" * 200_000, X_Said="this")) as server:
        answer = ask(connect(), server.url)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (207, b"x" * 200_000)
    assert answer.headers["x-said"] == "this"


def test_the_request_carries_our_headers_and_json_and_no_credentials(connect):
    with raw_server(http()) as server:
        ask(connect(), f"{server.url}/api", json={"amountInUSD": 49.99})
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


def test_a_get_sends_no_body(connect):
    with raw_server(http()) as server:
        ask(connect(), server.url, "GET")
    assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n")


def test_netrc_is_not_read(connect, monkeypatch, tmp_path):
    """PayRam answers 404 to a call that carries Authorization."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with raw_server(http()) as server:
        ask(connect(), server.url)
    assert header(server.requests[0], "authorization") is None


def test_cookies_are_not_kept(connect):
    transport = connect()
    with raw_server(http(Set_Cookie="session=1; Path=/")) as server:
        for method in ("GET", "GET", "POST"):
            ask(transport, server.url, method)
    assert [header(request, "cookie") for request in server.requests] == [None] * 3


def test_connections_are_kept(connect):
    def talk(connection):
        connection.send(http(body=b"{}"))
        return True

    transport = connect()
    with raw_server(talk) as server:
        for _ in range(5):
            ask(transport, server.url, "GET")
        assert (len(server.requests), server.connections) == (5, 1)


def test_the_surroundings_are_looked_at_once_for_each_site(connect, monkeypatch):
    def talk(connection):
        connection.send(http())
        return True

    looked, real = [], requests.Session.merge_environment_settings

    def look(self, url, *args, **options):
        looked.append(url)
        return real(self, url, *args, **options)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", look)
    transport = connect()
    with raw_server(talk) as server:
        for path in ("/api/v1/payment", "/api/v1/payment/reference/r", "/"):
            ask(transport, server.url + path)
    assert looked == [server.url]


def test_a_closed_transport_keeps_no_connection(connect):
    def talk(connection):
        connection.send(http())
        return True

    transport = connect()
    with raw_server(talk) as server:
        for method in ("GET", "POST"):
            ask(transport, server.url, method)
        transport.close()
        for method in ("GET", "POST"):
            ask(transport, server.url, method)
        assert server.connections == 4


def test_as_many_connections_are_kept_as_threads_need(connect, caplog):
    most = 12  # requests itself keeps ten
    meeting = threading.Barrier(most + 1)

    def talk(connection):
        meeting.wait(5)
        connection.send(http())
        return True

    transport = connect(connections=most)
    with raw_server(talk) as server:
        for _ in range(2):
            threads = [threading.Thread(target=ask, args=(transport, server.url, "GET")) for _ in range(most)]
            for thread in threads:
                thread.start()
            meeting.wait(5)
            for thread in threads:
                thread.join()
        assert server.connections == most
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- nothing was sent ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_sends_nothing(connect, method):
    assert refusal(connect(), closed_port(), method) == ("The connection failed or broke off.", False)


def test_a_name_that_does_not_exist_sends_nothing(connect, monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refusal(connect(), "http://pay.example.org") == ("The connection failed or broke off.", False)


def test_a_connection_that_nobody_takes_times_out_and_sends_nothing(connect):
    with deaf_server() as url:
        started = time.monotonic()
        assert refusal(connect(timeout=(0.3, 30)), url) == ("The connection timed out.", False)
        assert 0.3 <= time.monotonic() - started < 2


@pytest.mark.parametrize("url", ["ftp://pay.example.org", "http://", "http://pay..example"])
def test_an_impossible_address_sends_nothing(connect, url):
    assert refusal(connect(), url) == ("The call could not be carried out.", False)


def test_a_host_with_a_space_sends_nothing(connect):
    """The words depend on the version of requests, the fact does not."""
    assert refusal(connect(), "http://a b")[1] is False


def test_an_impossible_body_sends_nothing(connect):
    with raw_server(http()) as server, pytest.raises(NoAnswer) as caught:
        ask(connect(), server.url, json={"amount": float("nan")})
    assert (str(caught.value), caught.value.sent) == ("The call could not be carried out.", False)
    assert server.connections == 0


def test_a_certificate_that_is_not_trusted_sends_nothing(connect):
    with raw_server(http(), tls=True) as server:
        assert refusal(connect(), server.url) == ("The TLS certificate or handshake failed.", False)
        assert server.requests == []


def test_a_proxy_that_is_not_there_sends_nothing(connect, monkeypatch):
    monkeypatch.setenv("http_proxy", closed_port())
    assert refusal(connect(), "http://pay.example.org") == ("The proxy could not be reached or broke off.", False)


def test_a_proxy_that_opens_no_tunnel_sends_nothing(connect, monkeypatch):
    with raw_server(http(403)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert refusal(connect(), "https://pay.example.org") == ("The proxy could not be reached or broke off.", False)
    assert proxy.requests[0].startswith(b"CONNECT pay.example.org:443")
    assert KEY.encode() not in proxy.requests[0]


# --- something was sent ----------------------------------------------------------------------


def test_a_trusted_certificate_is_enough(connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with raw_server(http(body=b"{}"), tls=True) as server:
        assert ask(connect(), server.url).body == b"{}"


def test_a_tls_error_after_the_request_leaves_the_outcome_unknown(connect, monkeypatch):
    """F20: the payment may have been made."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def talk(connection):
        with socket.socket(fileno=os.dup(connection.sock.fileno())) as beneath:
            beneath.sendall(b"\x17\x03\x03\x00\x20" + b"?" * 32)
        connection.sock.recv(1)

    with raw_server(talk, tls=True) as server:
        assert refusal(connect(), server.url) == ("The TLS certificate or handshake failed.", True)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        b"\x16\x03\x01 not HTTP\r\n\r\n",
        b"HTTP/9 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "half a line", "another protocol", "unknown version", "headers", "long header"],
)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(connect, answer):
    with raw_server(answer) as server:
        assert refusal(connect(), server.url) == ("The connection failed or broke off.", True)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        http(body=b"{}", Content_Length=100),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        http(body=b"not gzip", Content_Encoding="gzip"),
    ],
    ids=["length", "chunks", "no chunks", "encoding"],
)
def test_a_body_that_breaks_off_leaves_the_outcome_unknown(connect, answer):
    with raw_server(answer) as server:
        assert refusal(connect(), server.url) == ("The answer broke off in the middle.", True)


def test_an_answer_of_two_lengths_leaves_the_outcome_unknown(connect):
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}") as server:
        assert refusal(connect(), server.url) == ("The call could not be carried out.", True)


def test_a_kept_connection_that_breaks_leaves_the_outcome_unknown(connect):
    def talk(connection):
        if len(server.requests) == 1:
            connection.send(http())
        return len(server.requests) == 1

    transport = connect()
    with raw_server(talk) as server:
        ask(transport, server.url)
        assert refusal(transport, server.url) == ("The connection failed or broke off.", True)
        assert server.connections == 1


# --- through a proxy -------------------------------------------------------------------------


def test_a_proxy_passes_the_call_on_and_its_connection_is_kept(connect, monkeypatch):
    def talk(connection):
        connection.send(http(body=b"{}"))
        return True

    transport = connect()
    with raw_server(talk) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for _ in range(3):
            assert ask(transport, "http://pay.example.org/api").body == b"{}"
        assert proxy.connections == 1
    assert proxy.requests[0].startswith(b"POST http://pay.example.org/api HTTP/1.1\r\n")


def test_a_proxy_that_takes_the_request_and_falls_silent_leaves_the_outcome_unknown(connect, monkeypatch):
    with raw_server(lambda _: proxy.closing.wait(5)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        said = refusal(connect(timeout=(2, 0.3)), "http://pay.example.org")
        assert said == ("The answer timed out.", True)
        assert len(proxy.requests) == 1


def test_a_proxy_that_takes_the_request_and_hangs_up_leaves_the_outcome_unknown(connect, monkeypatch):
    with raw_server(b"") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        said = ("The proxy could not be reached or broke off.", True)
        assert refusal(connect(), "http://pay.example.org") == said


def test_headers_that_trickle_through_a_proxy_end_with_the_deadline(connect, monkeypatch):
    with raw_server(lambda connection: trickle(proxy, connection, http(body=b"{}"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        started = time.monotonic()
        assert refusal(connect(deadline=0.6), "http://pay.example.org") == ("The answer timed out.", True)
        assert 0.6 <= time.monotonic() - started < 1.5


def test_what_a_proxy_sends_is_bounded_also_when_it_is_thrown_away(connect, monkeypatch):
    sent = []

    def talk(connection):
        connection.send(http(502, Content_Length=40 * MAX_BODY))
        for _ in range(40):
            connection.send(b"x" * MAX_BODY)
            sent.append(MAX_BODY)

    with raw_server(talk) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(TooLarge):
            ask(connect(), "http://pay.example.org", "GET")
    assert sum(sent) < 60 * MAX_BODY


def tunnel(server, connection):
    """Open the tunnel that the client asked for and pass bytes on until either side ends."""
    with socket.create_connection(("127.0.0.1", server.port)) as onward:
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pass_on, args=(onward, connection.sock))
        back.start()
        pass_on(connection.sock, onward)
        back.join()


def pass_on(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def test_a_call_through_a_tunnel_is_answered(connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with (
        raw_server(http(body=b"{}"), tls=True) as server,
        raw_server(lambda connection: tunnel(server, connection)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        assert ask(connect(), server.url).body == b"{}"
        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:")
        assert KEY.encode() not in proxy.requests[0]


def test_silence_in_a_tunnel_leaves_the_outcome_unknown(connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with (
        raw_server(lambda _: server.closing.wait(5), tls=True) as server,
        raw_server(lambda connection: tunnel(server, connection)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        transport = connect(timeout=(2, 0.3))
        assert refusal(transport, server.url) == ("The answer timed out.", True)
        assert len(server.requests) == 1


def test_a_tunnel_that_trickles_open_ends_with_the_deadline_and_sends_nothing(connect, monkeypatch):
    with raw_server(lambda connection: trickle(proxy, connection, http())) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        started = time.monotonic()
        assert refusal(connect(deadline=0.6), "https://pay.example.org")[1] is False
        assert 0.6 <= time.monotonic() - started < 1.5


def test_a_failure_behind_a_socks_proxy_leaves_the_outcome_unknown(connect, monkeypatch):
    """Its connections are not ours, so that nobody notes when the request leaves."""
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", lambda _proxy, **_options: PoolManager())
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    transport = connect(timeout=(2, 0.3))
    with raw_server(lambda _: server.closing.wait(5)) as server:
        for _ in range(2):
            assert refusal(transport, server.url) == ("The answer timed out.", True)


def test_a_socks_proxy_without_the_package_for_it_sends_nothing(connect, monkeypatch):
    def missing(*_args, **_kwargs):
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    assert refusal(connect(), "http://pay.example.org") == ("The call could not be carried out.", False)


# --- redirects -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_an_answer_and_its_target_never_hears_of_the_key(connect, method, status):
    """F56: the key is in a header that libraries send on."""
    with raw_server(http()) as target, raw_server(http(status, b"moved", Location=target.url)) as server:
        answer = ask(connect(), server.url, method)
        assert (answer.status, answer.body, answer.headers["Location"]) == (status, b"moved", target.url)
        assert (len(server.requests), target.connections) == (1, 0)


@pytest.mark.parametrize("target", ["http://[", "/\xff", "http://%00", "//", "javascript:1"])
def test_the_target_of_a_redirect_is_not_even_parsed(connect, target):
    with raw_server(http(302, Location=target)) as server:
        assert ask(connect(), server.url).headers["Location"] == target


def test_the_body_of_a_redirect_is_bounded(connect):
    with raw_server(http(302, b"x" * (MAX_BODY + 1), Location="/")) as server, pytest.raises(TooLarge):
        ask(connect(), server.url)


# --- size ------------------------------------------------------------------------------------


def test_a_body_of_one_mebibyte_is_read_and_a_byte_more_is_refused(connect):
    assert MAX_BODY == 2**20
    with raw_server(http(body=b"x" * MAX_BODY)) as server:
        assert len(ask(connect(), server.url).body) == MAX_BODY
    with raw_server(http(body=b"x" * (MAX_BODY + 1))) as server:
        with pytest.raises(TooLarge) as caught:
            ask(connect(), server.url)
        assert str(caught.value) == "The answer is larger than 1048576 bytes."


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(connect):
    packed = gzip.compress(b"x" * 50 * MAX_BODY)
    with raw_server(http(body=packed, Content_Encoding="gzip")) as server, pytest.raises(TooLarge):
        ask(connect(), server.url)


def test_a_body_without_an_end_is_refused(connect):
    def talk(connection):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with raw_server(talk) as server, pytest.raises(TooLarge):
        ask(connect(), server.url)


def test_a_body_that_is_thrown_away_is_bounded_as_well(connect):
    """Before a GET is repeated the answer to it is read and dropped."""
    sent = []

    def talk(connection):
        connection.send(http(502, Content_Length=40 * MAX_BODY))
        for _ in range(40):
            connection.send(b"x" * MAX_BODY)
            sent.append(MAX_BODY)

    with raw_server(talk) as server:
        with pytest.raises(TooLarge):
            ask(connect(), server.url, "GET")
        assert len(server.requests) == 3
    assert sum(sent) < 60 * MAX_BODY


# --- time ------------------------------------------------------------------------------------


def test_headers_that_do_not_come_time_out(connect):
    with raw_server(lambda _: server.closing.wait(5)) as server:
        started = time.monotonic()
        assert refusal(connect(timeout=(2, 0.3), deadline=5), server.url) == ("The answer timed out.", True)
        assert 0.3 <= time.monotonic() - started < 1.5
        assert len(server.requests) == 1


def test_a_body_that_does_not_come_times_out(connect):
    def talk(connection):
        connection.send(http(Content_Length=10))
        server.closing.wait(5)

    with raw_server(talk) as server:
        started = time.monotonic()
        said = refusal(connect(timeout=(2, 0.3), deadline=5), server.url)
        assert said == ("The answer broke off in the middle.", True)
        assert 0.3 <= time.monotonic() - started < 1.5


def trickle(server, connection, data):
    for byte in data:
        connection.send(bytes([byte]))
        if server.closing.wait(0.1):
            return


def test_headers_that_trickle_end_with_the_deadline(connect):
    with raw_server(lambda connection: trickle(server, connection, http(body=b"{}"))) as server:
        started = time.monotonic()
        assert refusal(connect(timeout=(2, 2), deadline=0.6), server.url) == ("The answer timed out.", True)
        assert 0.6 <= time.monotonic() - started < 1.5


def test_a_body_that_trickles_ends_with_the_deadline(connect):
    def talk(connection):
        connection.send(http(Content_Length=100))
        trickle(server, connection, b"x" * 100)

    with raw_server(talk) as server:
        started = time.monotonic()
        said = refusal(connect(timeout=(2, 2), deadline=0.6), server.url)
        assert said == ("The answer broke off in the middle.", True)
        assert 0.6 <= time.monotonic() - started < 1.5


def test_a_trickle_that_ends_in_time_is_an_answer(connect):
    answer = http(body=b"{}")
    with raw_server(
        lambda connection: trickle(server, connection, answer[:5]) or connection.send(answer[5:])
    ) as server:
        assert ask(connect(timeout=(2, 0.4), deadline=5), server.url).body == b"{}"


def test_silence_within_the_time_out_ends_with_the_deadline(connect):
    with raw_server(lambda _: server.closing.wait(5)) as server:
        started = time.monotonic()
        assert refusal(connect(timeout=(5, 5), deadline=0.4), server.url) == ("The answer timed out.", True)
        assert 0.4 <= time.monotonic() - started < 1.5


def test_connecting_ends_with_the_deadline(connect):
    with deaf_server() as url:
        started = time.monotonic()
        assert refusal(connect(timeout=(30, 30), deadline=0.4), url) == ("The connection timed out.", False)
        assert 0.4 <= time.monotonic() - started < 2


def test_repeating_a_get_does_not_prolong_the_deadline(connect):
    with raw_server(lambda _: server.closing.wait(5)) as server:
        started = time.monotonic()
        said = refusal(connect(timeout=(5, 5), deadline=0.5), server.url, "GET")
        assert said == ("The answer timed out.", True)
        assert 0.5 <= time.monotonic() - started < 2


def test_each_call_has_a_deadline_of_its_own(connect):
    def talk(connection):
        server.closing.wait(0.2)
        connection.send(http())
        return True

    transport = connect(timeout=(2, 2), deadline=0.5)
    with raw_server(talk) as server:
        for _ in range(3):
            assert ask(transport, server.url).status == 200
        assert server.connections == 1


def test_a_call_may_be_told_when_to_end(connect):
    with raw_server(lambda _: server.closing.wait(5)) as server:
        started = time.monotonic()
        with pytest.raises(NoAnswer):
            ask(connect(), server.url, ends=started + 0.4)
        assert 0.4 <= time.monotonic() - started < 1.5


def test_a_hasty_thread_does_not_shorten_another_threads_deadline(connect):
    patient, hasty = connect(deadline=5), connect(deadline=0.2)
    with raw_server(lambda connection: server.closing.wait(0.6) or connection.send(http())) as server:
        other = threading.Thread(target=refusal, args=(hasty, server.url))
        threading.Timer(0.1, other.start).start()
        assert ask(patient, server.url).status == 200
        other.join()
        assert len(server.requests) == 2


# --- repeating -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 504])
def test_a_get_is_asked_three_times_behind_a_failing_gateway(connect, status, pauses):
    with raw_server(http(status, b"gone", Retry_After="60", Connection="close")) as server:
        started = time.monotonic()
        answer = ask(connect(), server.url, "GET")
        assert 0.4 <= time.monotonic() - started < 3
        assert (answer.status, answer.body) == (status, b"gone")
        assert len(server.requests) == 3


def test_a_get_takes_the_first_good_answer(connect):
    def talk(connection):
        connection.send(http(502, Connection="close") if len(server.requests) == 1 else http(body=b"{}"))

    with raw_server(talk) as server:
        assert ask(connect(), server.url, "GET").body == b"{}"
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 501, 503])
def test_any_other_answer_to_a_get_is_taken_at_once(connect, status):
    with raw_server(http(status, Retry_After="1")) as server:
        assert ask(connect(), server.url, "GET").status == status
        assert len(server.requests) == 1


def test_a_get_whose_connection_breaks_is_repeated(connect):
    with raw_server(b"") as server:
        assert refusal(connect(), server.url, "GET") == ("The connection failed or broke off.", True)
        assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [http(502), http(504), http(503, Retry_After="0"), http(429, Retry_After="0"), b""])
def test_a_post_is_never_repeated(connect, answer):
    """F20: PayRam has no idempotency key, so that asking twice may make two payments."""
    transport = connect()
    with raw_server(answer) as server:
        with suppress(NoAnswer):
            ask(transport, server.url)
        assert len(server.requests) == 1


# --- what is told ----------------------------------------------------------------------------


def test_no_error_and_no_log_shows_the_key(connect, caplog):
    """F42."""
    caplog.set_level(logging.DEBUG)
    said = []
    with raw_server(http(502, Connection="close")) as server, raw_server(b"") as broken:
        ask(connect(), server.url, "GET")
        for url in (broken.url, closed_port()):
            with pytest.raises(NoAnswer) as caught:
                ask(connect(), url)
            said += [str(caught.value), repr(caught.value)]
    assert len(caplog.records) >= 3
    assert KEY not in caplog.text + "".join(said)
    assert all(KEY not in str(vars(record)) for record in caplog.records)
