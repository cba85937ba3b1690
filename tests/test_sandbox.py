"""The pretend PayRam over a real socket: what it answers, in every vintage."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

import django_payram.sandbox
from django_payram.sandbox import VINTAGES, BrokenBooks, Sandbox, UnknownPayment

KEY = "00112233445566778899aabbccddeeff"
ORDER = {"customerEmail": "buyer@example.org", "customerId": "order-1042", "amountInUSD": 49.99}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NESTED = ["2025-11", "2026"]
FLAT = ["2024", "faq"]


class Shop:
    """A shop with the key, talking to a sandbox."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.http = requests.Session()
        self.http.headers["API-Key"] = KEY

    def post(self, **changes):
        return self.http.post(f"{self.sandbox.url}/api/v1/payment", json={**ORDER, **changes}, timeout=5)

    def create(self, **changes):
        return self.post(**changes).json()["reference_id"]

    def get(self, path, **kwargs):
        return self.http.get(f"{self.sandbox.url}{path}", timeout=5, **kwargs)

    def ask(self, reference):
        return self.get(f"/api/v1/payment/reference/{reference}")


def make(**options):
    return Sandbox(**{"api_key": KEY, "webhook_url": "http://shop/", "send": lambda _: (200, "ok"), **options})


@pytest.fixture
def open_shop():
    """Sandboxes on real sockets, closed at the end."""
    opened = []

    def start(**options):
        serving = make(**options).serve()
        shop = Shop(serving.__enter__())
        opened.append((shop, serving))
        return shop

    yield start
    for shop, serving in opened:
        shop.http.close()
        serving.__exit__(None, None, None)


def test_the_sandbox_imports_nothing_else_of_the_project():
    for path in Path(django_payram.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
            foreign = [name for name in names if re.match(r"django_payram(?!\.sandbox)", name or "")]
            assert not foreign, path.name


# --- creating ------------------------------------------------------------------------------


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
    body = open_shop(vintage="2024").post().json()
    assert set(body) == {"reference_id", "url"}
    assert "/pay?reference_id=" in body["url"]
    assert "&status_url=http%3A%2F%2F127.0.0.1" in body["url"]


@pytest.mark.parametrize("vintage", ["faq", "2025-11"])
def test_a_checkout_link_of_2025_names_the_host_and_escapes_like_go(open_shop, vintage):
    answer = open_shop(vintage=vintage).post()
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


@pytest.mark.parametrize("vintage", FLAT)
def test_older_errors_are_flat(open_shop, vintage):
    shop = open_shop(vintage=vintage)
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


def test_a_new_payment_cancels_the_customers_other_open_ones_and_tells_so(open_shop):
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
    new, old = open_shop(), open_shop(vintage="2025-11")
    payment = new.sandbox.payment(new.create(**options))
    assert (payment.expires_at, payment.currency, payment.network) == (later, "USDC", "BASE")
    assert payment.invoice_id == "INV-1042"
    ignored = old.sandbox.payment(old.create(**options))
    assert ignored.currency is None
    assert ignored.expires_at - ignored.created_at == timedelta(minutes=15)


# --- asking --------------------------------------------------------------------------------


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
    new, old = open_shop(), open_shop(vintage="2025-11")
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


@pytest.mark.parametrize("vintage", FLAT)
def test_older_answers_are_in_snake_case(open_shop, vintage):
    shop = open_shop(vintage=vintage)
    reference = shop.create()
    shop.sandbox.pay(reference, 20)
    for path in ("reference", "ref"):
        body = shop.get(f"/api/v1/payment/{path}/{reference}").json()
        assert body["payment_state"] == "PARTIALLY_FILLED"
        assert (body["amount"], body["filled_amount"]) == ("49.99", "20")
        assert body["filled_amount_in_usd"] == "20.00"
        assert body["currency_symbol"] == "USDC"


def test_the_second_route_speaks_snake_case_in_2026_too(open_shop):
    shop = open_shop()
    assert shop.get(f"/api/v1/payment/ref/{shop.create()}").json()["payment_state"] == "OPEN"


@pytest.mark.parametrize(
    ("vintage", "confirming", "cancelled"),
    [("2024", "VERIFYING", "CANCELLED"), ("faq", "OPEN", "CANCELED"), ("2026", "OPEN", "CANCELLED")],
)
def test_words_for_states_differ_by_vintage(open_shop, vintage, confirming, cancelled):
    shop = open_shop(vintage=vintage)
    seen, gone = shop.create(), shop.create(customerId="order-2")
    shop.sandbox.see(seen)
    shop.sandbox.expire(gone)
    words = [shop.ask(one).json() for one in (seen, gone)]
    assert [one.get("payment_state") or one["paymentState"] for one in words] == [confirming, cancelled]


@pytest.mark.parametrize("vintage", VINTAGES)
def test_an_unknown_reference_is_401_on_newer_servers_and_404_on_older(open_shop, vintage):
    shop = open_shop(vintage=vintage)
    assert shop.ask("nobody").status_code == (401 if vintage in NESTED else 404)
    assert shop.ask("").status_code == 400


@pytest.mark.parametrize("vintage", VINTAGES)
def test_health_and_version_exist_on_2026_only(open_shop, vintage):
    shop = open_shop(vintage=vintage)
    statuses = {shop.get(f"/api/v1/{name}").status_code for name in ("health", "version")}
    assert statuses == ({200} if vintage == "2026" else {404})
    assert shop.get("/").text == "Welcome to Payram Core"


def test_a_payment_expires_by_the_clock_when_somebody_asks():
    now = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    sandbox = make(clock=lambda: now[0], vintage="faq")
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


# --- the server ----------------------------------------------------------------------------


def test_one_connection_serves_many_requests(open_shop):
    host, port = open_shop().sandbox.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=5)
    sockets = set()
    for _ in range(20):
        connection.request("GET", "/api/v1/health")
        assert connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert None not in sockets


def test_a_closed_sandbox_answers_nobody_not_even_on_an_open_connection():
    sandbox = make()
    with sandbox.serve():
        shop, url = Shop(sandbox), sandbox.url
        shop.ask("nobody")
    assert sandbox.url == ""
    with pytest.raises(requests.ConnectionError):
        shop.http.get(url, timeout=5)
    shop.http.close()


def test_a_taken_port_is_an_os_error(open_shop):
    port = int(open_shop().sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), make().serve(port=port):
        pass


def test_head_gets_the_headers_alone(open_shop):
    shop = open_shop()
    answer = shop.http.head(f"{shop.sandbox.url}/", timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")
    assert shop.get("/").status_code == 200


# --- the books on disk ---------------------------------------------------------------------


def test_the_books_survive_a_restart_and_never_hold_the_key(tmp_path):
    file = tmp_path / "books.json"
    sandbox = make(data=file, send=lambda _: (500, "no"))
    with sandbox.serve():
        shop = Shop(sandbox)
        for number, usd in enumerate((None, 20, "60.5")):
            sandbox.pay(shop.create(customerId=f"order-{number}", invoiceID="INV-1"), usd)
        sandbox.see(shop.create())
        sandbox.deliver_due()
        shop.http.close()
    again = make(data=file)
    assert again.payments() == sandbox.payments()
    assert again.deliveries == sandbox.deliveries
    assert KEY not in file.read_text()
    later = datetime.now(timezone.utc) + timedelta(seconds=3)
    assert [one.attempt for one in again.deliver_due(later)] == [2, 2, 2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["books.json"]


def test_what_a_crash_left_of_the_last_line_is_forgotten(tmp_path):
    file = tmp_path / "books.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        reference = shop.create()
        whole = file.read_text()
        sandbox.pay(reference)
        shop.http.close()
    for length in range(len(whole), len(file.read_text())):
        copy = tmp_path / "copy.json"
        copy.write_text(file.read_text()[:length])
        again = make(data=copy)
        assert again.payment(reference).state in {"OPEN", "FILLED"}
        assert copy.read_text().endswith("\n")


def test_a_change_writes_only_itself(tmp_path):
    file = tmp_path / "books.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        sizes = []
        for _ in range(20):
            shop.create()
            sizes.append(file.stat().st_size)
        shop.http.close()
    assert sizes[19] - sizes[18] < 1.2 * (sizes[1] - sizes[0])


@pytest.mark.parametrize(
    "text", ["", "{", "[]\n", '{"format": 1}\n', '{"format": 2}', '{"format": 2}\n{"payment": {}}\n']
)
def test_broken_books_are_an_error_that_names_the_file(tmp_path, text):
    file = tmp_path / "books.json"
    file.write_text(text)
    with pytest.raises(BrokenBooks, match=re.escape(str(file))):
        make(data=file)


def test_a_data_file_in_no_folder_is_an_error_that_names_it(tmp_path):
    file = tmp_path / "nowhere" / "books.json"
    with pytest.raises(BrokenBooks, match=re.escape(str(file))):
        make(data=file)


def test_a_failed_save_leaves_the_old_books(tmp_path):
    file = tmp_path / "books.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        shop.create()
        before = file.read_text()
        file.unlink()
        file.mkdir()
        with pytest.raises(OSError, match=re.escape("books.json")):
            sandbox.expire(sandbox.payments()[0].reference)
        shop.http.close()
    assert before.count("reference") > 0
    assert [path.name for path in tmp_path.iterdir()] == ["books.json"]


# --- what is refused -----------------------------------------------------------------------


def test_a_blank_key_or_unknown_vintage_is_refused():
    with pytest.raises(ValueError, match="key"):
        make(api_key="  ")
    with pytest.raises(ValueError, match="2025-11"):
        make(vintage="1999")


@pytest.mark.parametrize(
    ("usd", "error"), [(1.5, TypeError), ("x", ValueError), (0, ValueError), (Decimal("NaN"), ValueError)]
)
def test_wrong_dollars_are_refused(open_shop, usd, error):
    shop = open_shop()
    reference = shop.create()
    with pytest.raises(error):
        shop.sandbox.pay(reference, usd)
    assert shop.sandbox.payment(reference).filled_usd == 0


@pytest.mark.parametrize("verb", ["pay", "see", "confirm", "expire", "top_up", "payment", "redeliver"])
def test_every_lever_refuses_an_unknown_reference(verb):
    with pytest.raises(UnknownPayment):
        getattr(make(), verb)("nobody")
