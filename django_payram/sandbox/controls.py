"""The buttons with which a person plays the customer's wallet and the blockchain."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from django_payram.sandbox.coins import CENT
from django_payram.sandbox.payments import EXPIRING, Payment
from django_payram.sandbox.processor import Processor, positive_sum

if TYPE_CHECKING:
    from collections.abc import Callable

USUAL_PART = Decimal("0.4")
TOO_MUCH = Decimal("0.1")


@dataclass(frozen=True)
class Button:
    """One button: the text on it, what it explains, when it is shown and what it does."""

    text: str
    help: str
    when: Callable[[Payment], bool]
    act: Callable[[Processor, Payment, str], object]
    asks_amount: bool = False


def can_be_sent(payment: Payment) -> bool:
    """Whether there is something to pay and nothing on its way."""
    return not payment.is_settled and not payment.pending


def is_partly_paid(payment: Payment) -> bool:
    """Whether some of the money is there and some is not."""
    return can_be_sent(payment) and payment.filled_usd > 0


def is_unpaid(payment: Payment) -> bool:
    """Whether nothing is there yet."""
    return can_be_sent(payment) and not payment.filled_usd


def usual_part(payment: Payment) -> Decimal:
    """What is suggested for a part: 40 % of what is missing, in USD."""
    return _share(payment.missing_usd, USUAL_PART)


def too_much(payment: Payment) -> Decimal:
    """What makes the sum received 110 % of the sum asked, in USD."""
    return payment.missing_usd + _share(payment.amount_usd, TOO_MUCH)


def _share(usd: Decimal, share: Decimal) -> Decimal:
    """Part of a sum, in whole cents and at least one."""
    return max((usd * share).quantize(CENT, rounding=ROUND_HALF_UP), CENT)


def part(typed: str) -> Decimal:
    """The sum a person typed; raises ValueError unless it is one of at least a cent."""
    amount = positive_sum(typed.strip().removeprefix("$"))
    if amount != amount.quantize(CENT):
        raise ValueError(typed)
    return amount


BUTTONS = {
    "pay": Button(
        "Pay in full",
        "The whole sum arrives, confirmed at once.",
        is_unpaid,
        lambda processor, payment, _: processor.pay(payment.reference),
    ),
    "top-up": Button(
        "Top up",
        "What is missing arrives on the same reference.",
        is_partly_paid,
        lambda processor, payment, _: processor.pay(payment.reference),
    ),
    "top-up-elsewhere": Button(
        "Send the rest under a new reference",
        "What is missing arrives as a new payment of the same customer, as some servers do it.",
        is_partly_paid,
        lambda processor, payment, _: processor.top_up(payment.reference),
    ),
    "part": Button(
        "Pay a part",
        "Only this much arrives, confirmed at once.",
        can_be_sent,
        lambda processor, payment, typed: processor.pay(payment.reference, part(typed)),
        asks_amount=True,
    ),
    "too-much": Button(
        "Pay too much",
        "The sum received becomes 110 % of the sum asked.",
        can_be_sent,
        lambda processor, payment, _: processor.pay(payment.reference, too_much(payment)),
    ),
    "see": Button(
        "Send to the chain without confirmations",
        "What is missing is seen on the chain; it counts only once it is confirmed.",
        can_be_sent,
        lambda processor, payment, _: processor.see(payment.reference),
    ),
    "confirm": Button(
        "Confirm one block",
        "One more block on top of the deposit.",
        lambda payment: bool(payment.pending),
        lambda processor, payment, _: processor.confirm(payment.reference),
    ),
    "expire": Button(
        "Let it expire",
        "The link closes; what has arrived stays.",
        lambda payment: payment.state in EXPIRING,
        lambda processor, payment, _: processor.expire(payment.reference),
    ),
}


def press(processor: Processor, payment: Payment, *, name: str, typed: str) -> None:
    """Do what a button says, if it applies to the payment; ValueError: a wrong sum was typed."""
    button = BUTTONS.get(name)
    if button is not None and button.when(payment):
        button.act(processor, payment, typed)
