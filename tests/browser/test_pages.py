"""Every page by itself: valid, labelled, readable in any width and colour scheme; and a screenshot of it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import find_chromium
from tests.browser.measurements import (
    LOW_CONTRAST,
    OUT_OF_ORDER,
    SCREENSHOTS,
    TOO_WIDE,
    UNNAMED,
    ErrorLog,
    each_viewport,
)
from tests.browser.page_objects import Customer
from tests.browser.payment_pages import OUTCOMES, REWRITTEN, PaymentPages, open_payments

READABLE = 4.5

STATUSES = [*(name for name in OUTCOMES if name != "new"), *REWRITTEN, "failed"]
LIBRARY_STATUSES = ("waiting", "confirming", "short", "overpaid", "expired", "refunded", "withdrawn", "time-left")
"""Statuses that the library's template shows in different ways."""
PAGES = [
    *("shop", "product", "product-error", "orders", "orders-empty", "login"),
    *(f"order-{name}" for name in ("new", "short", "closed-short", "paid", "expired", "failed")),
    *("overview", "deliveries", "hosted-missing"),
    *(f"hosted-{name}" for name in OUTCOMES),
    *(f"status-{name}" for name in STATUSES),
    *("return", "unavailable"),
    *(f"library-status-{name}" for name in LIBRARY_STATUSES),
    *("library-return", "library-unavailable"),
]
WITHOUT_ORDERS = frozenset({"orders-empty", "return", "library-return"})
"""Pages that look like this only to somebody without orders."""

POLICY = "default-src 'self'"
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => window.violations.push(event.violatedDirective));
"""
VIOLATIONS = "() => window.violations"
BREAK_POLICY = "() => { document.body.append(Object.assign(document.createElement('script'), { text: '0' })); }"


@pytest.fixture(scope="module")
def pages(chromium, demo, library_shop, shop_without_payram):
    context = chromium.new_context()
    errors = ErrorLog(context)
    errors.expect("status of 503")
    made = PaymentPages()
    open_payments(made, context=context, demo=demo, library_shop=library_shop, shop_without_payram=shop_without_payram)
    context.close()
    assert errors.unexpected == []
    failed = urlsplit(made.addresses["order-failed"]).path
    made.addresses |= {
        "shop": f"{demo.shop}/",
        "product": f"{demo.shop}/products/teapot/",
        "product-error": f"{demo.shop}/products/grinder/",
        "orders": f"{demo.shop}/orders/",
        "orders-empty": f"{demo.shop}/orders/",
        "login": f"{demo.shop}/accounts/login/",
        "overview": f"{demo.sandbox}/",
        "deliveries": f"{demo.sandbox}/sandbox/deliveries",
        "hosted-missing": f"{demo.sandbox}/payments?reference_id=none",
        "return": f"{demo.shop}/payram/return/",
        "unavailable": f"{shop_without_payram}{failed}",
        "library-return": f"{library_shop}/payram/return/",
        "library-unavailable": f"{library_shop}{failed}",
    }
    return made


def press(name):
    return lambda tab: tab.get_by_role("button", name=name).click()


# What has to be done at a page's address to see it, and the answers that the browser then reports as errors.
STEPS = {
    "product-error": (press("Place the order"), "", "Please check the fields marked below."),
    "unavailable": (press("Pay with crypto"), "status of 503", "Payment is not possible just now"),
    "library-unavailable": (press("Pay with crypto"), "status of 503", "Payment is not possible just now"),
    "hosted-missing": (lambda tab: None, "status of 404", "There is no such page"),
}


@pytest.fixture
def show(browse, pages):
    """Open a page by its name."""

    def open_page(name):
        context, errors = browse(storage_state=None if name in WITHOUT_ORDERS else pages.cookies)
        tab = context.new_page()
        step, error, words = STEPS.get(name, (None, "", ""))
        if error:
            errors.expect(error)
        tab.goto(pages.addresses[name])
        if step is not None:
            step(tab)
            expect(tab.locator("main")).to_contain_text(words)
        return tab

    return open_page


def inspect(tab, *, name):
    """Look at a page in every width and colour scheme, and take a screenshot."""
    SCREENSHOTS.mkdir(exist_ok=True)
    for width, scheme in each_viewport(tab):
        contrast = tab.evaluate(LOW_CONTRAST, READABLE)
        assert contrast["count"] > 3
        assert contrast["low"] == [], f"hard to read at {width} px, {scheme}"
        assert tab.evaluate(TOO_WIDE) == 0, f"scrolls sideways at {width} px"
        tab.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_and_readable(show, name):
    tab = show(name)
    expect(tab.locator("h1")).to_have_count(1)
    expect(tab.locator("html")).to_have_attribute("lang", re.compile("^en"))
    expect(tab.get_by_role("main")).to_have_count(1)
    assert tab.title().strip()
    assert tab.evaluate(UNNAMED) == []
    inspect(tab, name=name)


@pytest.mark.parametrize("name", [f"library-status-{name}" for name in LIBRARY_STATUSES])
def test_a_page_in_a_language_from_right_to_left_keeps_amounts_and_references_in_order(show, name):
    tab = show(name)
    tab.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    assert tab.evaluate(OUT_OF_ORDER, ".payram-sentence, .payram-facts dd") == []
    inspect(tab, name=f"{name}-rtl")


@pytest.mark.parametrize("name", ["withdrawn", "refunded", "held", "preparing", "failed"])
def test_the_status_page_shows_the_status(show, name):
    expect(show(f"status-{name}").locator("#payram-status")).to_have_attribute("data-status", name)


def test_the_admin_pages_are_sound(clerk, pages):
    tab, address = clerk.tab, f"{clerk.shop}/admin/django_payram/payment/"
    tab.goto(address)
    inspect_admin(tab, name="admin-list")
    for name in ("paid", "closed-short", "held"):
        clerk.open_payment(pages.references[name])
        inspect_admin(tab, name=f"admin-payment-{name}")
    clerk.field("order_link").get_by_role("link").click()
    inspect_admin(tab, name="admin-order")


def inspect_admin(tab, *, name):
    """The page's own frame is Django's; what is ours must fit into it."""
    expect(tab.get_by_role("main")).to_have_count(1)
    expect(tab.locator("h1")).to_have_count(1)
    SCREENSHOTS.mkdir(exist_ok=True)
    for width, scheme in each_viewport(tab):
        tab.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")


def add_policy(route):
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})


@pytest.fixture
def strict(browse, pages):
    """A context in which the pages of django_payram come with a strict policy, and violations are collected."""
    context, errors = browse(storage_state=pages.cookies)
    context.add_init_script(WATCH_POLICY)
    context.route(re.compile(r"/payram/"), add_policy)
    return context, errors


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("library-")])
def test_a_strict_policy_is_kept(strict, pages, name):
    context, errors = strict
    errors.expect("status of 503")
    tab = context.new_page()
    tab.goto(pages.addresses[name])
    if name == "library-unavailable":
        tab.route(re.compile(r"/pay/$"), add_policy)
        press("Pay with crypto")(tab)
    expect(tab.locator(".payram-card")).to_be_visible()
    assert tab.evaluate(VIOLATIONS) == []


def test_the_status_page_updates_itself_under_a_strict_policy(strict, demo, library_shop):
    context, errors = strict
    customer = Customer(context.new_page(), shop=demo.shop).order().go_to_pay()
    hosted = customer.tab.url
    status = context.new_page()
    status.goto(library_shop + urlsplit(customer.status_url).path)
    expect(status.get_by_role("heading", level=1)).to_have_text("Waiting for your payment")
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Pay in full", badge="Paid")
    expect(status.get_by_role("heading", level=1)).to_have_text("Paid")
    assert status.evaluate(VIOLATIONS) == []
    # The watch itself works, and the page was not loaded anew.
    errors.expect("Content Security Policy")
    status.evaluate(BREAK_POLICY)
    status.wait_for_function("() => window.violations.length === 1")


def test_a_missing_browser_fails_on_ci():
    with pytest.raises(pytest.fail.Exception, match="apt install chromium, or set CHROMIUM="):
        find_chromium({"CI": "true", "CHROMIUM": "/nowhere/chromium"})


def test_a_missing_browser_skips_elsewhere_with_advice():
    with pytest.raises(pytest.skip.Exception, match="apt install chromium, or set CHROMIUM="):
        find_chromium({"CHROMIUM": "/nowhere/chromium"})


def test_the_browser_can_be_named(tmp_path):
    browser = tmp_path / "chrome"
    browser.touch()
    assert find_chromium({"CHROMIUM": str(browser)}) == str(browser)
