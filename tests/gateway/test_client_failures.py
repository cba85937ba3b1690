"""Calls without an answer, answers that are none, and refusals."""

from __future__ import annotations

import socket

import pytest

from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.models.states import State
from tests.gateway.helpers import ORDER, REFERENCE, answered, ends_after, fails
from tests.samples import sample
from tests.servers import closed_port, http, raw_server, silent_server
from tests.waiting import wait_until

# No answer


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
    with silent_server() as server:
        client = connect(server.url, TIMEOUT=(30, 0.2))
        with ends_after({"create": 0.2, "fetch": 0.6}[call]):
            error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, REFERENCE)
        wait_until(lambda: len(server.requests) == {"create": 1, "fetch": 3}[call])
    assert isinstance(error, PayramUnavailable)
    assert (error.definite, error.status) == (False, None)
    assert str(error) == "PayRam at 127.0.0.1 could not be asked. The answer timed out."


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body"])
@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_dripping_server_ends_with_the_deadline(connect, sandbox, kind, call):
    """F19."""
    reference = connect(sandbox.url).create(**ORDER).reference
    client = connect(sandbox.url, DEADLINE=0.4)
    sandbox.inject_fault(None, kind)
    with ends_after(0.4):
        error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, reference)
    assert isinstance(error, PayramUnavailable)
    assert not error.definite


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_body_that_breaks_off_is_not_definite(connect, sandbox, call):
    client = connect(sandbox.url)
    reference = client.create(**ORDER).reference
    sandbox.inject_fault(None, "cut_body")
    error = fails(client.create, **ORDER) if call == "create" else fails(client.fetch, reference)
    assert isinstance(error, PayramUnavailable)
    assert not error.definite
    assert str(error) == "PayRam at 127.0.0.1 could not be asked. The answer broke off in the middle."


def test_a_body_over_the_limit_is_not_payrams(connect, sandbox):
    """F19."""
    client = connect(sandbox.url)
    sandbox.inject_fault(None, "huge_body")
    error = fails(client.create, **ORDER)
    assert isinstance(error, PayramDataError)
    assert str(error) == "PayRam's answer is not one of its own. The answer is larger than 1048576 bytes."


# Answers that are none


def test_a_redirect_is_not_followed_and_the_key_stays_here(connect):
    """F56: the key can create payouts."""
    with raw_server(answered()) as target:
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
    sandbox.inject_fault(None, "redirect")
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
    with raw_server(http(299, answered().partition(b"\r\n\r\n")[2])) as server:
        assert connect(server.url).fetch(REFERENCE).state == State.OPEN


@pytest.mark.parametrize("call", ["create", "fetch"])
def test_a_web_page_means_a_wrong_base_url(connect, sandbox, call):
    """F19."""
    client = connect(sandbox.url)
    sandbox.inject_fault(None, "html")
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


# Refusals


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
def test_what_the_sandbox_refuses_is_distinguished(connect, sandbox, kind, error, status, code):
    sandbox.inject_fault(None, kind)
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
    sandbox.inject_fault(None, "throttled")
    assert fails(connect(sandbox.url).fetch, REFERENCE).retry_after == 7
