"""Front ends of the shop's own: on another site, without a session, and people who open the JSON in a browser."""

from __future__ import annotations

import pytest
from django.conf import settings as shop_settings
from django.test import Client
from django.urls import reverse
from rest_framework import parsers, permissions, renderers, versioning
from rest_framework.views import APIView

from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY

pytestmark = pytest.mark.django_db

FRONT_END = "https://front.example.com"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def _lets_in(settings):
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *shop_settings.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS = [FRONT_END]


@pytest.fixture
def payment(payram, order):
    return open_payment(order, amount=order.total, email=order.email)


def addresses(payment):
    return [reverse(f"payram:{name}", args=[payment.token]) for name in ("status-api", "methods-api")]


@pytest.mark.usefixtures("_lets_in")
def test_a_front_end_on_another_site_is_let_in_where_the_shop_says_so(client, payment):
    for path in (*addresses(payment), f"/api/orders/{payment.order_id}/pay/"):
        asked = {"Origin": FRONT_END, "Access-Control-Request-Method": "POST"}
        answer = client.options(path, headers=asked)
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, FRONT_END)
    assert client.get(addresses(payment)[0], headers={"Origin": FRONT_END})["Access-Control-Allow-Origin"] == FRONT_END
    other = client.get(addresses(payment)[0], headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_a_front_end_without_a_session_or_csrf_token_pays(payram, payment, settings):
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    client = Client(enforce_csrf_checks=True)
    answer = client.post(addresses(payment)[1], {"method": "USDC-BASE"}, content_type="application/json")
    chosen = answer.json()["chosen"]
    assert answer.status_code == 200
    assert chosen["amount"] == "49.99"
    payram.send_coins(payment, chosen["amount"], currency=chosen["coin"], network="BASE")
    payram.confirm(payment, 3)
    assert client.get(addresses(payment)[0]).json()["is_paid"] is True
    assert client.get(addresses(payment)[1]).json() == {"methods": [], "chosen": None, "hosted_url": ""}


def test_a_choice_is_not_called_refused_while_payram_has_not_said_what_it_offers(client, payment, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "API_KEY": TEST_KEY[::-1]}}
    answer = client.post(addresses(payment)[1], {"method": "USDC-BASE"}, content_type="application/json")
    assert answer.status_code == 503


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*", ""])
def test_a_browser_that_opens_the_json_gets_json(client, accept):
    payment = PaymentFactory()
    headers = {"Accept": accept} if accept else {}
    answers = [client.get(path, headers=headers) for path in addresses(payment)]
    answers.append(client.get("/api/orders/1/pay/", headers=headers))
    assert [answer.status_code for answer in answers] == [200, 200, 405]
    assert {answer["Content-Type"] for answer in answers} == {"application/json"}


def test_the_json_of_a_payment_is_throttled(client, settings):
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"payram-status": "2/minute"}}
    path = addresses(PaymentFactory())[0]
    assert [client.get(path).status_code for _call in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"method": 7}', '{"method": null}', '{"method": ["a"]}', "{", '"x"'])
def test_a_choice_that_is_none_is_refused_with_a_sentence(client, payment, body):
    answer = client.post(addresses(payment)[1], body, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("versioning_class", versioning.NamespaceVersioning),
        ("versioning_class", versioning.QueryParameterVersioning),
        ("versioning_class", versioning.AcceptHeaderVersioning),
        ("permission_classes", [permissions.IsAuthenticated]),
        ("renderer_classes", [renderers.StaticHTMLRenderer]),
        ("parser_classes", [parsers.FileUploadParser]),
    ],
)
def test_the_json_of_a_payment_does_not_depend_on_the_shops_own(
    client, payment, settings, monkeypatch, attribute, value
):
    """The REST framework reads most of its settings once, into the class of all views."""
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "COERCE_DECIMAL_TO_STRING": False}
    monkeypatch.setattr(versioning.BaseVersioning, "allowed_versions", ["v1"])
    monkeypatch.setattr(APIView, attribute, value)
    state, methods = addresses(payment)
    assert client.get(state).json()["amount_usd"] == "49.99"
    answer = client.post(methods, {"method": "USDC-BASE"}, content_type="application/json")
    assert (answer.status_code, len(answer.json()["methods"])) == (200, 8)
