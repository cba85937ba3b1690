"""The life of an order in the example shop: a price in euro, a second bill, paid by card, sent back."""

from __future__ import annotations

from playwright.sync_api import expect

EURO, DOLLARS = "€58.00", "62.93"


def title(tab):
    return tab.locator("#payram-title")


def fact(tab, name):
    return tab.locator(".payram-facts div").filter(has_text=name).locator("dd")


def test_a_price_in_euro_is_paid_in_dollars_and_shown_in_both(customer):
    """F86."""
    customer.order("teapot")
    expect(customer.tab.locator("tfoot .price")).to_have_text(EURO)
    customer.go_to_pay()
    status = customer.watch_status()
    expect(fact(status, "Price")).to_have_text("58.00 EUR")
    expect(fact(status, "Amount")).to_have_text(f"{DOLLARS} USD")
    customer.tab.go_back()
    customer.open_order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect(title(customer.tab)).to_have_text("Paid")
    expect(customer.open_order().tab.locator(".pay .state")).to_have_text("Paid")


def test_an_order_that_was_paid_by_card_has_no_link_any_more(customer, clerk):
    """F83."""
    customer.order().go_to_pay()
    hosted = customer.tab.url
    opened_before = customer.tab.context.new_page()
    opened_before.goto(customer.order_url)
    clerk.decide(customer.order_url, "Mark selected orders as paid by card", said="1 order was paid by card.")
    status = customer.watch_status()
    expect(title(status)).to_have_text("Withdrawn")
    expect(status.get_by_text("Please do not pay here.")).to_be_visible()
    expect(status.get_by_role("link", name="Go to the payment page")).to_have_count(0)
    expect(customer.open_order().tab.locator(".pay .state")).to_have_text("Paid")
    expect(customer.tab.get_by_role("button", name="Pay with crypto")).to_have_count(0)
    opened_before.get_by_role("button", name="Pay with crypto").click()
    expect(opened_before).to_have_url(customer.order_url)
    expect(opened_before.locator(".payments li")).to_have_count(1)
    # Who pays the old link all the same is not forgotten.
    customer.tab.goto(hosted)
    customer.press_in_sandbox("Pay in full", badge="Paid")
    clerk.open_payment(customer.reference)
    expect(clerk.tab.locator(".payram-advice h2")).to_have_text("Money after cancellation")
    # That money is sent back; the order stays paid by card.
    said = "1 refund was recorded."
    clerk.decide(customer.order_url, "Record that the money of selected orders was sent back", said=said)
    expect(customer.open_order().tab.locator(".pay .state")).to_have_text("Paid")


def test_an_order_that_grows_is_billed_for_the_rest(customer, clerk):
    """F82."""
    customer.order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid")
    clerk.decide(customer.order_url, "Add express delivery to selected paid orders", said="1 order goes by express.")
    tab = customer.open_order().tab
    expect(tab.get_by_role("button", name="Pay with crypto")).to_have_count(0)
    tab.get_by_role("button", name="Pay for express delivery").click()
    expect(tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
    customer.press_in_sandbox("Pay in full", badge="Paid").return_to_shop()
    expect(tab.locator(".payram-sentence")).to_contain_text("9.00 USD have been paid")
    expect(customer.open_order().tab.get_by_text("It goes by express.")).to_be_visible()
    expect(tab.get_by_role("button", name="Pay for express delivery")).to_have_count(0)
    expect(tab.locator(".payments li")).to_have_count(2)


def test_money_that_a_clerk_sent_back_is_shown_as_sent_back(customer, clerk):
    """F84."""
    customer.order().go_to_pay().press_in_sandbox("Pay in full", badge="Paid")
    said = "1 refund was recorded."
    clerk.decide(customer.order_url, "Record that the money of selected orders was sent back", said=said)
    status = customer.watch_status()
    expect(title(status)).to_have_text("Refunded")
    expect(fact(status, "Sent back")).to_have_text("14.50 USD")
    expect(customer.open_order().tab.locator(".pay .state")).to_have_text("Refunded")
    clerk.open_payment(customer.reference)
    expect(clerk.figure("Refunded")).to_have_text("14.50 USD")
    expect(clerk.tab.locator(".payram-admin-timeline")).to_contain_text("Refund recorded")
