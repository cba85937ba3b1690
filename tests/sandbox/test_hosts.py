"""Under which names the sandbox answers: a page in a browser must not reach it under a name of its own."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest

from tests.sandbox.helpers import make


def ask(server, host, path="/"):
    """Return status and text of a page that is asked for under that name."""
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as connection:
        connection.putrequest("GET", path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture(params=[(), ("Payram.Local",)], ids=["alone", "with a name"])
def server(request):
    with make(allowed_hosts=request.param).serve() as serving:
        yield serving


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost.", "localhost:8001", "[::1]:8001", None, ""]
)
def test_names_of_this_machine_are_answered(server, host):
    """F104."""
    assert ask(server, host) == (200, "Welcome to Payram Core")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5",
        "[::1",
        "a@x",
        "evil@localhost",
        "evil.example:x@localhost",
        "localhost/x",
        "localhost?x",
        "localhost:x",
    ],
)
def test_any_other_name_is_refused(server, host):
    """F104: a name that an attacker lets point at this machine."""
    status, text = ask(server, host)
    assert (status, "give it as an allowed host" in text) == (421, True)


def test_a_name_that_was_allowed_is_answered():
    with make(allowed_hosts=["Payram.Local.:8001"]).serve() as server:
        assert ask(server, "payram.local:8001")[0] == 200
    with make().serve() as server:
        assert ask(server, "payram.local:8001")[0] == 421


@pytest.mark.parametrize("name", ["http://payram.local", "payram.local/x", "", "a b"])
def test_what_is_no_name_cannot_be_allowed(name):
    with pytest.raises(ValueError, match="An allowed host of the sandbox is a name or an address"):
        make(allowed_hosts=[name])


def test_calls_of_the_api_are_refused_as_well():
    with make().serve() as server:
        assert ask(server, "evil.example", "/api/v1/health")[0] == 421
