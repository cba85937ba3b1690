"""Whatever anybody sends, to the webhook and as PayRam's answer, meets an answer or an error of ours.

More of it: ``pytest tests/gateway/test_fuzz.py --hypothesis-profile=deep``.
"""

from __future__ import annotations

import contextlib
import json
from contextlib import closing

import pytest
from django.test import Client, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramError
from django_payram.gateway import fields, payloads
from django_payram.gateway.client import Client as PayramClient
from django_payram.gateway.signatures import signature
from django_payram.models import Payment
from django_payram.testing.factories import PaymentFactory
from tests.servers import http, raw_server

KEY = "5a6e64626f782d6b65792d7465737473"

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)

SPELLINGS = sorted({spelling for spellings in fields.SPELLINGS.values() for spelling in spellings})
WORDS = st.sampled_from([*fields.STATES, "UNDEFINED", "", "paid"])
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.sampled_from(["1e99", "1e-99", "-0", "0", "49.99", "1e400", "٤"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=30))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
OBJECTS = st.dictionaries(st.sampled_from([*SPELLINGS, "error", "message", "code", "x"]), VALUES, max_size=8)
PAYLOADS = st.one_of(
    st.binary(max_size=300),
    OBJECTS.map(lambda fields: json.dumps(fields).encode()),
    OBJECTS.map(lambda fields: json.dumps({**fields, "reference_id": "known"}).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    # Numbers that Python's JSON writes none of: beyond its floats, and beyond what its Decimal computes with.
    st.from_regex(rb"-?[0-9]{1,20}(\.[0-9]{1,20})?[eE][+-]?[0-9]{1,19}", fullmatch=True).map(
        lambda number: b'{"reference_id": "known", "timestamp": %b, "amount": %b}' % (number, number)
    ),
)
# Header values as a server hands them on: anything Latin-1 without line ends.
HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=80)


@pytest.fixture
def _project(settings, db):
    settings.PAYRAM = {
        "default": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": KEY, "TIMEOUT": (0.2, 0.2), "CONFIRM_WEBHOOKS": False}
    }
    PaymentFactory(reference="known", customer_id="customer")


def post_webhook(**options):
    client = Client(raise_request_exception=True)
    return client.generic(options.pop("method"), "/payram/webhook/", **options).status_code


@pytest.mark.usefixtures("_project")
@relaxed
@given(
    method=st.sampled_from(["GET", "POST"]),
    body=PAYLOADS,
    headers=st.dictionaries(st.sampled_from(["API-Key", "X-Payram-Signature", "X-Webhook-Test"]), HEADER),
    query=st.text(max_size=60),
)
def test_without_a_key_nothing_raises_and_nothing_is_stored(method, body, headers, query):
    assert post_webhook(method=method, data=body, headers=headers, query_params={"reference_id": query}) in (200, 401)
    assert Payment.objects.get().paid_at is None


@pytest.mark.usefixtures("_project")
@relaxed
@given(method=st.sampled_from(["GET", "POST"]), body=PAYLOADS, signed=st.booleans())
def test_an_authenticated_sender_of_nonsense_meets_a_plain_answer(method, body, signed):
    headers = {"API-Key": KEY}
    if signed:
        headers["X-Payram-Signature"] = signature(KEY, body)
    assert post_webhook(method=method, data=body, headers=headers, content_type="application/json") in (200, 400, 503)


@pytest.mark.usefixtures("_project")
@relaxed
@given(query=st.dictionaries(st.sampled_from(SPELLINGS), st.text(max_size=40), max_size=6))
def test_a_query_of_nonsense_meets_a_plain_answer(query):
    assert post_webhook(method="GET", query_params=query, headers={"API-Key": KEY}) in (200, 400, 503)


@relaxed
@given(body=PAYLOADS)
def test_every_answer_is_read_or_refused(body):
    for read in (payloads.read_created, payloads.read_status, payloads.read_webhook):
        with contextlib.suppress(PayramDataError):
            read(body)
    assert isinstance(payloads.read_error(body), payloads.ErrorAnswer)


ANSWERS = st.builds(
    http,
    st.sampled_from([200, 201, 204, 301, 302, 400, 401, 404, 409, 429, 500, 503]),
    PAYLOADS,
    Location=HEADER,
    Retry_After=HEADER,
    Connection=st.just("close"),
)


@relaxed
@given(answer=st.one_of(ANSWERS, st.binary(max_size=200)))
def test_every_answer_of_a_server_is_read_or_one_of_our_errors(answer):
    with raw_server(answer) as server, closing(client_of(server.url)) as client:
        order = {"customer_email": "a@example.org", "customer_id": "kim", "amount_usd": 1, "invoice_id": "x"}
        for call in (lambda: client.create(**order), lambda: client.fetch("known", customer_id="kim")):
            with contextlib.suppress(PayramError):
                call()


def client_of(url):
    with override_settings(PAYRAM={"default": {"BASE_URL": url, "API_KEY": KEY, "TIMEOUT": (1, 1), "DEADLINE": 2}}):
        return PayramClient(conf.project())
