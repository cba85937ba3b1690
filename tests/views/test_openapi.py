"""Our own JSON is what docs/openapi.yaml says it is, for whatever a front end sends."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from django_payram.payments import open_payment
from tests.shop.models import Order

pytestmark = pytest.mark.not_in("tls", reason="the live server speaks no TLS")

schema = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.yaml")

relaxed = settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def paid(payram, transactional_db):
    order = Order.objects.create()
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference, 20)
    return payment


@pytest.fixture
def orders(paid):
    """The keys of an order with a payment, of one without, and of one that is not there."""
    gone = Order.objects.create()
    keys = {"with a payment": paid.order_id, "without": Order.objects.create().pk, "gone": gone.pk}
    gone.delete()
    return keys


def conforms(case, live_server, *expected):
    """Send the case, as a proxy would hand it on, and compare the answer with the document."""
    response = case.call(base_url=live_server.url, headers={"X-Forwarded-Proto": "https"})
    assert response.status_code in expected
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


@pytest.mark.parametrize("known", [True, False])
@schema.include(operation_id="paymentState").parametrize()
@relaxed
def test_the_state_of_a_payment(case, live_server, paid, known):
    if known:
        case.path_parameters["token"] = str(paid.token)
    conforms(case, live_server, 200 if known else 404)


@pytest.mark.parametrize("order", ["with a payment", "without", "gone"])
@schema.include(operation_id="pay").parametrize()
@relaxed
def test_the_checkout(case, live_server, orders, order):
    case.path_parameters["order"] = str(orders[order])
    conforms(case, live_server, 404 if order == "gone" else 201, 429)
