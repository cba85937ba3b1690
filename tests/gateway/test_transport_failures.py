"""Whether something was sent before a call failed, with and without a proxy."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

import pytest
import requests
from urllib3 import PoolManager

from django_payram.gateway.responses import NoAnswer, UnacceptableAnswer
from django_payram.gateway.transport import MAX_BODY
from tests.gateway.helpers import KEY, LONG, ask, ends_after, refusal, send_huge_502, trickle
from tests.servers import CERTIFICATE, closed_port, full_backlog, http, raw_server, silent_server
from tests.waiting import wait_until

# Nothing was sent


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_sends_nothing(new_transport, method):
    assert refusal(new_transport(), closed_port(), method) == ("The connection failed or broke off.", False)


def test_a_name_that_does_not_exist_sends_nothing(new_transport, monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refusal(new_transport(), "http://pay.example.org") == ("The connection failed or broke off.", False)


def test_a_connection_that_nobody_takes_times_out_and_sends_nothing(new_transport):
    with full_backlog() as url, ends_after(0.3):
        assert refusal(new_transport(timeout=(0.3, LONG)), url) == ("The connection timed out.", False)


@pytest.mark.parametrize("url", ["ftp://pay.example.org", "http://"])
def test_an_impossible_address_sends_nothing(new_transport, url):
    assert refusal(new_transport(), url) == ("The call could not be carried out.", False)


@pytest.mark.parametrize("url", ["http://a b", "http://pay..example"])
def test_an_impossible_host_sends_nothing(new_transport, url):
    """The words depend on the version of requests, the fact does not."""
    assert refusal(new_transport(), url)[1] is False


def test_an_impossible_body_sends_nothing(new_transport):
    with raw_server(http()) as server, pytest.raises(NoAnswer) as caught:
        ask(new_transport(), server.url, json={"amount": float("nan")})
    assert (str(caught.value), caught.value.sent) == ("The call could not be carried out.", False)
    assert server.connections == 0


def test_a_certificate_that_is_not_trusted_sends_nothing(new_transport):
    with raw_server(http(), tls=True) as server:
        assert refusal(new_transport(), server.url) == ("The TLS certificate or handshake failed.", False)
        assert server.requests == []


def test_a_proxy_that_is_not_there_sends_nothing(new_transport, monkeypatch):
    monkeypatch.setenv("http_proxy", closed_port())
    assert refusal(new_transport(), "http://pay.example.org") == ("The proxy could not be reached or broke off.", False)


def test_a_proxy_that_opens_no_tunnel_sends_nothing(new_transport, monkeypatch):
    with raw_server(http(403)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert refusal(new_transport(), "https://pay.example.org") == (
            "The proxy could not be reached or broke off.",
            False,
        )
    assert proxy.requests[0].startswith(b"CONNECT pay.example.org:443")
    assert KEY.encode() not in proxy.requests[0]


# Something was sent


def test_a_trusted_certificate_is_enough(new_transport, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with raw_server(http(body=b"{}"), tls=True) as server:
        assert ask(new_transport(), server.url).body == b"{}"


def test_a_tls_error_after_the_request_leaves_the_outcome_unknown(new_transport, monkeypatch):
    """F20: the payment may have been made."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def talk(connection):
        with socket.socket(fileno=os.dup(connection.sock.fileno())) as beneath:
            beneath.sendall(b"\x17\x03\x03\x00\x20" + b"?" * 32)
        connection.sock.recv(1)

    with raw_server(talk, tls=True) as server:
        assert refusal(new_transport(), server.url) == ("The TLS certificate or handshake failed.", True)
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
def test_an_answer_that_is_none_leaves_the_outcome_unknown(new_transport, answer):
    with raw_server(answer) as server:
        assert refusal(new_transport(), server.url) == ("The connection failed or broke off.", True)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        http(body=b"{}", Content_Length=100),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}\r\n",
    ],
    ids=["length", "chunks", "no chunks", "negative chunk", "endless chunk"],
)
def test_a_body_that_breaks_off_leaves_the_outcome_unknown(new_transport, answer):
    with raw_server(answer) as server:
        assert refusal(new_transport(), server.url) == ("The answer broke off in the middle.", True)


def test_an_answer_of_two_lengths_leaves_the_outcome_unknown(new_transport):
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}") as server:
        assert refusal(new_transport(), server.url) == ("The call could not be carried out.", True)


def test_a_kept_connection_that_breaks_leaves_the_outcome_unknown(new_transport):
    def talk(connection):
        if len(server.requests) == 1:
            connection.send(http())
        return len(server.requests) == 1

    transport = new_transport()
    with raw_server(talk) as server:
        ask(transport, server.url)
        assert refusal(transport, server.url) == ("The connection failed or broke off.", True)
        assert server.connections == 1


# Through a proxy


def test_a_proxy_passes_the_call_on_and_its_connection_is_kept(new_transport, monkeypatch):
    def talk(connection):
        connection.send(http(body=b"{}"))
        return True

    transport = new_transport()
    with raw_server(talk) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for _ in range(3):
            assert ask(transport, "http://pay.example.org/api").body == b"{}"
        assert proxy.connections == 1
    assert proxy.requests[0].startswith(b"POST http://pay.example.org/api HTTP/1.1\r\n")


def test_a_proxy_that_takes_the_request_and_falls_silent_leaves_the_outcome_unknown(new_transport, monkeypatch):
    with silent_server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        said = refusal(new_transport(timeout=(LONG, 0.3)), "http://pay.example.org")
        assert said == ("The answer timed out.", True)
        wait_until(lambda: len(proxy.requests) == 1)


def test_a_proxy_that_takes_the_request_and_hangs_up_leaves_the_outcome_unknown(new_transport, monkeypatch):
    with raw_server(b"") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        said = ("The proxy could not be reached or broke off.", True)
        assert refusal(new_transport(), "http://pay.example.org") == said


def test_headers_that_trickle_through_a_proxy_end_with_the_deadline(new_transport, monkeypatch):
    with raw_server(lambda connection: trickle(proxy, connection, http(body=b"{}"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with ends_after(0.6):
            assert refusal(new_transport(deadline=0.6), "http://pay.example.org") == ("The answer timed out.", True)


def test_what_a_proxy_sends_is_bounded_also_when_it_is_thrown_away(new_transport, monkeypatch):
    sent = []
    with raw_server(lambda connection: send_huge_502(connection, sent)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(UnacceptableAnswer):
            ask(new_transport(), "http://pay.example.org", "GET")
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


def test_a_call_through_a_tunnel_is_answered(new_transport, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with (
        raw_server(http(body=b"{}"), tls=True) as server,
        raw_server(lambda connection: tunnel(server, connection)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        assert ask(new_transport(), server.url).body == b"{}"
        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:")
        assert KEY.encode() not in proxy.requests[0]


def test_silence_in_a_tunnel_leaves_the_outcome_unknown(new_transport, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with (
        silent_server(tls=True) as server,
        raw_server(lambda connection: tunnel(server, connection)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        transport = new_transport(timeout=(LONG, 0.3))
        assert refusal(transport, server.url) == ("The answer timed out.", True)
        wait_until(lambda: len(server.requests) == 1)


def test_a_tunnel_that_trickles_open_ends_with_the_deadline_and_sends_nothing(new_transport, monkeypatch):
    with raw_server(lambda connection: trickle(proxy, connection, http())) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with ends_after(0.6):
            assert refusal(new_transport(deadline=0.6), "https://pay.example.org")[1] is False


@pytest.mark.parametrize("variable", ["all_proxy", "http_proxy"])
def test_a_failure_behind_a_socks_proxy_leaves_the_outcome_unknown(new_transport, monkeypatch, variable):
    """Its connections are not ours, so that nothing records when the request leaves."""
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", lambda _proxy, **_options: PoolManager())
    monkeypatch.setenv(variable, "socks5://127.0.0.1:1")
    transport = new_transport(timeout=(LONG, 0.3))
    with silent_server() as server:
        for _ in range(2):
            assert refusal(transport, server.url) == ("The answer timed out.", True)


def test_a_socks_proxy_without_the_package_for_it_sends_nothing(new_transport, monkeypatch):
    def missing(*_args, **_kwargs):
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    assert refusal(new_transport(), "http://pay.example.org") == ("The call could not be carried out.", False)
