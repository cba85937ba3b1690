"""A day in the life of a shop, with every logger at DEBUG: no key and no signature is left behind anywhere."""

from __future__ import annotations

import hmac
import io
import json
import logging
import pickle
from contextlib import suppress
from urllib.parse import unquote

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from django_payram import conf
from django_payram.exceptions import PayramError
from django_payram.gateway.client import client_for
from django_payram.models import Payment, PaymentEvent
from django_payram.payments import open_payment, refresh
from django_payram.signals import payment_updated
from django_payram.testing.payram import TEST_KEY
from tests.servers import closed_port

pytestmark = pytest.mark.django_db

OLD_KEY = "01d-key-01d-key-01d-key-01d-key"
WEBHOOK_KEY = "h00k-key-h00k-key-h00k-key-h00k"
KEYS = (TEST_KEY, OLD_KEY, WEBHOOK_KEY)

FAULTS = ["html", "redirect", "unauthorized", "throttled", "broken", "gateway", "code5", "cut_body", "not_json"]


def proof(body, key=TEST_KEY):
    return hmac.new(key.encode(), body, "sha256").hexdigest()


class Day:
    """What happens to a shop; ``secrets`` are the keys and every signature that was sent."""

    def __init__(self, payram, settings):
        self.payram, self.settings = payram, settings
        self.secrets = set(KEYS)
        self.said = io.StringIO()
        self.failures = 0

    def post_webhook(self, body, *, key=TEST_KEY, signed=True, method="POST", path="/payram/webhook/"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"API-Key": key}
        if signed:
            headers["X-Payram-Signature"] = f"sha256={proof(data, key)}"
            self.secrets.add(proof(data, key))
        client = Client(raise_request_exception=False)
        answer = client.generic(method, path, data, content_type="application/json", headers=headers)
        self.said.write(answer.content.decode() + str(answer.headers))
        return answer.status_code

    def command(self, name, *arguments):
        with suppress(SystemExit):
            call_command(name, *arguments, stdout=self.said, stderr=self.said)

    def webhooks(self, payment):
        """Send what fits, what does not, and what quotes keys wherever a field takes text."""
        body = {"reference_id": payment.reference, "status": "FILLED", "note": KEYS}
        quoting = dict.fromkeys(("status", "currency", "deposit_address", "invoice_id", "customer_email"), TEST_KEY)
        return [
            self.post_webhook(body, key="wrong-key-wrong-key-wrong-key"),
            self.post_webhook(body, key=WEBHOOK_KEY, signed=False, method="GET"),
            self.post_webhook({**body, **quoting}),
            self.post_webhook({**quoting, "reference_id": "nobody"}),
            self.post_webhook({"event_type": TEST_KEY}),
            self.post_webhook(b'{"%b": 1, "%b": 2}' % ((TEST_KEY.encode(),) * 2)),
            self.post_webhook(TEST_KEY.encode()),
            self.post_webhook({"reference_id": TEST_KEY + "!"}),
        ]

    def failed(self, call):
        try:
            call()
        except PayramError as exc:
            self.failures += 1
            self.said.write(str(exc) + repr(exc) + repr(vars(exc)))

    def payram_failures(self, order, payment):
        """Let PayRam fail in every way."""
        for kind in FAULTS:
            self.payram.sandbox.inject_fault(None, kind)
            for call in (lambda: open_payment(order, amount=7, email=order.email), lambda: refresh(payment)):
                self.failed(call)
            self.said.write(Client().post(f"/orders/{order.pk}/pay/").content.decode())
            self.said.write(Client().post(f"/api/orders/{order.pk}/pay/").content.decode())
            self.payram.sandbox.clear_faults()


@pytest.fixture
def day(payram, settings):
    payram.sandbox.webhooks = False
    default = {**settings.PAYRAM["default"], "API_KEY": [TEST_KEY, OLD_KEY], "WEBHOOK_KEYS": [WEBHOOK_KEY]}
    settings.PAYRAM = {"default": default}
    return Day(payram, settings)


@pytest.fixture
def _receiver_quotes_keys():
    """A receiver that quotes every key in its error."""

    def receiver(**_kwargs):
        raise RuntimeError(f"The keys are {' '.join(KEYS)}.")

    payment_updated.connect(receiver)
    yield
    payment_updated.disconnect(receiver)


@pytest.fixture
def _everything_is_logged(caplog, monkeypatch):
    """Every logger at DEBUG, those of requests, urllib3 and the database as well."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "django", "django.db.backends", "django.request", "django_payram"):
        caplog.set_level(logging.DEBUG, logger=name)
    for connection in connections.all():
        monkeypatch.setattr(connection, "force_debug_cursor", True)


def rows():
    """Return everything that is in the database."""
    return repr([list(model._base_manager.values_list()) for model in apps.get_models()])


def pages(admin_client):
    """Yield every page that shows something of payments."""
    admin = "/admin/django_payram/"
    for path in (f"{admin}payment/", f"{admin}paymentevent/", f"{admin}payment/doctor/", "/admin/"):
        yield admin_client.get(path)
    for payment in Payment.objects.all():
        yield admin_client.get(f"{admin}payment/{payment.pk}/change/")
        yield admin_client.get(reverse("payram:status", args=[payment.token]))
        yield admin_client.get(reverse("payram:status-api", args=[payment.token]))
    for event in PaymentEvent.objects.all():
        yield admin_client.get(f"{admin}paymentevent/{event.pk}/change/")


@pytest.mark.usefixtures("_everything_is_logged", "_receiver_quotes_keys")
def test_nothing_shows_a_key_or_a_signature(day, order, admin_client, caplog):
    """F42: neither a log record of any level, nor a row, an answer, an error, a page, or what a command prints."""
    payment = open_payment(order, amount=order.total, email=order.email)
    day.payram.pay(payment, 20)
    assert day.webhooks(payment) == [401, 500, 500, 200, 200, 400, 400, 400]
    day.payram_failures(order, payment)
    assert day.failures > len(FAULTS)
    day.settings.PAYRAM = {"default": {**day.settings.PAYRAM["default"], "BASE_URL": day.payram.sandbox.url}}
    for arguments in (["payram_resync", "--all"], ["payram_resync", "--all", "--json"], ["payram_doctor"]):
        day.command(*arguments)
    day.settings.PAYRAM = {"default": {**day.settings.PAYRAM["default"], "BASE_URL": closed_port()}}
    for arguments in (["payram_doctor"], ["payram_doctor", "--json"], ["payram_adopt", "unknown"], ["check"]):
        try:
            day.command(*arguments)
        except Exception as exc:
            day.said.write(repr(exc))
    admin_client.post(f"/admin/django_payram/payment/{payment.pk}/ask/", follow=True)
    shown = [page.content.decode() + str(page.headers) for page in pages(admin_client)]
    records = [str(vars(record)) + record.getMessage() for record in caplog.records]

    names = {record.name.split(".")[0] for record in caplog.records}
    assert {"django_payram", "django", "urllib3"} <= names
    assert any("UPDATE " in record or "INSERT INTO" in record for record in records)
    assert "[key]" in rows() and "[key]" in "".join(shown)
    for place in (records, shown, [rows(), day.said.getvalue(), caplog.text]):
        text = "".join(place)
        assert not [secret for secret in day.secrets if secret in text or secret.upper() in text]


@pytest.mark.parametrize("query", ["reference_id=nobody&status={key}&note={key}", "note={key}", "status={key}"])
def test_a_key_in_a_query_is_neither_answered_nor_kept(day, query):
    """F42: the web server has logged it by then, but it goes no further."""
    day.post_webhook(b"", method="GET", signed=False, path="/payram/webhook/?" + query.format(key=OLD_KEY))
    assert "[key]" in unquote(rows())
    assert OLD_KEY not in (rows() + day.said.getvalue()).lower()


def test_no_repr_shows_a_key(day):
    """F42: not of a project, its client, or anything inside them; and equal keys stay equal."""
    project = conf.project()
    client = client_for(project)
    said = [repr(one) for one in (project, client, vars(project), vars(client), project.accepted_keys)]
    said += [repr(conf.projects()), f"{project} {client}", f"{project.api_keys!r}", str(vars(client))]
    assert not [key for key in KEYS if key in "".join(said)]
    assert project.accepted_keys == KEYS
    assert pickle.loads(pickle.dumps(project)) == project


def test_a_session_remembers_a_token_and_no_more(day, order):
    client = Client()
    assert client.post(f"/orders/{order.pk}/pay/").status_code == 303
    kept = [session.get_decoded() for session in Session.objects.all()]
    assert kept == [{"payram_payment": [str(Payment.objects.get().token)]}]
