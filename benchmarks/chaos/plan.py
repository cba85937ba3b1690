"""What each customer will do, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

# History, and how many of a hundred customers.
HISTORIES = {
    "pays in full": 22,
    "pays when the link is dead": 6,
    "pays twice on one link": 4,
    "pays two links of one order": 4,
    "pays too little": 6,
    "pays too little, and the link dies": 4,
    "pays the rest on the same link": 6,
    "pays the rest under a new reference": 5,
    "pays too much": 5,
    "lets the link die": 8,
    "never comes back": 4,
    "clicks twice at once": 6,
    "waits for confirmations": 5,
    "has two orders": 3,
    "pays an order that was deleted": 2,
    "leaves an order that is deleted": 1,
    "pays a link that was withdrawn": 2,
    "leaves a link that was withdrawn": 1,
    "pays, and gets a part back": 2,
    "pays an order that was merged": 2,
    "pays for a parcel as well": 2,
}

# What only webhooks tell, and only the shop that they go to can know.
NEEDS_WEBHOOKS = "pays the rest under a new reference"


@dataclass(frozen=True)
class Plan:
    """One customer's order: total in US dollars, and what becomes of it."""

    number: int
    history: str
    total: Decimal
    person: str = ""

    @property
    def part(self) -> Decimal:
        """What a customer pays who pays too little."""
        return (self.total * Decimal("0.4")).quantize(Decimal("0.01"))


def draw(payments: int, *, seed: int, shop: str = "", webhooks: bool = True) -> list[Plan]:
    """Draw ``payments`` plans; the same seed draws the same. The two orders of one person stand side by side.

    ``shop`` distinguishes the people of several shops; without ``webhooks`` nobody does what only those tell.
    """
    chance = random.Random(seed)
    histories = {name: weight for name, weight in HISTORIES.items() if webhooks or name != NEEDS_WEBHOOKS}
    plans: list[Plan] = []
    while len(plans) < payments:
        [history] = chance.choices(list(histories), weights=list(histories.values()))
        person = f"{shop}person-{seed}-{len(plans)}" if history == "has two orders" else ""
        for _order in range(2 if person else 1):
            plans.append(Plan(len(plans), history, Decimal(chance.randint(500, 50_000)) / 100, person))
    return plans[:payments]
