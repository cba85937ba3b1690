"""Takes the pictures of the README with the browser of the tests: ``python -m tests.browser.screenshots``.

The example shop is served with the library's own templates, in light colours, and each picture is a part of a page.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.browser import demo as machinery
from tests.browser.conftest import FLAGS, find_chromium
from tests.browser.page_objects import Clerk, Customer

IMAGES = machinery.ROOT / "docs" / "images"
COLOURS = 128
"""So many are enough for pages of text, and halve the file."""


def save(tab, name, *, clip):
    """Write a part of the page as a small PNG."""
    path = IMAGES / f"{name}.png"
    tab.screenshot(path=path, clip=clip, animations="disabled")
    Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def box(tab, selector, *, margin=0, tallest=2000):
    found = tab.locator(selector).first.bounding_box()
    return {
        "x": max(found["x"] - margin, 0),
        "y": max(found["y"] - margin, 0),
        "width": found["width"] + 2 * margin,
        "height": min(found["height"] + 2 * margin, tallest),
    }


def take(browser, folder):
    """Buy something, pay for it, and take the customer's page and the merchant's."""
    with machinery.demo(folder) as demo:
        options = {"color_scheme": "light", "locale": "en-US", "viewport": {"width": 760, "height": 900}}
        customers = [Customer(browser.new_context(**options).new_page(), shop=demo.shop) for _ in range(5)]
        for customer in customers:
            customer.order().go_to_pay()
        customer, *others = customers
        customer.press_in_sandbox("Pay in full", badge="Paid")
        others[0].press_in_sandbox("Pay too much", badge="Overpaid")
        others[1].pay_a_part("9.00")
        others[2].press_in_sandbox("Let it expire", badge="Expired")
        settings = "tests.browser.library_templates"
        with machinery.another_shop(demo, name="library", settings=settings) as shop:
            path = customer.status_url.removeprefix(demo.shop)
            customer.tab.goto(shop + path)
            expect(customer.tab.locator("#payram-status[data-status=paid]")).to_be_visible()
            save(customer.tab, "status", clip=box(customer.tab, "#payram-status", margin=16))
            clerk = Clerk(
                browser.new_context(**options | {"viewport": {"width": 1280, "height": 900}}).new_page(), shop=shop
            )
            clerk.tab.goto(f"{shop}/admin/")
            clerk.tab.get_by_label("Username").fill("admin")
            clerk.tab.get_by_label("Password").fill(demo.password)
            clerk.tab.get_by_role("button", name="Log in").click()
            clerk.tab.goto(f"{shop}/admin/django_payram/payment/")
            clerk.tab.locator("#toggle-nav-sidebar").click()
            expect(clerk.tab.locator("#result_list tbody tr")).to_have_count(len(customers))
            save(clerk.tab, "desk", clip=box(clerk.tab, "#content", tallest=520))


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        take(playwright.chromium.launch(executable_path=find_chromium(os.environ), args=FLAGS), Path(folder))
