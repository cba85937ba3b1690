"""A guest buys, pays and comes back in a real browser. On PostgreSQL: browser, shop and PayRam are threads."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest
from django.urls import reverse
from oscar.core.loading import get_model
from playwright.sync_api import expect, sync_playwright

from django_payram.models import Payment
from django_payram.testing.payram import serving
from tests.browser.conftest import FLAGS, PATIENCE, find_chromium
from tests.browser.measurements import ErrorLog
from tests.conftest import in_threads

pytestmark = [pytest.mark.browser, pytest.mark.postgresql]


@pytest.fixture
def shop(live_server, settings):
    """The shop and a pretend PayRam that knows its address."""
    back = live_server.url + reverse("payram:return")
    with serving(success_url=back, cancel_url=back) as payram:
        settings.PAYRAM = payram.setting()
        yield live_server.url, payram


def test_a_guest_buys_and_pays(shop, product):
    address, payram = shop
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(os.environ), args=FLAGS)
        context = browser.new_context(locale="en-GB")
        context.set_default_timeout(PATIENCE)
        log, tab = ErrorLog(context), context.new_page()
        walk(tab, address + product.get_absolute_url(), payram)
        browser.close()
    assert [error for error in log.errors if error.startswith("answer")] == []
    order, payment = get_model("order", "Order").objects.get(), Payment.objects.get()
    assert (payment.is_paid, payment.order_number, order.status) == (True, order.number, "Being processed")
    source = order.sources.get()
    assert (source.amount_debited, source.transactions.get().reference) == (Decimal("49.99"), payment.reference)


def walk(tab, product, payram):
    tab.goto(product)
    tab.get_by_role("button", name="Add to cart").click()
    tab.get_by_role("link", name="Checkout now").first.click()
    tab.get_by_label("My email address is").fill("guest@example.org")
    tab.get_by_label("I am a new customer and want to checkout as a guest").check()
    tab.get_by_role("button", name="Continue").click()
    for label, text in (("First name", "Ada"), ("Last name", "Byron"), ("First line of address", "1 Street")):
        tab.get_by_label(label).fill(text)
    tab.get_by_label("City").fill("London")
    tab.get_by_label("Post/Zip-code").fill("N1 9RT")
    tab.get_by_role("button", name="Continue").click()
    expect(tab.get_by_text("Pay with cryptocurrency")).to_be_visible()
    tab.get_by_role("link", name="Continue").click()
    expect(tab.get_by_text("Pay with cryptocurrency")).to_be_visible()
    # One click leads to PayRam: the browser posts again, with the token of the form.
    tab.get_by_role("button", name="Place order").click()
    expect(tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
    # The customer turns back without having paid, and pays from the thank-you page.
    paying = tab.url
    tab.goto(product.partition("/catalogue/")[0] + "/checkout/thank-you/")
    tab.get_by_role("button", name="Go to the payment page").click()
    expect(tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
    assert tab.url == paying
    tab.get_by_role("button", name="Pay in full", exact=True).click()
    expect(tab.locator(".badge")).to_have_text("Paid")
    assert [delivery.status for delivery in in_threads(payram.deliver)[0]] == [200]
    tab.get_by_role("link", name="Return to the shop").click()
    expect(tab.locator("#payram-status")).to_have_attribute("data-status", "paid")
    tab.get_by_role("link", name="Back to your order").click()
    expect(tab.locator("#payram-payment")).to_have_attribute("data-status", "paid")
    expect(tab.get_by_role("heading", name="confirmation")).to_be_visible()
