"""The day: four storms over two shops, and between them backups that are brought back.

1. The first storm. When half of its customers have left, a backup of the first shop's database is taken.
2. More orders, which that backup does not have. The backup is restored: their keys are given out once more.
3. More orders, with these keys. When half of their customers have left, a backup of PayRam's ledger is taken.
4. PayRam's backup is restored, and the last customers come.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from benchmarks.chaos.backups import PayramBackup, ShopBackup
from benchmarks.chaos.customer_pool import CustomerPool
from benchmarks.chaos.customers import Customer
from benchmarks.chaos.faults import Faults
from benchmarks.chaos.plan import draw
from benchmarks.chaos.polling import Polling
from benchmarks.chaos.settling import report_unknown_payments, rest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.chaos.plan import Plan
    from benchmarks.stage import Stage

SHARES = (0.4, 0.2, 0.3, 0.1)
"""How many of the orders come in each storm."""
SECOND_SHOP = 0.1
"""How many of a storm's orders are made in the second shop."""


class Ledger:
    """PayRam's ledger, and what they said before an old state of them was brought back."""

    def __init__(self) -> None:
        self._forgotten: dict[str, dict[str, Any]] = {}

    def remember(self, payments: list[dict[str, Any]]) -> None:
        """Keep what PayRam knows now and is about to forget."""
        self._forgotten |= {one["reference"]: one for one in payments}

    def truth(self, payments: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return all payments there ever were: of each what was said before it was set back, else what is said now."""
        return list({**{one["reference"]: one for one in payments}, **self._forgotten}.values())


class Day:
    """All that happens, and what is counted of it."""

    def __init__(self, first: Stage, second: Stage, options: argparse.Namespace, *, failing: Path) -> None:
        self.first, self.second, self.options, self.failing = first, second, options, failing
        self.plans: list[Plan] = []
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.resyncs: Counter[str] = Counter()
        self.ledger = Ledger()

    def pass_by(self) -> None:
        """Let the day pass. Raises what nobody expected."""
        shop, payram = ShopBackup(self.first), PayramBackup(self.first)
        everybody = self.options.payments
        with tqdm(total=everybody, unit="order", disable=not sys.stderr.isatty()) as self._bar:
            if self.options.without_backups:
                self._storm(0, share=1)
                return
            self._storm(0, halfway=shop.take)
            self._storm(1)
            shop.restore()
            self._storm(2, halfway=payram.take)
            # What the shops have not heard of by now, nobody can tell them any more.
            for on in (self.first, self.second):
                rest(on)
            report_unknown_payments(self.first, self.second)
            rest(self.first)
            self.ledger.remember(self.first.payram.payments())
            payram.restore()
            self._storm(3)
        self.faults["shop's database restored"] = self.faults["PayRam's ledger restored"] = 1

    def _storm(self, number: int, *, share: float = 0, halfway: Callable[[], None] = lambda: None) -> None:
        """Let a share of all customers do what they will while everything else goes wrong."""
        orders = max(2, round(self.options.payments * (share or SHARES[number])))
        in_second = max(1, round(orders * SECOND_SHOP))
        seed = self.options.seed + number * 1000
        visits = [
            *self._customers(self.first, draw(orders - in_second, seed=seed)),
            *self._customers(self.second, draw(in_second, seed=seed + 1, shop="second-", webhooks=False)),
        ]
        self.plans += [customer.plan for customer in visits]
        polling = [Polling(self.first, seed=seed), Polling(self.second, seed=seed + 1, machines=1)]
        faults = Faults(self.first, polling[0], failing=self.failing, seed=seed, every=self.options.fault_every)
        half = _Halfway(len(visits), halfway)
        with ExitStack() as running:
            for one in (*polling, faults):
                one.start()
                running.callback(one.stop)
            at_once = self.options.at_once
            pool = CustomerPool(visits, at_once=at_once, threads=min(at_once, 16), errors=faults.errors)
            pool.run(done=lambda: (self._bar.update(), half.count()))
        if faults.errors:
            raise faults.errors[0]
        self.faults += faults.counts
        for one in polling:
            self.resyncs += one.exits

    def _customers(self, on: Stage, plans: list[Plan]) -> list[Customer]:
        totals, people = [plan.total for plan in plans], [plan.person for plan in plans]
        orders = on.shop_database.new_orders(totals, people=people)
        return [Customer(plan, order=order, on=on, seen=self.seen) for plan, order in zip(plans, orders, strict=True)]


class _Halfway:
    """Does something once, when half of the customers have left."""

    def __init__(self, customers: int, act: Callable[[], None]) -> None:
        self._left, self._act = (customers + 1) // 2, act
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            self._left -= 1
            is_half = self._left == 0
        if is_half:
            self._act()
