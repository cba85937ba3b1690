"""Prometheus, set up as the guide says: what it reads of payments, and what it does not."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from types import ModuleType

import pytest
from django.core.management import call_command
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from django_payram.models import Review, State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.docs.pages import named, section, table

pytestmark = pytest.mark.django_db

GUIDE = "docs/howto/prometheus.rst"


@pytest.fixture
def view(monkeypatch):
    """The view of the guide, at the address of the guide."""
    shop = ModuleType("shop.metrics")
    exec(named(GUIDE)["metrics.py"], vars(shop))
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.metrics", shop)
    names = {"urlpatterns": []}
    exec(named(GUIDE)["the address"], names)
    (pattern,) = names["urlpatterns"]
    return pattern.resolve("metrics/payram/").func


@pytest.fixture
def scrape(view, rf):
    """Returns what Prometheus is told, each number by its name and its labels."""

    def read():
        response = view(rf.get("/metrics/payram/"))
        assert response["Content-Type"].startswith("text/plain")
        samples = [
            one for family in text_string_to_metric_families(response.content.decode()) for one in family.samples
        ]
        found = {(one.name, *one.labels.values()): one.value for one in samples}
        assert len(found) == len(samples)
        return found

    return read


def ago(**span):
    return timezone.now() - timedelta(**span)


def test_payments_are_counted_by_state_and_those_that_are_paid(scrape, payram, order):
    payram.pay(open_payment(order, amount=order.total, email=order.email))
    PaymentFactory(state=State.CANCELED, closed_at=timezone.now())
    PaymentFactory.create_batch(2)
    found = scrape()
    assert found["payram_paid_total",] == 1
    states = {name[1]: count for name, count in found.items() if name[0] == "payram_payments"}
    assert states == {"FILLED": 1, "CANCELED": 1, "OPEN": 2}


def test_what_waits_is_counted_with_the_age_of_the_oldest(scrape, payram, order, listener):
    listener.fail_on.add("payment_paid")
    payment = payram.pay(open_payment(order, amount=order.total, email=order.email))
    type(payment).objects.filter(pk=payment.pk).update(updated_at=ago(hours=2))
    PaymentFactory(review=Review.LATE, updated_at=ago(hours=3))
    PaymentFactory(review=Review.PARTIAL, updated_at=ago(days=2))
    found = scrape()
    assert found["payram_waiting", "undelivered", ""] == 1
    assert found["payram_waiting_seconds", "undelivered", ""] == pytest.approx(7200, abs=60)
    assert found["payram_waiting", "review", ""] == 2
    assert found["payram_waiting_seconds", "review", ""] == pytest.approx(172_800, abs=60)


def test_what_is_well_is_told_as_zero(scrape):
    """An alert needs a number that was there before."""
    found = {name: value for name, value in scrape().items() if name[0].startswith("payram_waiting")}
    assert found["payram_waiting", "resync", "default"] == 0
    assert set(found.values()) == {0}


def test_every_expression_of_the_guide_has_its_number(scrape):
    PaymentFactory(project="gone")
    found = scrape()
    expressions = [row[0] for row in table(section(GUIDE, "Alerts"))[1:]]
    assert len(expressions) == 6
    for expression in expressions:
        name, check = re.search(r'(payram_\w+)(?:{check="([\w-]+)"})?', expression).groups()
        assert any(labels[: 2 if check else 1] == ((name, check) if check else (name,)) for labels in found), expression


def test_neither_prometheus_nor_the_doctor_is_told_a_key_or_a_customer(view, rf, payram, order, listener, capsys):
    """With a payment in every kind of trouble."""
    listener.fail_on.add("payment_updated")
    payment = payram.pay(open_payment(order, amount=order.total, email=order.email), 2)
    payram.sandbox.inject_fault(None, "broken")
    PaymentFactory(review=Review.LATE, customer_email=payment.customer_email, customer_id=payment.customer_id)
    with pytest.raises(SystemExit):
        call_command("payram_doctor", "--json")
    told = capsys.readouterr().out
    findings = {one["check"]: one for one in json.loads(told)["findings"]}
    assert (findings["undelivered"]["count"], findings["review"]["count"], findings["server"]["count"]) == (1, 1, None)
    assert findings["undelivered"]["seconds"] < 60
    told += view(rf.get("/metrics/payram/")).content.decode()
    assert 'payram_waiting{check="undelivered",project=""} 1.0' in told
    for secret in (TEST_KEY, payment.customer_email, payment.customer_id, payment.reference, str(payment.token)):
        assert secret not in told
