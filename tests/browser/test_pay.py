"""Paying in the shop, as a customer sees it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.measurements import SCREENSHOTS, TOO_WIDE, tab_to
from tests.browser.page_objects import Customer

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
ADDRESS = "[id^=payram-address]"
LARGEST_PAGE = 30_000
"""Bytes of a status page with everything that it loads."""


IDS_TWICE = """() => [...document.querySelectorAll("[id]")]
  .map(one => one.id).filter((id, index, all) => all.indexOf(id) !== index)"""


def serious(tab):
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in Axe().run(tab).response["violations"]]


@pytest.fixture
def paying(customer, library_shop):
    """A customer who is to choose a coin, on the package's own pages."""
    customer.order().go_to_pay()
    return customer


def pay_page(customer, shop):
    """Return where the customer pays in the shop."""
    return customer.status_url.replace(customer.shop, shop) + "pay/"


def test_a_customer_chooses_copies_and_pays(paying, demo):
    tab = paying.tab
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.goto(pay_page(paying, demo.shop))
    tab.get_by_role("button", name="USDC on Base").click()
    expect(tab.get_by_role("heading", name="Send USDC on Base")).to_be_visible()
    address = tab.locator(ADDRESS).text_content()
    tab.get_by_role("button", name="Copy the address").click()
    assert tab.evaluate("navigator.clipboard.readText()") == address
    assert tab.get_by_role("link", name="Open in your wallet").get_attribute("href").startswith("ethereum:0x")
    expect(tab.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    # What happens elsewhere is seen here without a click, and spoken.
    other = tab.context.new_page()
    other.goto(tab.url)
    other.get_by_role("button", name="Choose another coin").click()
    expect(tab.get_by_role("heading", name="Choose what you pay with")).to_be_visible()


def test_the_same_without_javascript(browse, demo, paying):
    context, _errors = browse(java_script_enabled=False, storage_state=paying.tab.context.storage_state())
    tab = context.new_page()
    tab.goto(pay_page(paying, demo.shop))
    tab.get_by_role("button", name="BTC on Bitcoin").click()
    expect(tab.locator(ADDRESS)).to_be_visible()
    assert tab.get_by_role("button", name="Copy").count() == 0
    assert 'http-equiv="refresh"' in tab.content()


def test_the_strictest_policy_suffices(browse, demo, paying):
    context, errors = browse()
    tab = context.new_page()

    def strictly(route):
        answer = route.fetch(max_redirects=0)
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})

    context.route("**/payram/**", strictly)
    tab.goto(pay_page(paying, demo.shop))
    tab.get_by_role("button", name="USDC on Base").click()
    expect(tab.locator(ADDRESS)).to_be_visible()
    with context.expect_page() as opened:
        tab.evaluate("window.open(location.href)")
    other = opened.value
    other.get_by_role("button", name="Choose another coin").click()
    expect(tab.get_by_role("heading", name="Choose what you pay with")).to_be_visible()
    assert errors.unexpected == []


def test_by_keyboard_alone(paying, demo):
    tab = paying.tab
    tab.goto(pay_page(paying, demo.shop))
    tab_to(tab, "ETH on Base 0.00391892 ETH")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Send ETH on Base")).to_be_visible()
    tab_to(tab, "Choose another coin")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280, 1920])
def test_nothing_keeps_anybody_from_using_it(browse, demo, paying, width, scheme):
    context, _errors = browse(
        viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=paying.tab.context.storage_state()
    )
    tab = context.new_page()
    tab.goto(pay_page(paying, demo.shop))
    SCREENSHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SCREENSHOTS / f"choose-{width}-{scheme}.png", full_page=True)
    assert serious(tab) == []
    assert tab.evaluate(TOO_WIDE) <= 0
    tab.get_by_role("button", name="USDC on Ethereum").click()
    expect(tab.locator(ADDRESS)).to_be_visible()
    tab.screenshot(path=SCREENSHOTS / f"send-{width}-{scheme}.png", full_page=True)
    assert serious(tab) == []
    assert tab.evaluate(TOO_WIDE) <= 0


def test_at_twice_the_size_of_text_nothing_is_cut_off(browse, demo, paying):
    context, _errors = browse(viewport={"width": 640, "height": 900})
    tab = context.new_page()
    tab.goto(pay_page(paying, demo.shop))
    tab.get_by_role("button", name="USDC on Ethereum").click()
    tab.evaluate("document.documentElement.style.fontSize = '200%'")
    assert tab.evaluate(TOO_WIDE) <= 0


def test_a_status_page_is_small_and_does_not_jump(browse, library_shop, paying):
    context, _errors = browse()
    tab = context.new_page()
    sizes = []
    tab.on("response", lambda answer: sizes.append(len(answer.body())))
    tab.goto(paying.status_url.replace(paying.shop, library_shop), wait_until="networkidle")
    assert sum(sizes) < LARGEST_PAGE, sizes
    shift = """() => new Promise(done => {
      let sum = 0;
      new PerformanceObserver(list => { for (const entry of list.getEntries()) sum += entry.value; })
        .observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done(sum), 500);
    })"""
    assert tab.evaluate(shift) == 0


def test_a_script_of_the_shop_pays_without_leaving_the_page(browse, demo):
    context, errors = browse()
    errors.expect("status of 503")
    tab = Customer(context.new_page(), shop=demo.shop).order().tab
    order_url = tab.url
    tab.get_by_role("button", name="Pay on this page").click()
    tab.get_by_role("button", name="14.5 USDC (Base)").click()
    expect(tab.locator("[data-field=address]")).to_have_text(re.compile("^0x[0-9a-fA-F]{40}$"))
    # One call that fails is not the end.
    tab.route("**/state/", lambda call: call.fulfill(status=503, json={"message": "The shop is busy."}), times=1)
    expect(tab.locator("#pay-here .news")).to_have_text("The shop is busy.")
    # The wallet pays; the shop's page learns of it by itself.
    wallet = tab.context.new_page()
    wallet.goto(order_url)
    wallet.locator(".payments a").first.click()
    wallet.get_by_role("link", name="Use the payment page of the payment server instead").click()
    wallet.get_by_role("button", name="Pay in full", exact=True).click()
    expect(tab.locator("#pay-here .news")).to_have_text("14.50 USD have been paid. Thank you!")
    assert tab.url == order_url


@pytest.mark.parametrize(
    ("language", "direction", "title"),
    [
        ("de", "ltr", "Wählen Sie, womit"),
        ("ar", "rtl", "اختر"),
        ("ja", "ltr", "お支払い"),
        ("sv", "ltr", "Choose what you pay with"),
    ],
)
def test_the_page_is_in_the_language_of_the_browser(browse, library_shop, paying, language, direction, title):
    """F98: Swedish is none of ours, and the text is English then."""
    context, _errors = browse(locale=language, viewport={"width": 380, "height": 800})
    tab = context.new_page()
    address = paying.status_url
    # This shop cannot reach PayRam: what the other one has heard of offers is in the database of both.
    paying.tab.goto(f"{address}pay/")
    tab.goto(address.replace(paying.shop, library_shop))
    expect(tab.locator(".payram-pay h2")).to_be_visible()
    said = "en" if language == "sv" else language
    assert tab.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [said, direction]
    assert title in tab.locator(".payram-pay h2").text_content()
    tab.screenshot(path=SCREENSHOTS / f"choose-{language}.png", full_page=True)
    paying.tab.get_by_role("button", name="USDC on Base").click()
    tab.reload()
    expect(tab.locator(ADDRESS)).to_be_visible()
    tab.screenshot(path=SCREENSHOTS / f"send-{language}.png", full_page=True)
    assert serious(tab) == []
    assert tab.evaluate(TOO_WIDE) <= 0


COIN_BEFORE_NETWORK = """() => {
  const texts = document.createTreeWalker(document.querySelector(".payram-facts"), NodeFilter.SHOW_TEXT);
  while (!/USDC.*Base/.test(texts.nextNode().data));
  const text = texts.currentNode;
  const left = (word) => {
    const range = document.createRange();
    range.setStart(text, text.data.indexOf(word));
    range.setEnd(text, text.data.indexOf(word) + word.length);
    return range.getBoundingClientRect().left;
  };
  return left("USDC") < left("Base") === (document.documentElement.dir === "ltr");
}"""


def test_from_right_to_left_the_coin_stands_before_its_network_all_the_same(browse, library_shop, paying, demo):
    address = paying.status_url
    paying.tab.goto(f"{address}pay/")
    paying.tab.get_by_role("button", name="USDC on Base").click()
    paying.tab.get_by_role("link", name="Use the payment page of the payment server instead").click()
    paying.press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    for language in ("ar", "fa", "he", "en"):
        context, _errors = browse(locale=language)
        tab = context.new_page()
        tab.goto(address.replace(paying.shop, library_shop))
        expect(tab.locator('[data-status="paid"]')).to_be_visible()
        assert tab.evaluate(COIN_BEFORE_NETWORK), language


def test_a_receipt_on_paper_names_the_shop_and_the_transaction_and_has_no_buttons(paying, library_shop):
    address = paying.press_in_sandbox("Pay in full", badge="Paid").status_url.replace(paying.shop, library_shop)
    tab = paying.tab
    tab.goto(address)
    tab.emulate_media(media="print")
    card = tab.locator("#payram-status")
    expect(card).to_have_text(
        re.compile("Copper Kettle.*Paid.*14.50 USD.*0x[0-9a-f]{64}", re.DOTALL), use_inner_text=True
    )
    expect(card.locator(".payram-actions, .payram-badge").filter(visible=True)).to_have_count(0)


def test_what_was_wrong_with_a_choice_stays_to_be_read(browse, paying, demo):
    """The page asks for itself every four seconds, and the news there is only that nothing was wrong before."""
    context, errors = browse()
    errors.expect("status of 400")
    tab = context.new_page()
    tab.goto(pay_page(paying, demo.shop))
    button = tab.get_by_role("button", name="USDC on Base")
    button.evaluate("button => { button.value = 'DOGE-DOGE'; }")
    with tab.expect_response(lambda answer: answer.request.resource_type == "xhr" and answer.status == 200):
        button.click()
        expect(tab.get_by_role("alert")).to_have_text(re.compile("^This coin is not offered"))
    tab.wait_for_timeout(500)
    expect(tab.get_by_role("alert")).to_be_visible()


def test_two_payments_on_one_page_keep_their_names_and_each_button_copies_its_own(customer, browse, demo, library_shop):
    """A page of the shop may show two payments."""
    tokens, addresses = [], []
    tab = customer.tab
    for _order in range(2):
        status = customer.order().go_to_pay().status_url
        tab.goto(f"{status}pay/")
        tab.get_by_role("button", name="USDC on Base").click()
        addresses.append(tab.locator(ADDRESS).text_content())
        tokens.append(urlsplit(status).path.strip("/").split("/")[-1])
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.goto(f"{library_shop}/two-payments/{'/'.join(tokens)}/")
    assert serious(tab) == []
    assert tab.evaluate(IDS_TWICE) == []
    for index, address in enumerate(addresses):
        tab.get_by_role("group", name="Send USDC on Base").nth(index).get_by_role(
            "button", name="Copy the address"
        ).click()
        expect(tab.get_by_role("button", name="Copied")).to_have_count(index + 1)
        assert tab.evaluate("navigator.clipboard.readText()") == address
    # Each leads to the page of its own payment, which learns of news by itself.
    tab.get_by_role("button", name="Choose another coin").last.click()
    expect(tab.get_by_role("heading", name="Choose what you pay with")).to_be_visible()
    assert tokens[1] in tab.url


def test_a_screen_reader_is_told_what_is_new_and_nothing_else(paying, demo):
    tab = paying.tab
    tab.goto(pay_page(paying, demo.shop))
    tab.evaluate(
        """() => {
          window.spoken = 0;
          const live = document.querySelector("[role=status]");
          new MutationObserver(() => { window.spoken += 1; }).observe(live, { childList: true, subtree: true });
        }"""
    )
    other = tab.context.new_page()
    other.goto(tab.url)
    other.get_by_role("button", name="USDC on Base").click()
    expect(tab.get_by_role("heading", name="Send USDC on Base")).to_be_visible()
    assert tab.evaluate("window.spoken") == 0
    other.get_by_role("link", name="Use the payment page of the payment server instead").click()
    other.get_by_role("button", name="Pay in full", exact=True).click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Paid")
    assert tab.evaluate("window.spoken") == 1
