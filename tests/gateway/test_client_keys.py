"""No key is shown: not in a repr, a message, a log or an error report."""

from __future__ import annotations

import logging
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramError
from tests.gateway.helpers import KEY, ORDER, REFERENCE, fails
from tests.servers import closed_port, http, raw_server

# Keys


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


FAULTS_SEEN = ["html", "redirect", "unauthorized", "throttled", "broken", "gateway", "code5", "cut_body", "huge_body"]


FAULTS_SEEN += ["not_json", "foreign_url"]


def test_no_log_no_message_and_no_repr_shows_the_key(connect, sandbox, caplog):
    """F42."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    client = connect(sandbox.url)
    said = [repr(client), repr(client.create(**ORDER))]
    for kind in FAULTS_SEEN:
        sandbox.inject_fault(None, kind)
        error = fails(client.create, **ORDER)
        said += [str(error), repr(error), repr(vars(error))]
        sandbox.clear_faults()
    error = fails(connect(closed_port()).create, **ORDER)
    said += [str(error), repr(error), str(error.__cause__)]
    assert len(said) == 2 + 3 * len(FAULTS_SEEN) + 3
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert KEY not in "".join(said) + caplog.text
    assert all(KEY not in str(vars(record)) for record in caplog.records)


# What a person, a browser and an error report see


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
