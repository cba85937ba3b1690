"""What our records carry beside their words: the payment, its reference and its project."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
import uuid
from datetime import timedelta
from logging.config import DictConfigurator
from pathlib import Path
from types import ModuleType

import pytest
from django.db import OperationalError
from django.urls import reverse

import django_payram
from django_payram.exceptions import PayramError
from django_payram.models import Payment
from django_payram.payments import open_payment, quotes, refresh, transitions, webhooks
from django_payram.payments.refresh import refresh_if_stale
from django_payram.polling import worker
from django_payram.testing.payram import TEST_KEY
from tests.docs.pages import named

PACKAGE = Path(django_payram.__file__).parent
LOGS = re.compile(r"log\w*\.(debug|info|warn|warning|error|exception|critical|fatal|log)")

ABOUT_NO_PAYMENT = {
    # Nothing was opened: the shop asked for what cannot be.
    "An order cannot be paid as it is, at %s. %s",
    # Nothing was read yet, or nothing can be.
    "A webhook found the database busy. %s",
    "A webhook was refused. %s",
    "A webhook could not be read and is not kept once more. %s",
    "PayRam sent the event %r, which is not about a payment.",
    # About many.
    "Payments could not be claimed, because another worker is claiming some. %s",
    "The database could not be reached; trying again soon. %s",
    "The managers could not be mailed. %s",
    "When to ask about some payments again could not be written. %s",
    "Pruned: %s",
    "Resync: %s",
}


def calls():
    """Yield the words of each record of ours, and what it carries. The sandbox knows no payments."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and LOGS.fullmatch(ast.unparse(node.func)):
                words = next(one.value for one in node.args if isinstance(one, ast.Constant))
                yield words, [ast.unparse(one.value) for one in node.keywords if one.arg == "extra"]


def test_every_record_about_a_payment_says_which():
    found = list(calls())
    assert {words for words, extra in found if not extra} == ABOUT_NO_PAYMENT
    assert all(one == "fields" or one.startswith("log_fields(") for _words, extra in found for one in extra)
    assert sum(bool(extra) for _words, extra in found) >= 17


def records(caplog):
    return [record for record in caplog.records if record.name == "django_payram"]


def carried(caplog, words):
    """Return what the only record with these words carries."""
    (record,) = [one for one in records(caplog) if words in one.getMessage()]
    return record.payment, record.reference, record.project


def facts(payment):
    return str(payment.token), payment.reference or "", payment.project


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email="ada@example.com")


@pytest.fixture(autouse=True)
def _nothing_secret(caplog):
    """Whatever a test logs: no key and no address, and text alone."""
    caplog.set_level(logging.DEBUG, logger="django_payram")
    yield
    for record in records(caplog):
        text = json.dumps([getattr(record, name, "") for name in ("payment", "reference", "project")])
        assert TEST_KEY not in text
        assert "@" not in text + record.getMessage()


def post_webhook(client, **body):
    return client.post(
        reverse("payram:webhook"), body, content_type="application/json", headers={"API-Key": TEST_KEY}
    ).status_code


@pytest.mark.django_db
def test_a_webhook_that_cannot_be_confirmed(payram, client, payment, caplog):
    payram.sandbox.inject_fault(None, "broken")
    assert post_webhook(client, reference_id=payment.reference, status="FILLED") == 503
    assert carried(caplog, "could not be confirmed") == facts(payment)


@pytest.mark.django_db
def test_a_webhook_about_a_payment_that_nobody_knows(payram, client, payment, caplog, settings):
    payram.sandbox.inject_fault(None, "broken")
    body = {"reference_id": "nobody-knows", "status": "FILLED", "customer_id": payment.customer_id}
    assert post_webhook(client, **body) == 503
    assert carried(caplog, "could not be confirmed") == ("", "nobody-knows", "default")


@pytest.mark.django_db
def test_a_webhook_about_a_payment_whose_reference_is_not_known_yet(payram, client, payment, caplog):
    """It names the invoice, which is the payment's token."""
    Payment.objects.update(reference=None, created_at=payment.created_at - timedelta(hours=1))
    payram.sandbox.inject_fault(None, "broken")
    body = {"reference_id": payment.reference, "status": "FILLED", "invoice_id": str(payment.token)}
    assert post_webhook(client, **body, customer_id=payment.customer_id) == 503
    assert carried(caplog, "could not be confirmed") == facts(payment)


@pytest.mark.django_db
def test_a_receiver_that_fails(payram, client, payment, caplog, listener):
    listener.fail_on = {"payment_updated", "payment_paid"}
    payram.sandbox.pay(payment.reference)
    assert post_webhook(client, reference_id=payment.reference, status="FILLED") == 500
    assert carried(caplog, "A receiver of payment_paid failed") == facts(payment)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/orders/{}/pay/", "/api/orders/{}/pay/"])
def test_a_checkout_that_gets_no_link(payram, client, order, caplog, path):
    payram.sandbox.inject_fault(None, "broken")
    assert client.post(path.format(order.pk)).status_code == 503
    assert carried(caplog, "No payment link could be made") == facts(Payment.objects.get())


@pytest.mark.django_db
def test_a_checkout_of_a_project_that_takes_no_payments(payram, client, order, caplog, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "ENABLED": False}}
    assert client.post(f"/orders/{order.pk}/pay/").status_code == 503
    assert carried(caplog, "No payment link could be made") == ("", "", "")


@pytest.mark.django_db
def test_an_error_of_a_call_knows_its_payment(payram, order, payment):
    """It is the payment of the call, for whoever catches it."""
    payram.sandbox.inject_fault(None, "broken")
    with pytest.raises(PayramError) as caught:
        open_payment(order, amount=7, email=order.email)
    assert caught.value.payment == Payment.objects.latest("pk")
    with pytest.raises(PayramError) as caught:
        refresh(payment)
    assert caught.value.payment is None


@pytest.mark.django_db
def test_a_status_page_that_cannot_ask(payram, payment, caplog):
    payram.sandbox.inject_fault(None, "broken")
    refresh_if_stale(payment)
    assert carried(caplog, "for the status page of") == facts(payment)


@pytest.mark.django_db
def test_a_page_without_a_database(payment, client, caplog, monkeypatch):
    def busy(*_args, **_kwargs):
        raise OperationalError("busy")

    monkeypatch.setattr("django_payram.views.status.refreshed", busy)
    monkeypatch.setattr("django_payram.views.status._by_session", busy)
    token = uuid.uuid4()
    assert client.get(reverse("payram:status", args=[token])).status_code == 503
    assert carried(caplog, "found the database busy") == (str(token), "", "")
    caplog.clear()
    assert client.get(reverse("payram:return")).status_code == 503
    assert carried(caplog, "found the database busy") == ("", "", "")


@pytest.mark.django_db
def test_coins_that_cannot_be_read(payram, payment, caplog):
    payram.sandbox.inject_fault(None, "broken")
    quotes.quote_for(payment)
    assert carried(caplog, "does not say how") == facts(payment)


@pytest.mark.django_db
def test_coins_that_are_not_asked_for(payment, caplog, monkeypatch):
    def busy(*_args, **_kwargs):
        raise OperationalError("busy")

    quotes.quote_for(payment)
    monkeypatch.setattr("django.db.models.query.QuerySet.update", busy)
    quotes.quote_for(payment)
    assert carried(caplog, "was not asked how") == facts(payment)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["payram:pay", "payram:methods-api"])
def test_a_coin_without_an_address(payram, payment, client, caplog, path, monkeypatch):
    monkeypatch.setattr("django_payram.views.pay.choose", _no_answer)
    assert client.post(reverse(path, args=[payment.token]), {"method": "BTC"}).status_code == 503
    assert carried(caplog, "No deposit address") == facts(payment)


def _no_answer(*_args):
    raise PayramError("PayRam gave no answer.")


@pytest.mark.django_db
def test_polling_that_cannot_record_or_notify(payram, payment, caplog, monkeypatch, listener):
    def busy(*_args, **_kwargs):
        raise OperationalError("busy")

    listener.fail_on = {"payment_paid"}
    payram.sandbox.pay(payment.reference)
    refresh(payment)
    Payment.objects.update(next_check_at=None, next_delivery_at=payment.created_at)
    monkeypatch.setattr(transitions, "notify", busy)
    monkeypatch.setattr(transitions, "apply", busy)
    list(worker.run(Payment.objects.all()))
    assert carried(caplog, "could not be recorded") == facts(payment)
    worker._notify(payment)
    assert carried(caplog, "could not be notified") == facts(payment)


@pytest.mark.django_db
def test_a_kept_webhook_that_cannot_be_handled(payram, client, payment, caplog):
    payram.sandbox.inject_fault(None, "broken")
    body = {"reference_id": "nobody-knows", "status": "FILLED", "customer_id": payment.customer_id}
    assert post_webhook(client, **body) == 503
    webhooks.retry_kept_webhooks()
    assert carried(caplog, "A kept webhook about") == ("", "nobody-knows", "default")


@pytest.mark.django_db
def test_the_guide_writes_them_as_json(payram, client, payment, capsys):
    """Its formatter, run as it is written."""
    names = {}
    exec(named("docs/howto/logs.rst")["a line of json"], names)
    handler = logging.StreamHandler()
    handler.setFormatter(names["JSONFormatter"]())
    logger = logging.getLogger("django_payram")
    logger.addHandler(handler)
    try:
        payram.sandbox.inject_fault(None, "broken")
        post_webhook(client, reference_id=payment.reference, status="FILLED")
        logger.info("About no payment.")
    finally:
        logger.removeHandler(handler)
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first.pop("message").startswith(f"A webhook about {payment.reference} could not be confirmed.")
    token, reference, project = facts(payment)
    assert first == {"level": "WARNING", "payment": token, "reference": reference, "project": project}
    assert second == {"level": "INFO", "message": "About no payment."}


def test_the_guide_sets_it_up(monkeypatch):
    """Without what would stay for the other tests."""
    formatter, setting = {}, {}
    exec(named("docs/howto/logs.rst")["a line of json"], formatter)
    exec(named("docs/howto/logs.rst")["the setting"], setting)
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.logs", module := ModuleType("shop.logs"))
    module.JSONFormatter = formatter["JSONFormatter"]
    monkeypatch.setattr(sys.modules["shop"], "logs", module, raising=False)
    declared = setting["LOGGING"]
    (handler,) = declared["loggers"].pop("django_payram")["handlers"]
    made = DictConfigurator({**declared, "incremental": False})
    made.configure()
    assert isinstance(made.config["handlers"][handler].formatter, module.JSONFormatter)
