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
from tests.browser.page_objects import Customer

IMAGES = machinery.ROOT / "docs" / "images"
COLOURS = 128
"""So many are enough for pages of text, and halve the file."""


def save(tab, path, *, clip):
    """Write a part of the page as a small PNG."""
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


def take(browser, folder, *, into):
    """Buy something, pay for it, and take the customer's page and the merchant's."""
    options = {"color_scheme": "light", "locale": "en-US"}
    context = browser.new_context(viewport={"width": 760, "height": 900}, **options)
    wide = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    with machinery.demo(folder) as demo, context, wide:
        customers = [Customer(context.new_page(), shop=demo.shop) for _ in range(5)]
        for customer in customers:
            customer.order().go_to_pay()
        customer, *others = customers
        customer.press_in_sandbox("Pay in full", badge="Paid")
        others[0].press_in_sandbox("Pay too much", badge="Overpaid")
        others[1].pay_a_part("9.00")
        others[2].press_in_sandbox("Let it expire", badge="Expired")
        with machinery.another_shop(demo, name="library", settings="tests.browser.library_templates") as shop:
            customer.tab.goto(shop + customer.status_url.removeprefix(demo.shop))
            expect(customer.tab.locator("#payram-status[data-status=paid]")).to_be_visible()
            save(customer.tab, into / "status.png", clip=box(customer.tab, "#payram-status", margin=16))
            desk = wide.new_page()
            desk.goto(f"{shop}/admin/")
            desk.get_by_label("Username").fill("admin")
            desk.get_by_label("Password").fill(demo.password)
            desk.get_by_role("button", name="Log in").click()
            desk.goto(f"{shop}/admin/django_payram/payment/")
            desk.locator("#toggle-nav-sidebar").click()
            expect(desk.locator("#result_list tbody tr")).to_have_count(len(customers))
            save(desk, into / "desk.png", clip=box(desk, "#content", tallest=520))


if __name__ == "__main__":
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=find_chromium(os.environ), args=FLAGS)
        take(chromium, Path(folder), into=IMAGES)
