"""The buttons with which a person plays the customer's wallet and the blockchain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django_payram.sandbox.payments import EXPIRING, SETTLED, Payment
from django_payram.sandbox.processor import Processor, dollars

CENT = Decimal("0.01")
USUAL_PART = Decimal("0.4")
TOO_MUCH = Decimal("0.1")

Act = Callable[[Processor, Payment, str], object]
When = Callable[[Payment], bool]


@dataclass(frozen=True)
class Button:
    """One button: the text on it, what it explains, when it is shown and what it does."""

    text: str
    help: str
    when: When
    act: Act
    asks_amount: bool = False


def can_be_sent(payment: Payment) -> bool:
    """Whether there is something to pay and nothing on its way."""
    return payment.state not in SETTLED and not payment.pending


def is_partly_paid(payment: Payment) -> bool:
    """Whether some of the money is there and some is not."""
    return can_be_sent(payment) and payment.filled_usd > 0


def is_unpaid(payment: Payment) -> bool:
    """Whether nothing is there yet."""
    return can_be_sent(payment) and not payment.filled_usd


def is_confirming(payment: Payment) -> bool:
    """Whether a deposit waits for confirmations."""
    return bool(payment.pending)


def can_expire(payment: Payment) -> bool:
    """Whether the link is still alive."""
    return payment.state in EXPIRING


def usual_part(payment: Payment) -> Decimal:
    """What is suggested for a part: 40 % of what is missing, in USD with two places."""
    return max((payment.missing_usd * USUAL_PART).quantize(CENT, rounding=ROUND_HALF_UP), CENT)


def too_much(payment: Payment) -> Decimal:
    """What makes the sum received 110 % of the sum asked, in USD with two places."""
    surplus = max((payment.amount_usd * TOO_MUCH).quantize(CENT, rounding=ROUND_HALF_UP), CENT)
    return payment.missing_usd + surplus


def part(typed: str) -> Decimal:
    """The sum a person typed; raises ValueError unless it is one of at least a cent."""
    amount = dollars(typed.strip().removeprefix("$"))
    if amount != amount.quantize(CENT):
        raise ValueError(typed)
    return amount


BUTTONS = {
    "pay": Button(
        "Pay in full",
        "The whole sum arrives, confirmed at once.",
        is_unpaid,
        lambda payram, payment, _: payram.pay(payment.reference),
    ),
    "top-up": Button(
        "Top up",
        "What is missing arrives on the same reference.",
        is_partly_paid,
        lambda payram, payment, _: payram.pay(payment.reference),
    ),
    "top-up-elsewhere": Button(
        "Send the rest under a new reference",
        "What is missing arrives as a new payment of the same customer, as some servers do it.",
        is_partly_paid,
        lambda payram, payment, _: payram.top_up(payment.reference),
    ),
    "part": Button(
        "Pay a part",
        "Only this much arrives, confirmed at once.",
        can_be_sent,
        lambda payram, payment, typed: payram.pay(payment.reference, part(typed)),
        asks_amount=True,
    ),
    "too-much": Button(
        "Pay too much",
        "The sum received becomes 110 % of the sum asked.",
        can_be_sent,
        lambda payram, payment, _: payram.pay(payment.reference, too_much(payment)),
    ),
    "see": Button(
        "Send to the chain without confirmations",
        "What is missing is seen on the chain; it counts only once it is confirmed.",
        can_be_sent,
        lambda payram, payment, _: payram.see(payment.reference),
    ),
    "confirm": Button(
        "Confirm one block",
        "One more block on top of the deposit.",
        is_confirming,
        lambda payram, payment, _: payram.confirm(payment.reference),
    ),
    "expire": Button(
        "Let it expire",
        "The link closes; what has arrived stays.",
        can_expire,
        lambda payram, payment, _: payram.expire(payment.reference),
    ),
}


def press(processor: Processor, payment: Payment, *, name: str, typed: str) -> None:
    """Do what a button says, if it applies to the payment; ValueError: a wrong sum was typed."""
    button = BUTTONS.get(name)
    if button is not None and button.when(payment):
        button.act(processor, payment, typed)
