"""Customers: each works off its history step by step, and waits and tries again when nothing answers.

A history is a generator that yields how many seconds it wants to wait.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import psycopg
import requests

from benchmarks.stage.payram import ControlError

if TYPE_CHECKING:
    from collections import Counter

    from benchmarks.chaos.plan import Plan
    from benchmarks.stage import Stage

Got = TypeVar("Got")
Steps = Generator[float, None, Got]

CLICKS = 12
"""A customer who gets no link gives up after so many clicks."""
HELP_LINE_SECONDS = 0.5
LONGEST_CALL_SECONDS = 8.0
"""An attempt older than this is nobody's any more: no call takes so long here."""


class Customer:
    """One customer with one order. ``seen`` counts what all customers met."""

    def __init__(self, plan: Plan, *, order: int, on: Stage, seen: Counter[str]) -> None:
        self.plan, self.order, self.on, self.seen = plan, order, on, seen
        self.chance = random.Random(plan.number)

    def history(self) -> Steps[None]:
        """Go through the whole history."""
        yield from ACTS[self.plan.history](self)

    # What a customer can do

    def look_around(self) -> Steps[None]:
        """Let a moment pass."""
        yield self.chance.uniform(0, 2)

    def click(self, purpose: str = "") -> Steps[str | None]:
        """Click on "pay" until there is a link; returns its reference, None when the shop says it is paid."""
        for attempt in range(CLICKS):
            answer = self._click_once(purpose)
            if answer is not None and answer.status_code == 303:
                found = parse_qs(urlsplit(answer.headers["Location"]).query).get("reference_id")
                return found[0] if found else None
            yield self.chance.uniform(0.2, 1) * (attempt + 1)
            # An attempt left by a crash bars its order for two minutes: let them pass.
            yield from self._insist(
                lambda: self.on.shop_database.age(self.order, minutes=3, older_than=LONGEST_CALL_SECONDS)
            )
        self.seen["gave up"] += 1
        return None

    def click_in_the_background(self) -> None:
        """Click, and let the answer be nobody's: the next click comes while this one is under way."""
        threading.Thread(target=self._click_once, daemon=True).start()

    def _click_once(self, purpose: str = "") -> requests.Response | None:
        self.seen["clicks"] += 1
        try:
            answer = self.on.shop.checkout(self.order, purpose=purpose, seconds=30)
        except requests.RequestException:
            self.seen["clicks without an answer"] += 1
            return None
        self.seen[f"clicks answered {answer.status_code}"] += 1
        return answer

    def at_payram(self, act: Callable[..., Any], reference: str | None, *values: object) -> Steps[None]:
        """Do something with a link at PayRam, once PayRam is there. Without a link nothing happens."""
        if reference is not None:
            yield from self._insist(lambda: act(reference, *values))

    def _insist(self, act: Callable[[], object]) -> Steps[None]:
        while True:
            try:
                act()
            except ControlError:
                return  # PayRam says that this cannot be done now, to somebody who has all day
            except (requests.RequestException, psycopg.OperationalError, psycopg.InterfaceError):
                yield HELP_LINE_SECONDS
            else:
                return

    def look_at_status(self) -> Steps[None]:
        """Look at the status page, as people do who have just paid."""
        if self.chance.random() < 0.3:
            yield from self._insist(self._open_status_page)

    def _open_status_page(self) -> None:
        payments = self.on.shop_database.payments(self.order)
        if payments:
            url = f"{self.on.shop.url}/payram/payments/{payments[-1]['token']}/"
            self.seen[f"status pages answered {requests.get(url, timeout=30).status_code}"] += 1

    def lose_the_order(self) -> Steps[None]:
        """Let the shop delete the order."""
        yield from self._insist(lambda: self.on.shop_database.delete_order(self.order))

    def at_the_shop(self, decision: str) -> Steps[None]:
        """Let the shop decide something about the order, and try again until it has."""
        url = f"{self.on.shop.url}/orders/{self.order}/{decision}/"
        yield from self._insist(lambda: requests.post(url, timeout=30).raise_for_status())

    def change_the_cart(self) -> Steps[None]:
        """Put something more into the cart, which makes another link necessary."""
        change = "UPDATE shop_order SET total = %s WHERE id = %s"
        yield from self._insist(lambda: self.on.shop_database.change(change, self.plan.total + 1, self.order))


# Histories


def _pays(customer: Customer, usd: Decimal) -> Steps[str | None]:
    reference = yield from customer.click()
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, usd)
    yield from customer.look_at_status()
    return reference


def pays_in_full(customer: Customer) -> Steps[None]:
    yield from _pays(customer, customer.plan.total)


def pays_dead_link(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.at_payram(customer.on.payram.expire, reference)
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total)


def pays_twice(customer: Customer) -> Steps[None]:
    reference = yield from _pays(customer, customer.plan.total)
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total * 2)


def pays_two_links(customer: Customer) -> Steps[None]:
    first = yield from customer.click()
    yield from customer.change_the_cart()
    second = yield from customer.click()
    links = [(first, customer.plan.total), (second, customer.plan.total + 1)]
    customer.chance.shuffle(links)
    for reference, usd in links:
        yield from customer.at_payram(customer.on.payram.fill, reference, usd)
        yield from customer.look_around()


def pays_too_little(customer: Customer) -> Steps[None]:
    yield from _pays(customer, customer.plan.part)


def pays_too_little_and_lets_it_die(customer: Customer) -> Steps[None]:
    reference = yield from _pays(customer, customer.plan.part)
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.expire, reference)


def pays_the_rest(customer: Customer) -> Steps[None]:
    reference = yield from _pays(customer, customer.plan.part)
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total)


def pays_the_rest_elsewhere(customer: Customer) -> Steps[None]:
    reference = yield from _pays(customer, customer.plan.part)
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.top_up, reference)


def pays_too_much(customer: Customer) -> Steps[None]:
    yield from _pays(customer, customer.plan.total + 5)


def lets_it_die(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.expire, reference)


def never_comes_back(customer: Customer) -> Steps[None]:
    yield from customer.click()


def clicks_twice(customer: Customer) -> Steps[None]:
    customer.click_in_the_background()
    yield from _pays(customer, customer.plan.total)


def waits_for_confirmations(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.at_payram(customer.on.payram.see, reference)
    for _block in range(3):
        yield from customer.look_around()
        yield from customer.look_at_status()
        yield from customer.at_payram(customer.on.payram.confirm, reference)
    yield from customer.at_payram(customer.on.payram.confirm, reference, 3)


def has_two_orders(customer: Customer) -> Steps[None]:
    yield from customer.click()
    yield from customer.look_around()
    # The other order's link may have killed this one's; whether the shop knows that already decides what comes now.
    yield from _pays(customer, customer.plan.total)


def pays_a_deleted_order(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.lose_the_order()
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total)
    yield from customer.look_at_status()


def leaves_a_deleted_order(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.lose_the_order()
    yield from customer.at_payram(customer.on.payram.expire, reference)


def pays_a_withdrawn_link(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.at_the_shop("withdraw")
    yield from customer.look_around()
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total)
    yield from customer.look_at_status()


def leaves_a_withdrawn_link(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.at_the_shop("withdraw")
    yield from customer.at_payram(customer.on.payram.expire, reference)


def gets_a_part_back(customer: Customer) -> Steps[None]:
    yield from _pays(customer, customer.plan.total + 5)
    for _time in range(2):
        yield from customer.look_around()
        yield from customer.at_the_shop("send-back")


def pays_a_merged_order(customer: Customer) -> Steps[None]:
    reference = yield from customer.click()
    yield from customer.at_the_shop("merge")
    yield from customer.at_payram(customer.on.payram.fill, reference, customer.plan.total)


def pays_for_a_parcel(customer: Customer) -> Steps[None]:
    order = yield from customer.click()
    parcel = yield from customer.click("parcel")
    for reference, usd in ((parcel, Decimal(7)), (order, customer.plan.total)):
        yield from customer.at_payram(customer.on.payram.fill, reference, usd)
        yield from customer.look_around()


ACTS: dict[str, Callable[[Customer], Steps[None]]] = {
    "pays in full": pays_in_full,
    "pays when the link is dead": pays_dead_link,
    "pays twice on one link": pays_twice,
    "pays two links of one order": pays_two_links,
    "pays too little": pays_too_little,
    "pays too little, and the link dies": pays_too_little_and_lets_it_die,
    "pays the rest on the same link": pays_the_rest,
    "pays the rest under a new reference": pays_the_rest_elsewhere,
    "pays too much": pays_too_much,
    "lets the link die": lets_it_die,
    "never comes back": never_comes_back,
    "clicks twice at once": clicks_twice,
    "waits for confirmations": waits_for_confirmations,
    "has two orders": has_two_orders,
    "pays an order that was deleted": pays_a_deleted_order,
    "leaves an order that is deleted": leaves_a_deleted_order,
    "pays a link that was withdrawn": pays_a_withdrawn_link,
    "leaves a link that was withdrawn": leaves_a_withdrawn_link,
    "pays, and gets a part back": gets_a_part_back,
    "pays an order that was merged": pays_a_merged_order,
    "pays for a parcel as well": pays_for_a_parcel,
}
