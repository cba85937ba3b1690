"""Our own JSON is what docs/openapi.yaml says it is, for whatever a front end sends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from django_payram.payments import open_payment
from tests.shop.models import Order

pytestmark = pytest.mark.not_in("tls", reason="the live server speaks no TLS")

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "openapi.yaml"

schema = schemathesis.openapi.from_path(DOCUMENT)

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


def test_the_document_is_that_of_the_views(tmp_path):
    """Written again with: python -m django spectacular --settings tests.schema_settings --file docs/openapi.yaml."""
    found = tmp_path / "openapi.yaml"
    command = [sys.executable, "-m", "django", "spectacular", "--settings=tests.schema_settings", f"--file={found}"]
    done = subprocess.run(
        [*command, "--validate", "--fail-on-warn"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert found.read_text() == DOCUMENT.read_text()


def conforms(case, live_server, *expected):
    """Send the case, as a proxy would hand it on, and compare the answer with the document."""
    # Some versions invent a user and a password, which are refused whatever the rest says.
    if case.headers:
        case.headers.pop("Authorization", None)
    response = case.call(base_url=live_server.url, headers={"X-Forwarded-Proto": "https"})
    assert response.status_code in expected
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


@pytest.mark.parametrize("known", [True, False])
@schema.include(operation_id="payram_payments_state_retrieve").parametrize()
@relaxed
def test_the_state_of_a_payment(case, live_server, paid, known):
    if known:
        case.path_parameters["token"] = str(paid.token)
    conforms(case, live_server, 200 if known else 404)


@pytest.mark.parametrize("known", [True, False])
@schema.include(operation_id="payram_payments_methods_retrieve").parametrize()
@relaxed
def test_how_a_payment_can_be_paid(case, live_server, paid, known):
    if known:
        case.path_parameters["token"] = str(paid.token)
    conforms(case, live_server, 200 if known else 404)


@pytest.mark.parametrize("method", ["USDC-BASE", "", None])
@schema.include(operation_id="payram_payments_methods_create").parametrize()
@relaxed
def test_a_choice(case, live_server, paid, method):
    case.path_parameters["token"] = str(paid.token)
    if method is not None:
        case.body, case.media_type = {"method": method}, "application/json"
    conforms(case, live_server, *([400, 200] if method is None else [200]))


@pytest.mark.parametrize("order", ["with a payment", "without", "gone"])
@schema.include(operation_id="api_orders_pay_create").parametrize()
@relaxed
def test_the_checkout(case, live_server, orders, order):
    case.path_parameters["id"] = str(orders[order])
    conforms(case, live_server, 404 if order == "gone" else 201, 429)
