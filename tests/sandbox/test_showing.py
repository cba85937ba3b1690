"""The calls by which a shop shows a payment itself, in every API version."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from django_payram.sandbox import API_VERSIONS
from tests.sandbox.helpers import Shop, make

KNOWING = ["2025-11", "2026"]
TICKER = "/api/v1/ticker"


class ShowingShop(Shop):
    """A shop that shows its payments itself."""

    def ways(self, reference):
        return self.get(f"/api/v1/blockchain-currency/reference/{reference}")

    def assign(self, reference, chain="ETH", **kwargs):
        kwargs = kwargs or {"json": {"blockchain_code": chain}}
        url = f"{self.sandbox.url}/api/v1/deposit-address/reference/{reference}"
        return self.http.post(url, timeout=5, **kwargs)

    def address(self, reference, chain="ETH"):
        body = self.assign(reference, chain).json()
        return body.get("Address") or body["depositAddress"]

    def customer_addresses(self, reference):
        return {one["blockchainCode"]: one["customerAddress"] for one in self.ways(reference).json()}


@pytest.fixture
def open_showing(open_shop):
    return lambda **options: ShowingShop(open_shop(**options).sandbox)


@pytest.fixture(params=KNOWING)
def shop(request, open_showing):
    return open_showing(api_version=request.param)


@pytest.mark.parametrize("api_version", sorted(set(API_VERSIONS) - set(KNOWING)))
def test_older_servers_answer_404_as_for_any_unknown_route(open_showing, api_version):
    shop = open_showing(api_version=api_version)
    reference = shop.create()
    unknown = shop.get("/api/v1/invoices")
    for answer in (shop.ways(reference), shop.assign(reference), shop.get(TICKER)):
        assert (answer.status_code, answer.json()) == (unknown.status_code, unknown.json()) == (404, answer.json())
    assert shop.sandbox.payment(reference).deposit_address is None


def test_the_ticker_lists_coins_with_their_prices_in_dollars(shop):
    rows = {(one["currencyCode"], one["blockchainCode"]): one for one in shop.get(TICKER).json()}
    assert rows["USDC", "ETH"] == {
        "blockchainCode": "ETH",
        "currencyCode": "USDC",
        "tokenAddress": "0x3333333333333333333333333333333333333333",
        "standard": "ERC20",
        "walletPrecision": 6,
        "family": "ETH_Family",
        "price": "1",
    }
    assert {pair: one["standard"] for pair, one in rows.items() if pair[0] != "USDC"} == {
        ("USDT", "ETH"): "ERC20",
        ("USDT", "TRX"): "TRC20",
        ("ETH", "ETH"): "ETH",
        ("ETH", "BASE"): "ETH",
        ("BTC", "BTC"): "BTC",
        ("TRX", "TRX"): "TRX",
    }
    assert all(isinstance(one["price"], str) and Decimal(one["price"]) > 0 for one in rows.values())


def test_the_ways_to_pay_are_the_coins_of_the_ticker_without_an_address_at_first(shop):
    ways, tickers = shop.ways(shop.create()).json(), shop.get(TICKER).json()
    shared = ("blockchainCode", "currencyCode", "tokenAddress", "standard", "walletPrecision", "family")
    assert [[one[name] for name in shared] for one in ways] == [[one[name] for name in shared] for one in tickers]
    rest = {name: ways[1][name] for name in ways[1] if name not in shared}
    assert rest == {
        "network": "Base",
        "currency": "USDC",
        "customerAddress": "",
        "recommended": False,
        "mostUsed": False,
    }
    assert [one["currencyCode"] for one in ways if one["recommended"]] == ["USDC"]


def test_an_assigned_address_is_spelled_as_documented_in_2025_and_as_seen_in_2026(open_showing):
    documented, seen = (open_showing(api_version=one) for one in KNOWING)
    reference = documented.create()
    body = documented.assign(reference).json()
    address = documented.sandbox.payment(reference).deposit_address
    assert isinstance(body.pop("id"), int)
    assert body == {"Address": address, "Family": "ETH_Family", "Status": "active"}
    assert seen.assign(seen.create()).json() == {"depositAddress": address}


def test_an_address_is_one_per_customer_and_family_for_good(shop):
    reference = shop.create()
    address = shop.address(reference, "ETH")
    assert shop.customer_addresses(reference) == {"ETH": address, "BASE": address, "TRX": "", "BTC": ""}
    assert shop.address(reference, "BASE") == address
    tron = shop.address(reference, "TRX")
    later = shop.create()
    assert shop.customer_addresses(later) == {"ETH": address, "BASE": address, "TRX": tron, "BTC": ""}
    assert shop.address(later, "ETH") == address
    other = shop.create(customerId="order-2")
    assert set(shop.customer_addresses(other).values()) == {""}
    assert shop.address(other, "ETH") != address


def test_the_status_names_the_address_and_no_coin_until_one_is_sent(shop):
    reference = shop.create()
    address = shop.address(reference, "BASE")
    body = shop.ask(reference).json()
    assert (body["depositAddress"], body["currencySymbol"], body["blockchainSymbol"]) == (address, None, None)
    shop.sandbox.send_coins(reference, currency="USDT", network="ETH")
    body = shop.ask(reference).json()
    assert (body["depositAddress"], body["currencySymbol"], body["blockchainSymbol"]) == (address, "USDT", "ETH")


def test_the_newest_address_is_the_one_of_the_status(open_showing):
    shop = open_showing()
    reference = shop.create(currency="BTC", network="BTC")
    addresses = [shop.address(reference, chain) for chain in ("TRX", "ETH", "TRX")]
    assert shop.ask(reference).json()["depositAddress"] == addresses[0] == addresses[2] != addresses[1]
    assert shop.ask(reference).json()["currencySymbol"] is None


def test_coins_confirm_and_fill_in_parts_on_the_same_reference(open_showing):
    shop = open_showing(confirmations_required=30)
    reference = shop.create()
    shop.assign(reference, "BASE")
    seen = []
    for amount in ("0.005", None):
        shop.sandbox.send_coins(reference, amount, currency="ETH", network="BASE")
        seen.append(shop.ask(reference).json())
        shop.sandbox.confirm(reference, 30)
        seen.append(shop.ask(reference).json())
    fields = ("paymentState", "confirmationCurrent", "confirmationRequired", "filledAmountInUSD")
    assert [tuple(one[name] for name in fields) for one in seen] == [
        ("OPEN", 0, 30, None),
        ("PARTIALLY_FILLED", 30, 30, "18.50"),
        ("PARTIALLY_FILLED", 0, 30, "18.50"),
        ("FILLED", 30, 30, "49.99"),
    ]


@pytest.mark.parametrize("way", range(8))
def test_what_a_shop_computes_from_the_ticker_fills_the_payment(shop, way):
    coin = shop.get(TICKER).json()[way]
    reference = shop.create()
    shop.assign(reference, coin["blockchainCode"])
    amount = (Decimal("49.99") / Decimal(coin["price"])).quantize(Decimal(1).scaleb(-min(coin["walletPrecision"], 8)))
    shop.sandbox.send_coins(reference, amount, currency=coin["currencyCode"], network=coin["blockchainCode"])
    shop.sandbox.confirm(reference, 3)
    assert shop.ask(reference).json()["paymentState"] == "FILLED"


def test_money_without_a_coin_comes_in_one_of_the_chain_that_was_asked_for(shop):
    for number, (chain, coin) in enumerate({"BASE": "USDC", "TRX": "USDT", "BTC": "BTC"}.items()):
        reference = shop.create(customerId=f"order-{number}")
        shop.assign(reference, chain)
        payment = shop.sandbox.pay(reference)
        assert (payment.state, payment.currency, payment.network) == ("FILLED", coin, chain)


def test_coins_that_cannot_arrive_are_refused(shop):
    reference = shop.create()
    shop.assign(reference, "ETH")
    for amount, currency, network, problem in (
        ("1", "DOGE", "ETH", "no DOGE on ETH"),
        ("1", "BTC", "BTC", "no address for BTC-BTC"),
        ("0.000001", "USDC", "ETH", "positive"),
        ("-1", "USDC", "ETH", "positive"),
    ):
        with pytest.raises(ValueError, match=problem):
            shop.sandbox.send_coins(reference, amount, currency=currency, network=network)
    shop.sandbox.send_coins(reference, "20", currency="USDC", network="ETH")
    with pytest.raises(ValueError, match="another coin than ETH-ETH"):
        shop.sandbox.send_coins(reference, currency="ETH", network="ETH")
    assert shop.sandbox.payment(reference).unsent_usd == Decimal("29.99")


def test_an_address_can_be_asked_for_again_after_a_part_and_the_coin_stays(shop):
    reference = shop.create()
    address = shop.address(reference, "ETH")
    shop.sandbox.pay(reference, 20)
    shop.assign(reference, "TRX")
    payment = shop.sandbox.payment(reference)
    assert (payment.currency, payment.deposit_address) == ("USDC", address)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"blockchain_code": ""}',
        b'{"blockchain_code": 1}',
        b'{"blockchain_code": "DOGE"}',
        b'{"blockchain_code": "eth"}',
    ],
)
def test_a_body_without_a_known_chain_is_refused_with_code_3(shop, body):
    reference = shop.create()
    answer = shop.assign(reference, data=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 3)
    assert shop.sandbox.payment(reference).deposit_address is None


def test_a_body_over_one_mebibyte_is_refused(shop):
    assert shop.assign(shop.create(), data=b" " * (1024 * 1024 + 1)).status_code == 413


def test_a_closed_payment_gets_no_address_and_still_lists_its_coins(shop):
    paid, expired = shop.create(), shop.create(customerId="order-2")
    shop.sandbox.pay(paid)
    shop.sandbox.expire(expired)
    for reference in (paid, expired):
        answer = shop.assign(reference)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 3)
        assert "closed" in answer.json()["error"]["message"]
        assert len(shop.ways(reference).json()) == 8


def test_a_payment_whose_time_is_over_gets_no_address():
    now = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    with make(clock=lambda: now[0]).serve() as sandbox:
        shop = ShowingShop(sandbox)
        reference = shop.create()
        now[0] += timedelta(hours=24)
        assert shop.assign(reference).status_code == 400
        shop.http.close()


def test_an_unknown_reference_is_answered_as_for_the_status(shop):
    for answer in (shop.ways("nobody"), shop.assign("nobody")):
        assert (answer.status_code, answer.json()) == (401, shop.ask("nobody").json())
    for answer in (shop.ways(""), shop.assign("")):
        assert answer.status_code == 400


def test_the_key_is_asked_for_as_for_the_status(shop):
    reference = shop.create()
    shop.http.headers["API-Key"] = "another"
    assert {one.status_code for one in (shop.ways(reference), shop.assign(reference), shop.get(TICKER))} == {401}
    shop.http.headers["Authorization"] = "Bearer x"
    assert {one.status_code for one in (shop.ways(reference), shop.assign(reference), shop.get(TICKER))} == {404}
    assert shop.sandbox.payment(reference).deposit_address is None


def test_other_methods_are_404(shop):
    reference = shop.create()
    site = shop.sandbox.url
    assert shop.http.post(site + TICKER, timeout=5).status_code == 404
    assert shop.get(f"/api/v1/deposit-address/reference/{reference}").status_code == 404
    assert shop.http.head(f"{site}/api/v1/blockchain-currency/reference/{reference}", timeout=5).status_code == 200


def test_the_pages_go_on_from_an_assigned_address(shop):
    reference = shop.create()
    shop.assign(reference, "BTC")
    page = shop.get(f"/payments?reference_id={reference}", headers={"Accept": "text/html"}).text
    assert "Choose the coin to pay with." in page
    assert "Pay in full" in page


def test_addresses_survive_a_restart(tmp_path):
    file = tmp_path / "data.json"
    with make(data=file).serve() as sandbox:
        shop = ShowingShop(sandbox)
        reference = shop.create()
        addresses = {chain: shop.address(reference, chain) for chain in ("ETH", "TRX")}
        shop.http.close()
    with make(data=file).serve() as again:
        shop = ShowingShop(again)
        assert again.payments() == sandbox.payments()
        assert shop.customer_addresses(reference) == {**addresses, "BASE": addresses["ETH"], "BTC": ""}
        shop.http.close()


# Faults


def test_a_fault_spoils_these_calls_as_well(shop):
    reference, other = shop.create(), shop.create(customerId="order-2")
    shop.sandbox.inject_fault(reference, "broken")
    assert {one.status_code for one in (shop.ways(reference), shop.assign(reference))} == {500}
    assert {one.status_code for one in (shop.ways(other), shop.assign(other), shop.get(TICKER))} == {200}
    shop.sandbox.inject_fault(None, "html")
    assert "<div id=" in shop.get(TICKER).text


@pytest.mark.parametrize(("fault", "assigned"), [("gateway", True), ("broken", False)])
def test_an_address_may_be_assigned_though_the_answer_was_lost(shop, fault, assigned):
    reference = shop.create()
    shop.sandbox.inject_fault(reference, fault, times=1)
    assert shop.assign(reference).status_code >= 500
    assert (shop.sandbox.payment(reference).deposit_address is not None) is assigned


@pytest.mark.parametrize("fault", ["wrong_reference", "wrong_customer", "lower_state", "old_route", "code5"])
def test_faults_of_other_calls_leave_these_alone(shop, fault):
    reference = shop.create()
    shop.sandbox.inject_fault(None, fault)
    assert {one.status_code for one in (shop.ways(reference), shop.assign(reference), shop.get(TICKER))} == {200}
