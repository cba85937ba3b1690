"""A payment in every status, and the pages that show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.page_objects import Customer


@dataclass
class PaymentPages:
    """Addresses by the names of the pages, and the cookies with which the shop shows them."""

    cookies: dict = field(default_factory=dict)
    addresses: dict = field(default_factory=dict)
    references: dict = field(default_factory=dict)


def choose_coin(customer):
    customer.tab.get_by_role("radio").first.check()
    customer.tab.get_by_role("button", name="Pay with this coin").click()
    expect(customer.tab.locator("#address")).to_be_visible()


def confirm_once(customer):
    customer.press_in_sandbox("Send to the chain without confirmations", badge="Confirming")
    customer.tab.get_by_role("button", name="Confirm one block").click()
    expect(customer.tab.get_by_role("status").first).to_contain_text("1 of 3 confirmations")


def expire_partly_paid(customer):
    customer.pay_a_part("5.80").press_in_sandbox("Let it expire", badge="Expired")


OUTCOMES = {
    "new": (lambda customer: customer, "waiting"),
    "waiting": (choose_coin, "waiting"),
    "confirming": (confirm_once, "confirming"),
    "short": (lambda customer: customer.pay_a_part("5.80"), "partly_paid"),
    "closed-short": (expire_partly_paid, "partly_paid"),
    "paid": (lambda customer: customer.press_in_sandbox("Pay in full", badge="Paid"), "paid"),
    "overpaid": (lambda customer: customer.press_in_sandbox("Pay too much", badge="Overpaid"), "overpaid"),
    "expired": (lambda customer: customer.press_in_sandbox("Let it expire", badge="Expired"), "expired"),
}

# What only a fault, a clerk or time brings about is written into the row of a payment with another outcome.
EURO = {"price_amount": "13.36", "price_currency": "EUR"}
REWRITTEN = {
    "withdrawn": ("waiting", {"withdrawn_at": "2026-01-01 12:00:00"}),
    "refunded": ("paid", {"refunded_usd": "14.50", **EURO}),
    "forgiven": ("paid", {"filled_usd": "14.40"}),
    "time-left": ("waiting", {"expires_at": "2099-01-01 12:00:00", **EURO}),
    "time-over": ("waiting", {"expires_at": "2026-01-01 12:00:00"}),
    "held": ("paid", {"paid_at": None, "review": "amount"}),
    "preparing": ("waiting", {"state": "CREATING", "reference": None, "url": ""}),
}


def open_payments(pages, *, context, demo, library_shop, shop_without_payram):
    """Open a payment for every outcome, then see the status page of each."""
    outcomes = OUTCOMES | {name: OUTCOMES[like] for name, (like, _columns) in REWRITTEN.items()}
    customers = {name: _order_and_pay(context, demo, pay=pay) for name, (pay, _status) in outcomes.items()}
    for name, customer in customers.items():
        path = _status_path(customer, demo, status=outcomes[name][1])
        if name in REWRITTEN:
            demo.rewrite(path.strip("/").split("/")[-1], **REWRITTEN[name][1])
        pages.references[name] = customer.reference
        pages.addresses |= {
            f"order-{name}": customer.order_url,
            f"status-{name}": f"{demo.shop}{path}",
            f"library-status-{name}": f"{library_shop}{path}",
            f"hosted-{name}": f"{demo.sandbox}/payments?reference_id={customer.reference}",
        }
    _open_failed(pages, context=context, demo=demo, library_shop=library_shop, shop_without_payram=shop_without_payram)
    pages.cookies = context.storage_state()


def _order_and_pay(context, demo, *, pay):
    customer = Customer(context.new_page(), shop=demo.shop).order().go_to_pay()
    pay(customer)
    return customer


def _status_path(customer, demo, *, status):
    """Return to the shop, see the status page say ``status``, and return the page's path."""
    customer.tab.goto(f"{demo.shop}/payram/return/?reference_id={customer.reference}")
    expect(customer.tab.locator(f'[data-status="{status}"]')).to_be_visible()
    path = urlsplit(customer.tab.url).path
    customer.tab.close()
    return path


def _open_failed(pages, *, context, demo, library_shop, shop_without_payram):
    """Order at a shop whose PayRam does not answer."""
    customer = Customer(context.new_page(), shop=shop_without_payram).order()
    customer.tab.get_by_role("button", name="Pay with crypto").click()
    expect(customer.tab.get_by_role("heading", level=1)).to_have_text("Payment is not possible just now")
    path = urlsplit(customer.status_url).path
    pages.addresses |= {
        "order-failed": customer.order_url,
        "status-failed": f"{demo.shop}{path}",
        "library-status-failed": f"{library_shop}{path}",
    }
    customer.tab.close()
