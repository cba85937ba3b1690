"""The sandbox's API: creating payments and asking about them, in every API version."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import django_payram.sandbox
from django_payram.sandbox import API_VERSIONS
from tests.sandbox.helpers import KEY, ORDER, Shop, make

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


NESTED = ["2025-11", "2026"]


FLAT = ["2024", "faq"]


def test_the_sandbox_imports_nothing_else_of_the_project():
    for path in Path(django_payram.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
            foreign = [name for name in names if re.match(r"django_payram(?!\.sandbox)", name or "")]
            assert not foreign, path.name


# Creating


def test_a_new_payment_of_2026_has_reference_url_and_host(open_shop):
    shop = open_shop()
    answer = shop.post()
    body = answer.json()
    site = shop.sandbox.url
    assert answer.status_code == 200
    assert set(body) == {"host", "reference_id", "url"}
    assert UUID.fullmatch(body["reference_id"])
    assert body["host"] == site
    assert body["url"] == f"{site}/payments?reference_id={body['reference_id']}"


def test_a_new_payment_of_2024_has_no_host_and_the_old_page(open_shop):
    body = open_shop(api_version="2024").post().json()
    assert set(body) == {"reference_id", "url"}
    assert "/pay?reference_id=" in body["url"]
    assert "&status_url=http%3A%2F%2F127.0.0.1" in body["url"]


@pytest.mark.parametrize("api_version", ["faq", "2025-11"])
def test_a_checkout_link_of_2025_names_the_host_and_escapes_like_go(open_shop, api_version):
    answer = open_shop(api_version=api_version).post()
    assert f"&host={answer.json()['host']}" in answer.json()["url"]
    assert "\\u0026host=" in answer.text


@pytest.mark.parametrize("name", ["customerId", "customerID"])
def test_both_spellings_of_the_customer_work(open_shop, name):
    shop = open_shop()
    fields = {key: value for key, value in ORDER.items() if key != "customerId"}
    answer = shop.http.post(f"{shop.sandbox.url}/api/v1/payment", json={**fields, name: "order-7"}, timeout=5).json()
    assert shop.sandbox.payment(answer["reference_id"]).customer_id == "order-7"


@pytest.mark.parametrize(
    "wrong",
    [
        {"customerEmail": ""},
        {"customerEmail": None},
        {"customerEmail": "\ud800"},
        {"customerId": ""},
        {"amountInUSD": "49.99"},
        {"amountInUSD": 0},
        {"amountInUSD": -1},
        {"amountInUSD": True},
        {"amountInUSD": 1e300},
        {"expire": "yesterday"},
        {"expire": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_wrong_field_is_refused_with_code_3(open_shop, wrong):
    shop = open_shop()
    answer = shop.post(**wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 3
    assert shop.sandbox.payments() == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000])
def test_an_unreadable_body_is_refused_with_400_when_the_key_is_good(open_shop, body):
    shop = open_shop()
    answer = shop.http.post(f"{shop.sandbox.url}/api/v1/payment", data=body, timeout=5)
    assert answer.status_code == 400


@pytest.mark.parametrize("api_version", FLAT)
def test_older_errors_are_flat(open_shop, api_version):
    shop = open_shop(api_version=api_version)
    assert shop.post(customerEmail="").json()["code"] == 3
    shop.http.headers["API-Key"] = "another"
    assert shop.post().json() == {"code": 1, "message": "Unauthorized access"}


def test_a_wrong_or_missing_key_gets_401_in_the_nested_form(open_shop):
    shop = open_shop()
    for key in ("another", "", None, KEY + " x"):
        shop.http.headers["API-Key"] = key
        answer = shop.post()
        assert answer.status_code == 401
        assert answer.json() == {"error": {"code": "UNAUTHORIZED", "message": "Unauthorised access!"}}


def test_an_authorization_header_gets_404(open_shop):
    shop = open_shop()
    shop.http.headers["Authorization"] = "Bearer x"
    assert shop.post().status_code == 404


def test_a_body_over_one_mebibyte_gets_413_and_the_connection_lives_on(open_shop):
    shop = open_shop()
    answer = shop.http.post(f"{shop.sandbox.url}/api/v1/payment", data=b" " * (1024 * 1024 + 1), timeout=5)
    assert answer.status_code == 413
    assert shop.post().status_code == 200


def test_a_new_payment_cancels_the_customers_other_open_ones_and_says_so(open_shop):
    shop = open_shop()
    first, other = shop.create(), shop.create(customerId="order-2")
    partly = shop.create(customerId="order-3")
    shop.sandbox.pay(partly, 1)
    shop.sandbox.deliver_due()
    second = shop.create()
    shop.create(customerId="order-3")
    states = {one.reference: one.state for one in shop.sandbox.payments()}
    assert (states[first], states[second], states[other]) == ("CANCELLED", "OPEN", "OPEN")
    assert states[partly] == "PARTIALLY_FILLED"
    assert [(one.reference, one.state) for one in shop.sandbox.deliver_due()] == [(first, "CANCELLED")]


def test_invoice_expiry_and_coin_are_read_in_2026_only(open_shop):
    later = (datetime.now(timezone.utc) + timedelta(hours=3)).replace(microsecond=0)
    options = {
        "invoiceID": "INV-1042",
        "expire": later.isoformat().replace("+00:00", "Z"),
        "currency": "USDC",
        "network": "BASE",
    }
    new, old = open_shop(), open_shop(api_version="2025-11")
    payment = new.sandbox.payment(new.create(**options))
    assert (payment.expires_at, payment.currency, payment.network) == (later, "USDC", "BASE")
    assert payment.invoice_id == "INV-1042"
    ignored = old.sandbox.payment(old.create(**options))
    assert ignored.currency is None
    assert ignored.expires_at - ignored.created_at == timedelta(minutes=15)


# Asking


def test_an_open_payment_of_2026_is_null_where_nothing_is_known(open_shop):
    shop = open_shop(success_url="https://shop/ok", merchant="Example Shop")
    reference = shop.create()
    body = shop.ask(reference).json()
    unknown = [
        *("currencySymbol", "blockchainSymbol", "currencyAddress", "currencyName", "currencyDesc"),
        *("currencyDecimals", "filledAmount", "filledAmountInUSD", "depositAddress"),
    ]
    assert [body[name] for name in unknown] == [None] * 9
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["createdAt"])
    rest = {name: body[name] for name in body if name not in {*unknown, "createdAt"}}
    assert rest == {
        "invoiceID": reference,
        "customerID": "order-1042",
        "amountInUSD": "49.99",
        "paymentState": "OPEN",
        "merchantName": "Example Shop",
        "referenceID": reference,
        "successURL": "https://shop/ok",
        "cancelURL": "",
        "explorerTransaction": "",
        "externalPlatformID": 1,
        "confirmationCurrent": 0,
        "confirmationRequired": 0,
    }


def test_a_deposit_is_open_until_it_has_its_confirmations(open_shop):
    shop = open_shop()
    reference = shop.create()
    shop.sandbox.see(reference)
    seen = []
    for _ in range(4):
        body = shop.ask(reference).json()
        seen.append(
            (
                body["paymentState"],
                body["confirmationCurrent"],
                body["confirmationRequired"],
                body["filledAmountInUSD"],
            )
        )
        shop.sandbox.confirm(reference)
    assert seen == [("OPEN", 0, 3, None), ("OPEN", 1, 3, None), ("OPEN", 2, 3, None), ("FILLED", 3, 3, "49.99")]
    assert body["explorerTransaction"].startswith("https://")


def test_filled_amount_counts_coins_in_2026_and_dollars_before(open_shop):
    new, old = open_shop(), open_shop(api_version="2025-11")
    choice = {"currency": "ETH", "network": "ETH"}
    reference = new.create(**choice)
    new.sandbox.pay(reference)
    body = new.ask(reference).json()
    assert (body["filledAmount"], body["filledAmountInUSD"]) == ("0.01351082", "49.99")
    reference = old.create()
    old.sandbox.pay(reference)
    body = old.ask(reference).json()
    assert (body["filledAmount"], body["filledAmountInUSD"]) == ("49.99", "49.99")
    assert "confirmationCurrent" not in body


@pytest.mark.parametrize("api_version", FLAT)
def test_older_answers_are_in_snake_case(open_shop, api_version):
    shop = open_shop(api_version=api_version)
    reference = shop.create()
    shop.sandbox.pay(reference, 20)
    for path in ("reference", "ref"):
        body = shop.get(f"/api/v1/payment/{path}/{reference}").json()
        assert body["payment_state"] == "PARTIALLY_FILLED"
        assert (body["amount"], body["filled_amount"]) == ("49.99", "20")
        assert body["filled_amount_in_usd"] == "20.00"
        assert body["currency_symbol"] == "USDC"


def test_the_second_route_answers_in_snake_case_in_2026_too(open_shop):
    shop = open_shop()
    assert shop.get(f"/api/v1/payment/ref/{shop.create()}").json()["payment_state"] == "OPEN"


@pytest.mark.parametrize(
    ("api_version", "confirming", "cancelled"),
    [("2024", "VERIFYING", "CANCELLED"), ("faq", "OPEN", "CANCELED"), ("2026", "OPEN", "CANCELLED")],
)
def test_words_for_states_differ_by_api_version(open_shop, api_version, confirming, cancelled):
    shop = open_shop(api_version=api_version)
    seen, gone = shop.create(), shop.create(customerId="order-2")
    shop.sandbox.see(seen)
    shop.sandbox.expire(gone)
    words = [shop.ask(one).json() for one in (seen, gone)]
    assert [one.get("payment_state") or one["paymentState"] for one in words] == [confirming, cancelled]


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_an_unknown_reference_is_401_on_newer_servers_and_404_on_older(open_shop, api_version):
    shop = open_shop(api_version=api_version)
    assert shop.ask("nobody").status_code == (401 if api_version in NESTED else 404)
    assert shop.ask("").status_code == 400


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_health_and_version_exist_on_2026_only(open_shop, api_version):
    shop = open_shop(api_version=api_version)
    statuses = {shop.get(f"/api/v1/{name}").status_code for name in ("health", "version")}
    assert statuses == ({200} if api_version == "2026" else {404})
    assert shop.get("/").text == "Welcome to Payram Core"


def test_a_payment_expires_by_the_clock_when_somebody_asks():
    now = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    sandbox = make(clock=lambda: now[0], api_version="faq")
    with sandbox.serve():
        shop = Shop(sandbox)
        idle, seen = shop.create(), shop.create(customerId="order-2")
        sandbox.see(seen)
        sandbox.deliver_due()
        now[0] += timedelta(minutes=15)
        assert shop.ask(idle).json()["payment_state"] == "CANCELED"
        assert shop.ask(seen).json()["payment_state"] == "OPEN"
        assert [one.reference for one in sandbox.deliver_due()] == [idle]
        shop.http.close()


def test_other_methods_and_paths_are_404(open_shop):
    shop = open_shop()
    site = shop.sandbox.url
    assert shop.http.put(f"{site}/api/v1/payment", timeout=5).status_code == 404
    assert shop.http.post(f"{site}/api/v1/charges", timeout=5).status_code == 404
    assert shop.get("/api/v1/invoices").status_code == 404


def test_calls_are_counted_with_their_status(open_shop):
    shop = open_shop()
    reference = shop.create()
    shop.ask(reference)
    shop.ask("nobody")
    shop.get("/")
    calls = [(one.method, one.path, one.status) for one in shop.sandbox.calls]
    assert calls == [
        ("POST", "/api/v1/payment", 200),
        ("GET", f"/api/v1/payment/reference/{reference}", 200),
        ("GET", "/api/v1/payment/reference/nobody", 401),
    ]
