"""OpenTelemetry, set up as the guide says: what its spans say of our calls and pages, and what they do not."""

from __future__ import annotations

import hmac
import json
import re
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.test import Client
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from django_payram.exceptions import PayramUnavailable
from django_payram.models import Payment
from django_payram.payments import open_payment, refresh
from django_payram.testing.payram import TEST_KEY
from tests.docs.pages import ROOT, named
from tests.servers import closed_port

pytestmark = pytest.mark.django_db

GUIDE = "docs/howto/opentelemetry.rst"
HEADERS = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS"
QUESTION = "GET /api/v1/payment/reference/{reference}"


@pytest.fixture(scope="module")
def exported():
    """What is exported; a process has one provider for ever."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@contextmanager
def instrumented(exported, source):
    exported.clear()
    exec(source, {})
    try:
        yield exported
    finally:
        URLLib3Instrumentor().uninstrument()
        DjangoInstrumentor().uninstrument()


@pytest.fixture
def spans(exported):
    with instrumented(exported, named(GUIDE)["tracing.py"]):
        yield exported


def of_kind(spans, kind):
    return [span for span in spans.get_finished_spans() if span.kind == kind]


def calls(spans):
    return [span for span in of_kind(spans, SpanKind.CLIENT) if "/api/v1/" in span.attributes["http.url"]]


def text(spans):
    return "".join(span.to_json() for span in spans.get_finished_spans())


def live(payram, order):
    """Let a customer order, pay and look at the page, and calls fail; return the payment, and what nobody may see."""
    client = Client()
    client.post(f"/orders/{order.pk}/pay/")
    payment = Payment.objects.get()
    payram.pay(payment, 2)
    status = f"/payram/payments/{payment.token}/"
    client.get(status)
    client.get(f"{status}state/", headers={"Referer": f"https://testserver{status}"})
    body = json.dumps({"reference_id": payment.reference, "status": "PARTIALLY_FILLED"}).encode()
    signature = hmac.new(TEST_KEY.encode(), body, "sha256").hexdigest()
    headers = {"API-Key": TEST_KEY, "X-Payram-Signature": f"sha256={signature}"}
    answer = client.post("/payram/webhook/", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    with payram.down(), pytest.raises(PayramUnavailable):
        refresh(payment)
    call_command("payram_resync", "--all", verbosity=0)
    return payment, [TEST_KEY, signature, payment.customer_email, payment.customer_id, str(payment.token)]


def test_a_call_has_a_span_with_its_time_and_outcome(spans, payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    refresh(payment)
    with payram.sandbox.faulty("broken"), pytest.raises(PayramUnavailable):
        refresh(payment)
    created, asked, failed = calls(spans)
    assert (created.name, created.attributes["http.url"]) == ("POST", f"{payram.sandbox.url}/api/v1/payment")
    assert asked.name == failed.name == QUESTION
    assert asked.attributes["http.url"] == f"{payram.sandbox.url}/api/v1/payment/reference/{{reference}}"
    assert [span.attributes["http.status_code"] for span in (created, asked, failed)] == [200, 200, 500]
    assert [span.status.is_ok for span in (created, asked, failed)] == [True, True, False]
    assert all(span.start_time < span.end_time for span in (created, asked, failed))


def test_the_repeats_of_a_call_are_in_its_span(spans, payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    before = len(payram.sandbox.calls)
    with payram.sandbox.faulty("gateway"), pytest.raises(PayramUnavailable):
        refresh(payment)
    assert len(payram.sandbox.calls) > before + 1
    assert [span.name for span in calls(spans)] == ["POST", QUESTION]


def test_a_call_that_fails_altogether_is_an_error(spans, payram, order, settings):
    payment = open_payment(order, amount=order.total, email=order.email)
    settings.PAYRAM = {"default": {"BASE_URL": closed_port(), "API_KEY": TEST_KEY}}
    with pytest.raises(PayramUnavailable):
        refresh(payment)
    *_before, failed = calls(spans)
    assert (failed.name, failed.status.is_ok) == (QUESTION, False)
    assert TEST_KEY not in text(spans)


def test_a_call_is_part_of_the_page_that_made_it(spans, payram, order):
    Client().post(f"/orders/{order.pk}/pay/")
    (page,), (call,) = of_kind(spans, SpanKind.SERVER), calls(spans)
    assert call.parent.span_id == page.context.span_id


def test_a_call_of_polling_is_a_trace_of_its_own(spans, payram, order):
    open_payment(order, amount=order.total, email=order.email)
    call_command("payram_resync", "--all", verbosity=0)
    _created, asked = calls(spans)
    assert (asked.name, asked.parent) == (QUESTION, None)


def test_no_span_has_a_key_a_customer_or_a_token(spans, payram, order):
    _payment, secrets = live(payram, order)
    assert len(of_kind(spans, SpanKind.SERVER)) >= 5
    assert len(calls(spans)) >= 4
    assert "/payram/payments/{token}/" in text(spans)
    assert [secret for secret in secrets if secret in text(spans)] == []


def test_headers_that_are_kept_have_no_key_where_the_guide_leaves_it_out(exported, payram, order, monkeypatch):
    monkeypatch.setenv(f"{HEADERS}_SERVER_REQUEST", ".*")
    monkeypatch.setenv(f"{HEADERS}_CLIENT_REQUEST", ".*")
    (fields,) = re.findall(f"{HEADERS}_SANITIZE_FIELDS=([^`]+)", (ROOT / GUIDE).read_text())
    monkeypatch.setenv(f"{HEADERS}_SANITIZE_FIELDS", fields)
    with instrumented(exported, named(GUIDE)["tracing.py"]) as spans:
        _payment, secrets = live(payram, order)
    assert "[REDACTED]" in text(spans)
    assert [secret for secret in secrets if secret in text(spans)] == []


def test_without_the_guide_keys_tokens_and_references_are_exported(exported, payram, order, monkeypatch):
    """What the tests above look for is found where it is."""
    monkeypatch.setenv(f"{HEADERS}_SERVER_REQUEST", ".*")
    source = "from opentelemetry.instrumentation.{0} import {1} as I; I().instrument()"
    plain = [("django", "DjangoInstrumentor"), ("urllib3", "URLLib3Instrumentor")]
    with instrumented(exported, "\n".join(source.format(*one) for one in plain)) as spans:
        payment, (key, signature, _email, _customer, token) = live(payram, order)
    assert all(told in text(spans) for told in (key, signature, token, f"/reference/{payment.reference}"))
