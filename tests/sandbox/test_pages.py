"""The pages of the pretend PayRam, as a browser without scripts sees them."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from django_payram.sandbox import Sandbox, qr
from django_payram.sandbox.form_tokens import FormTokens, TokenState

KEY = "00112233445566778899aabbccddeeff"
SUCCESS = "http://shop.example/return/?from=payram"
CANCEL = "http://shop.example/cancel/"


class Forms(HTMLParser):
    """The forms of a page: their hidden fields, and their buttons by text."""

    def __init__(self, text):
        super().__init__()
        self.buttons, self.hidden, self._button = {}, {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.hidden = {}
        elif tag == "input" and attrs.get("type") == "hidden":
            self.hidden[attrs["name"]] = attrs["value"]
        elif tag == "button" and attrs.get("name"):
            self._button = {**self.hidden, attrs["name"]: attrs["value"]}

    def handle_data(self, data):
        if self._button is not None:
            self.buttons.setdefault(data.strip(), self._button)
            self._button = None


class Browser:
    """A person at the pages of a sandbox."""

    def __init__(self, sandbox):
        self.sandbox, self.http = sandbox, requests.Session()
        self.http.headers["Accept"] = "text/html"

    def create(self, **changes):
        order = {"customerEmail": "buyer@example.org", "customerId": "order-1042", "amountInUSD": 49.99}
        answer = requests.post(
            f"{self.sandbox.url}/api/v1/payment", json={**order, **changes}, headers={"API-Key": KEY}, timeout=5
        )
        return answer.json()["reference_id"]

    def open(self, path):
        return self.http.get(f"{self.sandbox.url}{path}", timeout=5)

    def payment(self, reference):
        return self.open(f"/payments?reference_id={reference}")

    def press(self, page, text, **fields):
        button = Forms(page.text).buttons[text]
        return self.http.post(page.url, data={**button, **fields}, timeout=5)


@pytest.fixture
def open_browser():
    opened = []

    def start(**options):
        defaults = {"webhook_url": "http://shop/", "send": lambda _: (200, "taken"), "success_url": SUCCESS}
        serving = Sandbox(**{"api_key": KEY, "cancel_url": CANCEL, **defaults, **options}).serve()
        browser = Browser(serving.__enter__())
        opened.append((browser, serving))
        return browser

    yield start
    for browser, serving in opened:
        browser.http.close()
        serving.__exit__(None, None, None)


@pytest.fixture
def browser(open_browser):
    return open_browser()


def state(browser, reference):
    return browser.sandbox.payment(reference).state


def link_back(page):
    found = re.search(r'href="([^"]*)">Return to the shop<', page.text)
    return unescape(found[1]) if found else None


def test_every_page_says_pretend_money_holds_no_key_and_no_inline_code(browser):
    reference = browser.create()
    browser.sandbox.pay(reference, 20)
    browser.sandbox.deliver_due()
    for path in ("/", f"/payments?reference_id={reference}", "/sandbox/deliveries", "/nowhere"):
        page = browser.open(path)
        assert "Pretend money." in page.text
        assert KEY not in page.text
        assert not re.search(r"<style|<script(?! src=)| style=| on[a-z]+=|javascript:", page.text)
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"


def test_what_a_shop_sent_is_escaped(browser):
    reference = browser.create(customerId="<script>alert(1)</script>", invoiceID="\"'><b>")
    for page in (browser.open("/"), browser.payment(reference)):
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text


def test_the_overview_lists_payments_for_browsers_alone(browser):
    assert "No payments yet" in browser.open("/").text
    reference = browser.create()
    page = browser.open("/")
    assert f"/payments?reference_id={reference}" in page.text
    assert "$49.99" in page.text


def test_an_unknown_payment_is_a_page_with_404(browser):
    page = browser.payment("nobody")
    assert page.status_code == 404
    assert "There is no such page" in page.text


def test_choosing_a_coin_shows_amount_address_and_code(browser):
    reference = browser.create()
    page = browser.press(browser.payment(reference), "Pay with this coin", coin="ETH-BASE")
    payment = browser.sandbox.payment(reference)
    assert (payment.currency, payment.network) == ("ETH", "BASE")
    assert "0.01351082 ETH" in page.text
    assert payment.deposit_address in page.text
    picture = re.search(r'class="qr" src="([^"]*)"', page.text)[1]
    svg = browser.open(unescape(picture))
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert "<svg" in svg.text


def test_without_segno_the_address_is_shown_with_a_hint(browser, monkeypatch):
    monkeypatch.setattr(qr, "can_draw", lambda: False)
    reference = browser.create(currency="USDC", network="BASE")
    page = browser.payment(reference)
    assert browser.sandbox.payment(reference).deposit_address in page.text
    assert "django_payram[qr]" in page.text
    assert browser.open(f"/sandbox/qr.svg?reference_id={reference}").status_code == 404


def test_an_address_stays_the_customers_own(browser):
    pair = {"currency": "USDC", "network": "BASE"}
    first, second = browser.create(**pair), browser.create(currency="ETH", network="ETH")
    other = browser.create(customerId="order-2", **pair)
    addresses = [browser.sandbox.payment(one).deposit_address for one in (first, second, other)]
    assert addresses[0] == addresses[1] != addresses[2]


@pytest.mark.parametrize(
    ("presses", "end", "filled"),
    [
        (["Pay in full"], "FILLED", "49.99"),
        (["Pay a part"], "PARTIALLY_FILLED", "20.00"),
        (["Pay a part", "Top up"], "FILLED", "49.99"),
        (["Pay a part", "Pay too much"], "OVER_FILLED", "54.99"),
        (["Pay a part", "Let it expire"], "CANCELLED", "20.00"),
        (["Pay too much"], "OVER_FILLED", "54.99"),
        (["Let it expire"], "CANCELLED", "0.00"),
        (["Let it expire", "Pay in full"], "FILLED", "49.99"),
        (["Send to the chain without confirmations"], "OPEN", "0.00"),
        (["Send to the chain without confirmations", *["Confirm one block"] * 3], "FILLED", "49.99"),
    ],
)
def test_the_buttons_do_what_they_say(browser, presses, end, filled):
    reference = browser.create()
    for text in presses:
        page = browser.payment(reference)
        amount = {"amount": re.search(r'name="amount" value="([^"]*)"', page.text)[1]} if text == "Pay a part" else {}
        assert browser.press(page, text, **amount).history[0].status_code == 303
    payment = browser.sandbox.payment(reference)
    assert (payment.state, f"{payment.filled_usd:.2f}") == (end, filled)


def test_the_rest_can_be_sent_under_a_new_reference(browser):
    reference = browser.create()
    browser.sandbox.pay(reference, 20)
    browser.press(browser.payment(reference), "Send the rest under a new reference")
    child = browser.sandbox.payments()[0]
    assert (child.customer_id, child.state, f"{child.filled_usd:.2f}") == ("order-1042", "FILLED", "29.99")


def test_the_same_press_twice_pays_once(browser):
    reference = browser.create()
    page = browser.payment(reference)
    for _ in range(2):
        assert browser.press(page, "Pay a part", amount="10").status_code == 200
    assert browser.sandbox.payment(reference).filled_usd == 10


def test_a_form_without_a_token_of_ours_does_nothing_and_says_so(browser):
    reference = browser.create()
    page = browser.payment(reference)
    answer = browser.http.post(page.url, data={"do": "pay", "form_token": "foreign"}, timeout=5)
    assert "nothing was done" in answer.text
    assert state(browser, reference) == "OPEN"


@pytest.mark.parametrize("typed", ["", "ten", "-1", "0", "1.234", "1e99", "NaN"])
def test_a_wrong_sum_is_explained_and_kept(browser, typed):
    reference = browser.create()
    answer = browser.press(browser.payment(reference), "Pay a part", amount=typed)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert typed in answer.text
    assert state(browser, reference) == "OPEN"


def test_the_page_shows_confirmations_and_asks_for_nothing_more(browser):
    reference = browser.create()
    browser.sandbox.see(reference)
    page = browser.press(browser.payment(reference), "Confirm one block")
    assert "1 of 3 confirmations" in page.text
    assert "To the address" not in page.text


def test_the_way_back_has_the_ids_in_2026(browser):
    reference = browser.create(invoiceID="INV 1042")
    assert link_back(browser.payment(reference)) is None
    browser.sandbox.pay(reference, 20)
    back = urlsplit(link_back(browser.payment(reference)))
    assert back.netloc + back.path == "shop.example/return/"
    assert parse_qs(back.query) == {"from": ["payram"], "reference_id": [reference], "invoice_id": ["INV 1042"]}
    gone = browser.create(customerId="order-2")
    browser.sandbox.expire(gone)
    assert link_back(browser.payment(gone)).startswith(f"{CANCEL}?reference_id={gone}")


@pytest.mark.parametrize("api_version", ["2024", "faq", "2025-11"])
def test_the_way_back_is_just_as_configured_before_2026(open_browser, api_version):
    browser = open_browser(api_version=api_version)
    reference = browser.create()
    browser.sandbox.pay(reference)
    url = browser.sandbox.payment(reference).url
    assert link_back(browser.http.get(url, timeout=5)) == SUCCESS


def test_the_script_sees_when_a_payment_changes(browser):
    reference = browser.create()
    page = browser.payment(reference)
    watch = unescape(re.search(r'data-watch="([^"]*)"', page.text)[1])
    mark = unescape(re.search(r'data-mark="([^"]*)"', page.text)[1])
    assert browser.open(watch).json() == {"mark": mark}
    browser.sandbox.see(reference)
    assert browser.open(watch).json() != {"mark": mark}


def test_deliveries_are_listed_and_can_be_sent_again(browser):
    reference = browser.create()
    assert "No deliveries yet" in browser.open("/sandbox/deliveries").text
    browser.sandbox.pay(reference)
    browser.sandbox.deliver_due()
    page = browser.open("/sandbox/deliveries")
    for words in ("200 OK", "taken", "FILLED", reference):
        assert words in page.text
    for _ in range(2):
        browser.press(page, "Send again")
    assert len(browser.sandbox.deliveries) == 2


def test_webhooks_can_be_switched_off_and_on(browser):
    browser.press(browser.open("/sandbox/deliveries"), "Switch webhooks off")
    assert browser.sandbox.webhooks is False
    browser.press(browser.open("/sandbox/deliveries"), "Switch webhooks on")
    assert browser.sandbox.webhooks is True


@pytest.mark.parametrize("name", ["sandbox.css", "sandbox.js", "icon.svg"])
def test_own_files_are_served_and_no_others(browser, name):
    assert browser.open(f"/sandbox/static/{name}").status_code == 200
    for path in (f"/sandbox/static/../{name}", "/sandbox/static/%2e%2e/pages.py", "/sandbox/static/pages.py"):
        assert browser.http.get(browser.sandbox.url + path, timeout=5).status_code == 404


def test_a_token_is_good_once():
    form_tokens = FormTokens()
    form_token = form_tokens.issue()
    assert [form_tokens.take(one) for one in (form_token, form_token, "foreign")] == [
        TokenState.FRESH,
        TokenState.USED,
        TokenState.UNKNOWN,
    ]


def test_old_tokens_are_forgotten():
    form_tokens = FormTokens()
    first, *_, last = [form_tokens.issue() for _ in range(5001)]
    assert (form_tokens.take(first), form_tokens.take(last)) == (TokenState.UNKNOWN, TokenState.FRESH)
