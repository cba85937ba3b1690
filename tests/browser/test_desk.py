"""A day at the merchant's desk, in Django's admin as it is and in three other looks of it."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import demo as machinery
from tests.browser.measurements import SCREENSHOTS, TOO_WIDE, each_viewport
from tests.browser.page_objects import Clerk, Customer

THEMES = ["unfold", "jazzmin", "grappelli"]
OURS = ".payram-panel, .payram-table, .payram-decision, .payram-inbox, .payram-range, .payram-chart"


def violations(tab):
    """Return what axe finds in the parts of a page that are ours."""
    # Django's links change their colour by and by when the colour scheme does.
    tab.wait_for_timeout(300)
    found = Axe().run(
        tab, context={"include": [[selector] for selector in OURS.split(", ") if tab.locator(selector).count()]}
    )
    return [
        (one["id"], [(node["html"][:160], [check["message"] for check in node["any"]]) for node in one["nodes"]])
        for one in found.response["violations"]
    ]


def look(tab, name):
    """See that a page fits, in every width and colour scheme, and that axe finds nothing in what is ours."""
    SCREENSHOTS.mkdir(exist_ok=True)
    for width, scheme in each_viewport(tab):
        assert tab.evaluate(TOO_WIDE) == 0, f"{name} scrolls sideways at {width} px"
        assert violations(tab) == [], f"{name} at {width} px, {scheme}"
        tab.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")


@pytest.fixture(scope="module")
def shopping(chromium, demo):
    """A customer who has paid, and one whose order is paid by a second payment as well."""
    context = chromium.new_context()
    customer = Customer(context.new_page(), shop=demo.shop)
    customer.order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    yield customer
    context.close()


def test_a_customer_who_says_that_it_is_paid_is_found_and_sent_the_money_back(shopping, clerk):
    """By the beginning of the e-mail as it is spelled on the phone; the money is found, sent back and noted."""
    tab = clerk.tab
    expect(clerk.search(shopping.email[:9].upper())).to_have_count(1)
    clerk.open_payment(shopping.reference)
    expect(tab.locator("#payram-status")).to_contain_text("Paid")
    look(tab, "desk-payment")
    tab.get_by_role("link", name="Record a refund").click()
    look(tab, "desk-refund")
    expect(tab.get_by_label("Amount (USD)")).to_have_value("14.50")
    tab.get_by_label("Transaction").fill("0xfeed")
    tab.get_by_role("button", name="Record a refund").click()
    expect(tab.locator(".messagelist")).to_contain_text("The refund is recorded.")
    expect(clerk.figure("Refunded")).to_have_text("14.50 USD")
    tab.get_by_role("link", name="History").click()
    expect(tab.locator("#content")).to_contain_text("The refund is recorded.")


def test_the_month_is_closed(shopping, clerk):
    tab = clerk.tab
    tab.goto(f"{clerk.shop}/admin/django_payram/payment/")
    tab.get_by_role("link", name="What came in").click()
    expect(tab.locator(".payram-chart rect").first).to_be_attached()
    look(tab, "desk-overview")
    tab.get_by_role("link", name="This year").click()
    expect(tab.locator("tfoot")).to_contain_text("USD")


def test_a_deposit_is_requested_by_hand_and_mailed(clerk):
    tab = clerk.tab
    tab.goto(f"{clerk.shop}/admin/django_payram/payment/")
    tab.get_by_role("link", name="Request a payment").click()
    look(tab, "desk-request")
    tab.get_by_label("Customer's e-mail").fill("kim@example.com")
    tab.get_by_label("Amount").fill("25")
    tab.get_by_label("Note").fill("A deposit.")
    tab.get_by_role("button", name="Make the link").click()
    expect(tab.locator(".messagelist")).to_contain_text("The link is made.")
    link = tab.get_by_label("Where the customer pays").input_value()
    assert "reference_id=" in link
    posted = []
    tab.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    tab.get_by_role("button", name="Mail the link").dblclick()
    expect(tab.locator(".messagelist")).to_contain_text("The link was sent to kim@example.com.")
    assert [url.rpartition("/payment/")[2].split("/")[1] for url in posted] == ["mail"]
    tab.get_by_role("link", name="Withdraw the link").click()
    tab.get_by_label("Reason").fill("It was a mistake.")
    tab.keyboard.press("Enter")
    expect(tab.get_by_label("Reason")).to_have_value("It was a mistake.\n")
    tab.get_by_role("button", name="Withdraw the link").click()
    expect(tab.locator("#payram-status")).to_contain_text("Withdrawn")


def test_the_rest_is_requested_from_the_orders_page(customer, clerk):
    """A part came, and the link ended: the order's page says what is missing, and fills the form in."""
    customer.order().go_to_pay().pay_a_part("10")
    customer.press_in_sandbox("Let it expire", badge="Expired")
    # The webhook about it may be on its way.
    tab = clerk.open_payment(customer.reference).ask_payram().tab
    tab.goto(f"{clerk.shop}/admin/shop/order/{customer.order_url.rstrip('/').rpartition('/')[2]}/change/")
    look(tab, "desk-order")
    tab.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    look(tab, "desk-order-rtl")
    tab.locator(".payram-table a[href*='/payment/']").first.click()
    look(tab, "desk-payment-in-part")
    tab.get_by_role("link", name="Request the rest").click()
    expect(tab.get_by_label("Order number")).not_to_have_value("")
    expect(tab.get_by_label("Purpose")).to_have_value("rest")
    tab.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    look(tab, "desk-request-rtl")
    tab.get_by_label("Order", exact=True).fill("999999")
    tab.get_by_role("button", name="Make the link").click()
    expect(tab.get_by_role("alert")).to_contain_text("Please correct the error below.")
    look(tab, "desk-request-wrong")


def test_links_are_copied(clerk):
    tab = clerk.tab
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.goto(f"{clerk.shop}/admin/django_payram/payment/request/")
    tab.get_by_label("Customer's e-mail").fill("kim@example.com")
    tab.get_by_label("Amount").fill("5")
    tab.get_by_role("button", name="Make the link").click()
    for field, button in (
        ("Where the customer pays", "Copy the link"),
        ("Where the customer sees it", "Copy the status page"),
    ):
        tab.get_by_role("button", name=button).press("Enter")
        expect(tab.get_by_role("button", name="Copied").first).to_be_visible()
        assert tab.evaluate("() => navigator.clipboard.readText()") == tab.get_by_label(field).input_value()
    look(tab, "desk-requested")


def test_the_inbox_is_worked_off(customer, clerk):
    # One to resolve and one more, so that there is something to choose from.
    for _ in range(2):
        customer.order().go_to_pay()
        hosted = customer.tab.url
        clerk.decide(customer.order_url, "Mark selected orders as paid by card", said="1 order was paid by card.")
        customer.tab.goto(hosted)
        customer.press_in_sandbox("Pay in full", badge="Paid")
    tab = clerk.tab
    tab.goto(f"{clerk.shop}/admin/django_payram/")
    tab.get_by_role("link", name=re.compile("needs? you")).click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Payments that need you")
    look(tab, "desk-inbox")
    boxes = tab.locator("input[name=payment]")
    tab.get_by_label("Choose all").check()
    assert boxes.evaluate_all("boxes => boxes.every((box) => box.checked)")
    boxes.first.uncheck()
    expect(tab.get_by_label("Choose all")).not_to_be_checked()
    boxes.evaluate_all("boxes => { for (const box of boxes) box.checked = false; }")
    tab.get_by_role("checkbox", name=f"Choose {customer.reference}").check()
    tab.get_by_label("Reason").fill("Sent back by hand.")
    tab.get_by_role("button", name="Resolve").click()
    expect(tab.locator(".messagelist")).to_contain_text("1 review is resolved.")
    expect(tab.get_by_role("checkbox", name=f"Choose {customer.reference}")).to_have_count(0)


def test_the_list_keeps_each_row_in_one_line(shopping, clerk):
    tab = clerk.tab
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{clerk.shop}/admin/django_payram/payment/")
    # Also between the bars of the navigation and of the filters.
    expect(tab.locator("#nav-sidebar")).to_be_visible()
    expect(tab.locator("#changelist-filter")).to_be_visible()
    assert tab.locator(".results").evaluate("one => one.scrollWidth - one.clientWidth") == 0
    rows = tab.locator("#result_list tbody tr")
    for row in range(rows.count()):
        cells = rows.nth(row).locator("th, td:not(.field-status_and_review):not(.action-checkbox)")
        assert {
            cells.nth(cell).evaluate("one => getComputedStyle(one).whiteSpace") for cell in range(cells.count())
        } == {"nowrap"}


def test_the_desk_works_from_right_to_left(shopping, clerk):
    tab = clerk.tab
    clerk.open_payment(shopping.reference)
    tab.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    look(tab, "desk-payment-rtl")


# Other looks of the admin


@pytest.fixture(scope="module", params=THEMES)
def theme(request, demo):
    settings = f"tests.browser.admin_themes.{request.param}"
    with machinery.another_shop(demo, name=f"theme-{request.param}", settings=settings) as address:
        yield request.param, address


def test_the_desk_is_whole_in_another_look_of_the_admin(theme, shopping, demo, chromium):
    """F100."""
    name, address = theme
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    clerk = Clerk(tab, shop=address)
    tab.goto(f"{address}/admin/login/?next=/admin/django_payram/payment/")
    tab.locator("input[name=username]").fill("admin")
    tab.locator("input[name=password]").fill(demo.password)
    tab.locator("form button[type=submit], form input[type=submit]").first.click()
    SCREENSHOTS.mkdir(exist_ok=True)
    expect(tab.locator(".payram-status").first).to_be_visible()
    tab.screenshot(path=SCREENSHOTS / f"desk-{name}-list.png", full_page=True)
    tab.goto(f"{clerk.shop}/admin/django_payram/payment/?q={shopping.reference}")
    tab.locator("a[href*='/change/']").filter(has_text=shopping.reference[:6]).first.click()
    expect(tab.locator(".payram-panel")).to_be_visible()
    tab.screenshot(path=SCREENSHOTS / f"desk-{name}-payment.png", full_page=True)
    for button in (
        tab.get_by_role("link", name="Assign to an order"),
        tab.get_by_role("button", name="Ask PayRam now"),
    ):
        box = button.bounding_box()
        assert box is not None
        assert box["width"] > 60
        assert box["height"] > 20
    for page in ("inbox", "overview", "request"):
        tab.goto(f"{clerk.shop}/admin/django_payram/payment/{page}/")
        expect(tab.locator(OURS).or_(tab.locator(".payram-explanation")).first).to_be_visible()
        tab.screenshot(path=SCREENSHOTS / f"desk-{name}-{page}.png", full_page=True)
    context.close()
