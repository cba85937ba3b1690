"""Our own JSON is what docs/openapi.yaml says it is, for whatever a front end sends."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from django_payram.lifecycle import open_payment
from tests.shop.models import Order

schema = schemathesis.openapi.from_path(Path(__file__).parent.parent / "docs" / "openapi.yaml")

relaxed = settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def paid(payram, transactional_db):
    order = Order.objects.create(pk=1)
    payment = open_payment(order, amount=order.total, email=order.email)
    payram.sandbox.pay(payment.reference, 20)
    Order.objects.create(pk=2)
    return payment


def conforms(case, live_server, *expected):
    """Send the case and compare the answer with the document."""
    response = case.call(base_url=live_server.url)
    assert response.status_code in expected
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


@pytest.mark.parametrize("known", [True, False])
@schema.include(operation_id="paymentState").parametrize()
@relaxed
def test_the_state_of_a_payment(case, live_server, paid, known):
    if known:
        case.path_parameters["token"] = str(paid.token)
    conforms(case, live_server, 200 if known else 404)


@pytest.mark.parametrize("order", [1, 2, 3])
@schema.include(operation_id="pay").parametrize()
@relaxed
def test_the_checkout(case, live_server, paid, order):
    case.path_parameters["order"] = order
    conforms(case, live_server, 201 if order < 3 else 404, 429)
