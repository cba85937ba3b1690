"""One deadline for a whole call."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.gateway.helpers import LONG, ask, ends_after, refusal, trickle
from tests.servers import full_backlog, http, raw_server, silent_server
from tests.waiting import wait_until


@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("GET", 3)])
def test_headers_that_do_not_come_time_out(new_transport, method, times):
    with silent_server() as server:
        with ends_after(0.3 * times):
            assert refusal(new_transport(timeout=(LONG, 0.3)), server.url, method) == ("The answer timed out.", True)
        wait_until(lambda: len(server.requests) == times)


def test_a_body_that_does_not_come_times_out(new_transport):
    def talk(connection):
        connection.send(http(Content_Length=10))
        server.closing.wait()

    with raw_server(talk) as server, ends_after(1):
        said = refusal(new_transport(timeout=(LONG, 1)), server.url)
        assert said == ("The answer broke off in the middle.", True)


def test_headers_that_trickle_end_with_the_deadline(new_transport):
    with raw_server(lambda connection: trickle(server, connection, http(body=b"{}"))) as server, ends_after(0.6):
        assert refusal(new_transport(deadline=0.6), server.url) == ("The answer timed out.", True)


def test_a_body_that_trickles_ends_with_the_deadline(new_transport):
    def talk(connection):
        connection.send(http(Content_Length=100))
        trickle(server, connection, b"x" * 100)

    with raw_server(talk) as server, ends_after(2):
        said = refusal(new_transport(deadline=2), server.url)
        assert said == ("The answer broke off in the middle.", True)


def test_a_trickle_that_ends_in_time_is_an_answer(new_transport):
    """It takes longer than the time-out for reading, which holds for each read."""

    def talk(connection):
        answer = http(body=b"{}")
        for number in range(5):
            connection.send(answer[number : number + 1])
            server.closing.wait(0.5)
        connection.send(answer[5:])

    with raw_server(talk) as server, ends_after(2.5):
        assert ask(new_transport(timeout=(LONG, 2)), server.url).body == b"{}"


def test_silence_within_the_time_out_ends_with_the_deadline(new_transport):
    with silent_server() as server, ends_after(0.4):
        assert refusal(new_transport(deadline=0.4), server.url) == ("The answer timed out.", True)


def test_connecting_ends_with_the_deadline(new_transport):
    with full_backlog() as url, ends_after(0.4):
        assert refusal(new_transport(deadline=0.4), url) == ("The connection timed out.", False)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_looking_a_name_up_ends_with_the_deadline(new_transport, monkeypatch, method):
    found = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found.wait(LONG) and [])
    with ends_after(0.4):
        assert refusal(new_transport(deadline=0.4), "http://pay.example.test", method) == (
            "The connection timed out.",
            False,
        )
    found.set()


def test_a_name_is_looked_up_once_by_a_thread_that_may_be_left_behind(new_transport, monkeypatch):
    seen = []

    def look_up(*_args, **options):
        thread = threading.current_thread()
        seen.append((thread.name, thread.daemon, options))
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    refusal(new_transport(), "http://pay.example.test")
    assert seen == [("django_payram-look-up", True, {"type": socket.SOCK_STREAM})]


def test_repeating_a_get_does_not_prolong_the_deadline(new_transport):
    """The second request would be answered at once."""

    def talk(connection):
        if len(server.requests) == 1:
            server.closing.wait()
        connection.send(http())

    with raw_server(talk) as server, ends_after(0.5):
        refusal(new_transport(deadline=0.5), server.url, "GET")


def test_each_call_has_a_deadline_of_its_own(new_transport):
    def talk(connection):
        server.closing.wait(0.7)
        connection.send(http())
        return True

    transport = new_transport(deadline=2)
    with raw_server(talk) as server, ends_after(2.1):
        for _ in range(3):
            assert ask(transport, server.url).status == 200
        assert server.connections == 1


def test_a_call_may_be_given_its_end(new_transport):
    with silent_server() as server, ends_after(0.4):
        transport = new_transport()
        ends = time.monotonic() + 0.4
        assert refusal(transport, server.url, ends=ends) == ("The answer timed out.", True)


def test_a_short_deadline_does_not_shorten_that_of_another_thread(new_transport):
    short, long = new_transport(deadline=0.2), new_transport()
    other = threading.Thread(target=lambda: refusal(short, server.url))

    def talk(connection):
        """Answer the long call in two parts; between them the short one begins and gives up."""
        if len(server.requests) == 1:
            connection.send(http(body=b"{}")[:-1])
            other.start()
            other.join()
            connection.send(b"}")
        else:
            server.closing.wait()

    with raw_server(talk) as server:
        assert ask(long, server.url).body == b"{}"
        wait_until(lambda: len(server.requests) == 2)
