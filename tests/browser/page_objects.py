"""What a customer and a clerk do in the browser, step by step."""

from __future__ import annotations

import re
import uuid
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

PAID = re.compile(r"^Paid$")


class Customer:
    """A customer who orders at the shop and pays in the sandbox, in one tab."""

    def __init__(self, tab, *, shop):
        self.tab = tab
        self.shop = shop
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.order_url = ""
        self.reference = ""

    def order(self, slug="ridgeline"):
        """Order a product and arrive at the page of the order."""
        self.tab.goto(f"{self.shop}/")
        self.tab.locator(f'a[href="/products/{slug}/"]').first.click()
        self.tab.get_by_label("Your name").fill("Ada Example")
        self.tab.get_by_label("Your e-mail address").fill(self.email)
        self.tab.get_by_role("button", name="Place the order").click()
        expect(self.tab.get_by_role("heading", level=1)).to_contain_text("Order ")
        self.order_url = self.tab.url
        return self

    def go_to_pay(self):
        """Press "Pay with crypto" and arrive at the sandbox's payment page."""
        self.tab.get_by_role("button", name="Pay with crypto").click()
        expect(self.tab.get_by_role("heading", name="Sandbox controls")).to_be_visible()
        self.reference = parse_qs(urlsplit(self.tab.url).query)["reference_id"][0]
        return self

    def press_in_sandbox(self, button, *, badge):
        """Press a button of the sandbox and see the new state there."""
        self.tab.get_by_role("button", name=button, exact=True).click()
        expect(self.tab.locator(".badge")).to_have_text(badge)
        return self

    def pay_a_part(self, usd):
        self.tab.get_by_label("Amount in USD").fill(usd)
        return self.press_in_sandbox("Pay a part", badge="Partly paid")

    def return_to_shop(self):
        """Follow the link back, which leads to the status page."""
        self.tab.get_by_role("link", name="Return to the shop").click()
        expect(self.tab.locator("#payram-status")).to_be_visible()
        return self

    def open_order(self):
        self.tab.goto(self.order_url)
        return self

    @property
    def status_url(self):
        """The address of the order's newest payment."""
        link = self.open_order().tab.locator(".payments a").first
        return self.shop + link.get_attribute("href")

    def watch_status(self):
        """Open the status page in a second tab."""
        second = self.tab.context.new_page()
        second.goto(self.status_url)
        return second


class Clerk:
    """A member of staff in the admin."""

    def __init__(self, tab, *, shop):
        self.tab = tab
        self.shop = shop

    def log_in(self, password):
        self.tab.goto(f"{self.shop}/admin/")
        self.tab.get_by_label("Username").fill("admin")
        self.tab.get_by_label("Password").fill(password)
        self.tab.get_by_role("button", name="Log in").click()
        expect(self.tab.get_by_role("heading", level=1)).to_have_text("Behind the counter")
        return self

    def search(self, words):
        self.tab.goto(f"{self.shop}/admin/django_payram/payment/")
        self.tab.locator("#searchbar").fill(words)
        self.tab.get_by_role("button", name="Search").click()
        return self.tab.locator("#result_list tbody tr")

    def open_payment(self, reference):
        rows = self.search(reference)
        expect(rows).to_have_count(1)
        rows.locator("th a").first.click()
        expect(self.tab.get_by_role("heading", name="Timeline")).to_be_visible()
        return self

    def decide(self, order_url, action, *, said):
        """Choose an order in the list of orders, and do with it what an action says."""
        key = order_url.rstrip("/").rpartition("/")[2]
        self.tab.goto(f"{self.shop}/admin/shop/order/")
        self.tab.locator(f'.action-select[value="{key}"]').check()
        self.tab.locator("select[name=action]").select_option(label=action)
        self.tab.get_by_role("button", name="Run", exact=True).or_(
            self.tab.get_by_role("button", name="Go", exact=True)
        ).click()
        expect(self.tab.locator(".messagelist")).to_contain_text(said)
        return self

    def ask_payram(self):
        self.tab.get_by_role("button", name="Ask PayRam now").click()
        expect(self.tab.locator(".messagelist")).to_contain_text("PayRam was asked, and its answer is recorded.")
        return self

    def figure(self, name):
        """What the panel of the payment's page shows of its money."""
        return self.tab.locator(".payram-panel .payram-figures div").filter(has_text=name).locator("dd")

    def field(self, name):
        """What the payment's page shows for a field."""
        return self.tab.locator(f".field-{name} .readonly")
