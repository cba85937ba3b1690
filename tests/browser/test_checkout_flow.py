"""From the product to the paid order, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.measurements import FOCUSED, SHOWS_FOCUS, tab_to
from tests.browser.page_objects import Customer

PRICE = "14.50"

# A browser sends only the last of two clicks on a form's button; two devices would send both.
PRESS_TWICE = """
() => {
  const form = document.querySelector(".pay form");
  const press = () => fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
  return Promise.all([press(), press()]).then(answers => answers.map(answer => answer.type));
}
"""


def status_of(tab):
    return tab.locator("#payram-status")


def expect_status(tab, *, title, sentence):
    expect(tab.get_by_role("heading", level=1)).to_have_text(title)
    expect(status_of(tab)).to_contain_text(sentence)


def expect_order(customer, state):
    customer.open_order()
    expect(customer.tab.locator(".pay .state")).to_have_text(state)


def refuse_reload(tab):
    """A mark that only lives as long as the page is not loaded anew."""
    tab.evaluate("() => { window.notReloaded = true; }")


def expect_no_reload(tab):
    assert tab.evaluate("() => window.notReloaded") is True


@pytest.fixture
def webhooks_off(browse, demo):
    context, _errors = browse()
    tab = context.new_page()
    tab.goto(f"{demo.sandbox}/sandbox/deliveries")
    tab.get_by_role("button", name="Switch webhooks off").click()
    expect(tab.get_by_text("Webhooks: off")).to_be_visible()
    yield
    tab.get_by_role("button", name="Switch webhooks on").click()
    expect(tab.get_by_text("Webhooks: on")).to_be_visible()


def test_paying_in_full_makes_the_order_paid(customer):
    customer.order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect_status(customer.tab, title="Paid", sentence=f"{PRICE} USD have been paid. Thank you!")
    customer.tab.get_by_role("link", name="Back to your order").click()
    expect(customer.tab).to_have_url(customer.order_url)
    expect(customer.tab.locator(".pay .state")).to_have_text("Paid")
    expect(customer.tab.get_by_role("button", name="Pay with crypto")).to_have_count(0)


def test_the_status_page_updates_itself_without_a_reload(customer):
    customer.order().go_to_pay()
    hosted = customer.tab.url
    status = customer.watch_status()
    refuse_reload(status)
    expect_status(status, title="Waiting for your payment", sentence=f"{PRICE} USD are to be paid.")
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Pay in full", badge="Paid")
    expect_status(status, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect(status).to_have_title("Paid · Copper Kettle")
    expect_no_reload(status)


def test_the_admin_finds_the_payment_and_asks_payram(customer, clerk):
    customer.order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect_status(customer.tab, title="Paid", sentence=PRICE)
    clerk.open_payment(customer.reference)
    expect(clerk.field("state")).to_have_text("Filled")
    expect(clerk.figure("Received")).to_have_text(f"{PRICE} USD")
    expect(clerk.tab.locator(".payram-admin-timeline")).to_contain_text("Checkout")
    clerk.ask_payram()
    expect(clerk.tab.locator(".payram-admin-timeline")).to_contain_text("Filled")
    expect(clerk.field("state")).to_have_text("Filled")


def test_the_admin_search_finds_nothing_by_a_wrong_reference(customer, clerk):
    customer.order().go_to_pay()
    assert clerk.search(f"{customer.reference}x").count() == 0


def test_a_part_and_a_top_up_make_the_order_paid(customer):
    customer.order().go_to_pay().pay_a_part("5.80").return_to_shop()
    expect_status(customer.tab, title="Partly paid", sentence="5.80 USD have arrived, and you are short by 8.70 USD.")
    expect_order(customer, "Part of the money has arrived")
    customer.tab.goto(customer.status_url)
    customer.tab.get_by_role("link", name="Pay the rest").click()
    customer.press_in_sandbox("Top up", badge="Paid").return_to_shop()
    expect_status(customer.tab, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect_order(customer, "Paid")


def test_a_top_up_under_a_new_reference_makes_the_order_paid(customer):
    customer.order().go_to_pay().pay_a_part("5.80")
    with customer.tab.expect_navigation():
        customer.tab.get_by_role("button", name="Send the rest under a new reference").click()
    customer.tab.goto(customer.status_url)
    expect(customer.tab.get_by_text(customer.reference)).to_be_visible()
    expect_status(customer.tab, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect_order(customer, "Paid")


def test_an_expired_link_cancels_the_order(customer):
    customer.order().go_to_pay().press_in_sandbox("Let it expire", badge="Expired").return_to_shop()
    expect_status(customer.tab, title="Expired", sentence="The link has expired and nothing was received.")
    expect_order(customer, "Canceled")
    expect(customer.tab.get_by_role("button", name="Pay with crypto")).to_be_visible()


def test_money_after_expiry_pays_the_order_and_is_flagged_late(customer, clerk):
    customer.order().go_to_pay().press_in_sandbox("Let it expire", badge="Expired")
    hosted = customer.tab.url
    customer.return_to_shop()
    expect_status(customer.tab, title="Expired", sentence="nothing was received")
    expect_order(customer, "Canceled")
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect_status(customer.tab, title="Paid late", sentence=f"{PRICE} USD have come after the time for this payment")
    expect_order(customer, "Paid")
    clerk.open_payment(customer.reference)
    expect(clerk.tab.locator(".payram-advice h2")).to_have_text("Money after cancellation")


def test_too_much_is_paid_and_the_surplus_is_shown(customer, clerk):
    customer.order().go_to_pay().press_in_sandbox("Pay too much", badge="Overpaid").return_to_shop()
    expect_status(customer.tab, title="Paid, with a surplus", sentence="1.45 USD more than was asked for")
    expect_order(customer, "Paid")
    clerk.open_payment(customer.reference)
    expect(clerk.field("state")).to_have_text("Overfilled")
    expect(clerk.figure("Received")).to_have_text("15.95 USD")


def expect_one_payment(customer, demo):
    customer.tab.goto(demo.sandbox)
    expect(customer.tab.locator("tbody tr", has_text=customer.email)).to_have_count(1)
    customer.open_order()
    expect(customer.tab.locator(".payments li")).to_have_count(1)


def test_a_double_click_makes_one_payment(customer, demo):
    customer.order().tab.get_by_role("button", name="Pay with crypto").dblclick()
    expect(customer.tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
    expect_one_payment(customer, demo)


def test_two_presses_at_the_same_moment_make_one_payment(customer, demo):
    assert customer.order().tab.evaluate(PRESS_TWICE) == ["opaqueredirect", "opaqueredirect"]
    expect_one_payment(customer, demo)


def test_the_button_pressed_in_two_tabs_leads_to_one_payment(customer):
    customer.order()
    second = Customer(customer.tab.context.new_page(), shop=customer.shop)
    second.tab.goto(customer.order_url)
    customer.go_to_pay()
    second.go_to_pay()
    assert second.reference == customer.reference


@pytest.mark.usefixtures("webhooks_off")
def test_without_webhooks_the_status_page_finds_out(customer):
    customer.order().go_to_pay()
    status = customer.watch_status()
    refuse_reload(status)
    customer.tab.goto(status.get_by_role("link", name="Go to the payment page").get_attribute("href"))
    customer.press_in_sandbox("Pay in full", badge="Paid")
    expect_status(status, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect_no_reload(status)
    expect_order(customer, "Paid")


def test_confirmations_count_up_by_themselves(customer):
    customer.order().go_to_pay().press_in_sandbox("Send to the chain without confirmations", badge="Confirming")
    hosted = customer.tab.url
    status = customer.watch_status()
    refuse_reload(status)
    customer.tab.goto(hosted)
    for confirmed in (0, 1, 2):
        expect_status(status, title="Payment seen on the chain", sentence=f"{confirmed} of 3 confirmations")
        customer.tab.get_by_role("button", name="Confirm one block").click()
    expect_status(status, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect_no_reload(status)


def test_paying_needs_no_javascript(browse, demo):
    context, _errors = browse(java_script_enabled=False)
    customer = Customer(context.new_page(), shop=demo.shop)
    customer.order().go_to_pay()
    status = customer.watch_status()
    expect_status(status, title="Waiting for your payment", sentence=f"{PRICE} USD are to be paid.")
    expect(status.locator('meta[http-equiv="refresh"]')).to_have_attribute("content", "10")
    customer.tab.goto(status.get_by_role("link", name="Go to the payment page").get_attribute("href"))
    customer.press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect_status(customer.tab, title="Paid", sentence=f"{PRICE} USD have been paid.")
    expect_order(customer, "Paid")
    expect(status.get_by_role("heading", level=1)).to_have_text("Paid", timeout=20_000)
    expect(status.locator('meta[http-equiv="refresh"]')).to_have_count(0)


def press_enter(tab, *, on):
    tab_to(tab, on)
    tab.keyboard.press("Enter")


def type_into(tab, *, field, words):
    tab_to(tab, field)
    tab.keyboard.type(words)


def test_paying_needs_no_mouse(customer, demo):
    tab = customer.tab
    tab.goto(f"{demo.shop}/")
    press_enter(tab, on="Ridgeline Espresso")
    expect(tab.get_by_role("heading", name="Order it")).to_be_visible()
    type_into(tab, field="Your name", words="Ada Example")
    type_into(tab, field="Your e-mail address", words=customer.email)
    press_enter(tab, on="Place the order")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Order ")
    press_enter(tab, on="Pay with crypto")
    expect(tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
    press_enter(tab, on="Pay in full")
    expect(tab.locator(".badge")).to_have_text("Paid")
    press_enter(tab, on="Return to the shop")
    expect_status(tab, title="Paid", sentence=f"{PRICE} USD have been paid.")
    tab_to(tab, "Back to your order")
    assert tab.evaluate(FOCUSED) == "Back to your order"


def test_the_skip_link_leads_past_the_menu(customer, demo):
    customer.tab.goto(f"{demo.shop}/")
    press_enter(customer.tab, on="Skip to the content")
    expect(customer.tab.locator("main")).to_be_focused()


def test_the_focus_stays_where_it_was_when_the_status_page_updates_itself(customer):
    customer.order().go_to_pay()
    hosted = customer.tab.url
    status = customer.watch_status()
    tab_to(status, "Back to your order")
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Send to the chain without confirmations", badge="Confirming")
    expect_status(status, title="Payment seen on the chain", sentence="0 of 3 confirmations")
    assert status.evaluate(FOCUSED) == "Back to your order"


def test_the_focus_goes_to_the_next_thing_to_do_when_its_link_is_gone(customer):
    customer.order().go_to_pay()
    hosted = customer.tab.url
    status = customer.watch_status()
    tab_to(status, "Go to the payment page")
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Pay in full", badge="Paid")
    expect_status(status, title="Paid", sentence=f"{PRICE} USD have been paid.")
    assert status.evaluate(FOCUSED) == "Back to your order"
    assert status.evaluate(SHOWS_FOCUS)
