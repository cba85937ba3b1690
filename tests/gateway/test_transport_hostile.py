"""A server, or whatever stands between, that answers with nonsense: every outcome is typed, and none takes long."""

from __future__ import annotations

import gzip
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_payram.gateway.responses import Answer, NoAnswer, UnacceptableAnswer
from django_payram.gateway.transport import Transport
from tests.gateway.helpers import LONG, ends_after, refusal
from tests.servers import full_backlog, http, raw_server

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def outcome(answer, method="GET"):
    """Return what comes of a call that is answered with these bytes."""
    transport = Transport(timeout=(LONG, LONG), deadline=LONG)
    try:
        with raw_server(answer) as server:
            return transport.send(method, server.url, headers={"API-Key": "k"})
    except (NoAnswer, UnacceptableAnswer) as exc:
        return exc
    finally:
        transport.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "length", [b"-5", b"-" + b"5" * 22, b"f" * 40, b"zz", b"", b"5;" + b"x" * 70_000, b"0x5", b"+5", b"5_0", b"\xff"]
)
def test_a_malformed_chunk_length_is_a_broken_answer_or_refused(length, method):
    """F71."""
    result = outcome(CHUNKED + length + b"\r\nhello\r\n0\r\n\r\n", method)
    assert isinstance(result, Answer | NoAnswer | UnacceptableAnswer)
    if isinstance(result, NoAnswer):
        assert result.sent


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/9.9 99999 \r\n\r\n",
        b"\x00\x01\x02",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=\xff\r\n\r\n{}",
    ],
    ids=["many headers", "long header", "length", "negative length", "status", "binary", "nothing", "charset"],
)
def test_a_malformed_head_is_typed(answer):
    """F71."""
    assert isinstance(outcome(answer), Answer | NoAnswer | UnacceptableAnswer)


HEADS = st.one_of(
    st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 500 \r\n", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n", b""]),
    st.builds(b"HTTP/1.1 %d %b\r\n".__mod__, st.tuples(st.integers(-1, 10_000), st.binary(max_size=20))),
    st.just(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\n"),
)
LENGTHS = [
    b"Content-Length: 5",
    b"Content-Length: 05, 5",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: \xb2",
]
ENCODINGS = [b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: \xe9"]
CODINGS = [b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: identity", b"Content-Encoding: \xff"]
OTHER = [b"Connection: close", b"Content-Type: text/html", b"Retry-After: \xb2", b": no name", b"no colon", b" folded"]
HEADERS = st.lists(
    st.one_of(
        st.sampled_from([*LENGTHS, *ENCODINGS, *CODINGS, *OTHER]),
        st.builds(b"%b: %b".__mod__, st.tuples(st.binary(max_size=10), st.binary(max_size=40))),
        st.integers(90, 200).map(lambda count: b"\r\n".join([b"X-Flood: x"] * count)),
    ),
    max_size=4,
)
SIZES = st.one_of(
    st.integers(-20, 100).map(lambda size: b"%x" % size if size >= 0 else b"-%x" % -size),
    st.sampled_from([b"f" * 16, b"f" * 40, b"zz", b"", b"5;ext=1", b"0x5", b"5_0", b" 5 ", b"\xff", b"1e1"]),
)
CHUNKS = st.lists(st.builds(b"%b\r\n%b\r\n".__mod__, st.tuples(SIZES, st.binary(max_size=30))), max_size=4)
BODIES = st.one_of(st.binary(max_size=60), CHUNKS.map(b"".join), CHUNKS.map(lambda chunks: b"".join(chunks) + b"0\r\n"))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HEADS, HEADERS, BODIES, st.one_of(st.none(), st.integers(0, 300)))
def test_whatever_a_server_answers_the_outcome_is_typed(head, headers, body, end):
    """F71: also where the answer ends early, at any byte."""
    answer = head + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body
    assert isinstance(outcome(answer[:end]), Answer | NoAnswer | UnacceptableAnswer)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "nonsense"])
def test_a_compressed_answer_is_refused_unread(encoding):
    """F73: a few hundred bytes may unpack to a gigabyte."""
    packed = gzip.compress(b"x" * 50_000_000)
    result = outcome(http(body=packed, Content_Encoding=encoding))
    assert isinstance(result, UnacceptableAnswer)
    assert str(result) == "The answer is compressed, although no compression was asked for."


def test_several_silent_addresses_take_no_longer_than_the_deadline(new_transport, monkeypatch):
    """F72: the deadline is one, however many addresses a name has."""
    with full_backlog() as url:
        port = int(url.rpartition(":")[2])
        silent = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 100
        real = socket.getaddrinfo

        def look_up(host, *args, **kwargs):
            return silent if host == "pay.example.test" else real(host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with ends_after(0.5):
            assert refusal(new_transport(deadline=0.5), "http://pay.example.test") == (
                "The connection timed out.",
                False,
            )
