"""One payment of every kind, and the pages at which it can be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.people import Customer


@dataclass
class Gallery:
    """Addresses by the names of the pages, and the cookies with which the shop shows them."""

    cookies: dict = field(default_factory=dict)
    addresses: dict = field(default_factory=dict)
    references: dict = field(default_factory=dict)


def wait(customer):
    customer.tab.get_by_role("radio").first.check()
    customer.tab.get_by_role("button", name="Pay with this coin").click()
    expect(customer.tab.locator("#address")).to_be_visible()


def confirm(customer):
    customer.pretend("Send to the chain without confirmations", badge="Confirming")
    customer.tab.get_by_role("button", name="Confirm one block").click()
    expect(customer.tab.get_by_role("status").first).to_contain_text("1 of 3 confirmations")


def leave_short(customer):
    customer.pay_a_part("5.80").pretend("Let it expire", badge="Expired")


ENDS = {
    "new": (lambda customer: customer, "waiting"),
    "waiting": (wait, "waiting"),
    "confirming": (confirm, "confirming"),
    "short": (lambda customer: customer.pay_a_part("5.80"), "short"),
    "closed-short": (leave_short, "closed-short"),
    "paid": (lambda customer: customer.pretend("Pay in full", badge="Paid"), "paid"),
    "overpaid": (lambda customer: customer.pretend("Pay too much", badge="Overpaid"), "overpaid"),
    "expired": (lambda customer: customer.pretend("Let it expire", badge="Expired"), "expired"),
}

# What takes a fault to come about is written into the row of a payment that ended otherwise.
REWRITTEN = {
    "held": ("paid", {"paid_at": None, "review": "amount"}),
    "preparing": ("waiting", {"state": "CREATING", "reference": None, "url": ""}),
}


def fill(gallery, *, context, demo, library_shop, stranded_shop):
    """Make the payments, and when all are made look how each stands."""
    ends = ENDS | {name: ENDS[like] for name, (like, _columns) in REWRITTEN.items()}
    walks = {name: _walk(context, demo, end=end) for name, (end, _phase) in ends.items()}
    for name, customer in walks.items():
        path = _stand(customer, demo, phase=ends[name][1])
        if name in REWRITTEN:
            demo.rewrite(path.strip("/").split("/")[-1], **REWRITTEN[name][1])
        gallery.references[name] = customer.reference
        gallery.addresses |= {
            f"order-{name}": customer.order_url,
            f"status-{name}": f"{demo.shop}{path}",
            f"library-status-{name}": f"{library_shop}{path}",
            f"hosted-{name}": f"{demo.sandbox}/payments?reference_id={customer.reference}",
        }
    _fail(gallery, context=context, demo=demo, library_shop=library_shop, stranded_shop=stranded_shop)
    gallery.cookies = context.storage_state()


def _walk(context, demo, *, end):
    """Order and pay so far."""
    customer = Customer(context.new_page(), shop=demo.shop).order().go_to_pay()
    end(customer)
    return customer


def _stand(customer, demo, *, phase):
    """Return to the shop, see the status page say ``phase``, and return the page's path."""
    customer.tab.goto(f"{demo.shop}/payram/return/?reference_id={customer.reference}")
    expect(customer.tab.locator(f'[data-phase="{phase}"]')).to_be_visible()
    path = urlsplit(customer.tab.url).path
    customer.tab.close()
    return path


def _fail(gallery, *, context, demo, library_shop, stranded_shop):
    """An order whose payment could not be made."""
    customer = Customer(context.new_page(), shop=stranded_shop).order()
    customer.tab.get_by_role("button", name="Pay with crypto").click()
    expect(customer.tab.get_by_role("heading", level=1)).to_have_text("Payment is not possible just now")
    path = urlsplit(customer.status_url).path
    gallery.addresses |= {
        "order-failed": customer.order_url,
        "status-failed": f"{demo.shop}{path}",
        "library-status-failed": f"{library_shop}{path}",
    }
    customer.tab.close()
