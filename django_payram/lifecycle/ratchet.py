"""What a report means for a payment: pure questions, no database and no clock."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django_payram.states import FULLY_FILLED, FUNDED, State, larger, rises

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.models import Payment
    from django_payram.wire import Report

CENT = Decimal("0.01")

DESCRIPTION = ("currency", "blockchain", "deposit_address", "explorer_url", "filled_amount")
"""What a report tells besides state and sum."""


def reported_state(report: Report) -> State | None:
    """Return the state a report stands for.

    PayRam calls a partly paid link CANCELLED once it has expired, with the sum beside it: that is a partial payment
    whose link is closed. A sum in coins proves that money came as well as one in US dollars.
    """
    if report.state == State.CANCELED and (report.filled_usd or report.filled_amount):
        return State.PARTIALLY_FILLED
    return report.state


def closes(report: Report) -> bool:
    """Return whether the report says that the link takes no more money.

    A cancellation while money is confirming is not believed yet: that money may still count.
    """
    if report.state == State.CANCELED:
        return not report.confirming
    return report.state in FULLY_FILLED


def is_news(payment: Payment, report: Report) -> bool:
    """Return whether a report says more than is recorded: a higher state, more money, or the first sight of it."""
    state = reported_state(report)
    if state is None:
        return False
    return (
        rises(State(payment.state), state)
        or raises_sum(payment, report)
        or first_sight(payment, report)
        or (report.state == State.CANCELED and closes(report) and payment.closed_at is None)
    )


def raises_sum(payment: Payment, report: Report) -> bool:
    """Return whether the report knows of more money than is recorded.

    A sum counts with the state it came with: once PayRam calls the payment filled, what was said before that does not.
    """
    if not report.filled_usd or (payment.is_filled and report.state not in FULLY_FILLED):
        return False
    return larger(payment.filled_usd, report.filled_usd) != payment.filled_usd


def fills(payment: Payment, report: Report) -> bool:
    """Return whether PayRam calls the payment filled for the first time."""
    return report.state in FULLY_FILLED and not payment.is_filled


def first_sight(payment: Payment, report: Report) -> bool:
    """Return whether money is on the chain for the first time. Confirmations that count up are not news."""
    return (
        report.on_chain
        and payment.confirmations is None
        and State(payment.state) not in FUNDED
        and describes(payment, report)
    )


def was_canceled(payment: Payment) -> bool:
    """Return whether money that comes now comes after the link was closed without being filled."""
    return payment.closed_at is not None and State(payment.state) in {
        State.CANCELED,
        State.PARTIALLY_FILLED,
    }


def falls_below(payment: Payment, report: Report, *, asked_at: datetime) -> bool:
    """Return whether PayRam's own answer takes back money that was recorded.

    An answer asked for before the last news came is merely old.
    """
    state = reported_state(report)
    if state is None or State(payment.state) not in FUNDED or asked_at < payment.updated_at:
        return False
    if report.filled_usd is not None and report.filled_usd < (payment.filled_usd or 0):
        return True
    closing_partial = report.state == State.CANCELED and payment.state == State.PARTIALLY_FILLED
    return rises(state, State(payment.state)) and not closing_partial


def vanished(report: Report) -> bool:
    """Return whether an open payment has nothing on the chain, by a server that would tell."""
    return report.state == State.OPEN and report.confirmations is not None and not report.on_chain


def completed(answer: Report, hint: Report) -> Report:
    """Take from a webhook what PayRam's answer confirms by its state but does not know itself.

    The status answers of 2025 and before give no sum in US dollars and no confirmations, the webhooks of the same
    servers do.
    """
    if answer.state is None or answer.state != hint.state:
        return answer
    if answer.filled_usd is None:
        answer = replace(answer, filled_usd=hint.filled_usd)
    if hint.on_chain and answer.confirmations is None:
        answer = replace(
            answer,
            on_chain=True,
            confirmations=hint.confirmations,
            confirmations_required=hint.confirmations_required,
        )
    return answer


def describes(payment: Payment, report: Report) -> bool:
    """Return whether the report is recent enough to describe the payment: coin, chain, address, transaction."""
    state = reported_state(report)
    return state is not None and not rises(state, State(payment.state))


def description(report: Report) -> dict[str, object]:
    """Return the fields of a payment that the report describes, with their values."""
    known = {name: getattr(report, name) for name in DESCRIPTION if getattr(report, name)}
    if report.on_chain:
        known["confirmations"] = report.confirmations or 0
        known["confirmations_required"] = report.confirmations_required
    elif vanished(report):
        known["confirmations"] = None
    return known


def adds_nothing(payment: Payment, report: Report, *, asked_at: datetime) -> bool:
    """Return whether PayRam's answer repeats what is recorded of a payment that still waits."""
    return (
        report.state is not None
        and not is_news(payment, report)
        and not falls_below(payment, report, asked_at=asked_at)
        and not amount_differs(payment, report)
        and all(getattr(payment, name) == value for name, value in description(report).items())
    )


def amount_differs(payment: Payment, report: Report) -> bool:
    """Return whether PayRam asked the customer for another amount than we did."""
    requested = report.requested_usd
    return requested is not None and abs(requested - payment.amount_usd) >= CENT


def is_short(payment: Payment, *, tolerance_percent: float) -> bool:
    """Return whether a filled payment lacks more than the tolerance."""
    if not payment.is_filled or payment.filled_usd is None:
        return False
    return payment.received_usd < least(payment.amount_usd, tolerance_percent)


def is_covered(payment: Payment, top_ups: list[Payment], *, tolerance_percent: float) -> bool:
    """Return whether a payment and its top-ups together make up the amount.

    The tolerance for a filled payment counts here as well, once PayRam calls a top-up filled.
    """
    if not payment.topped_up_usd:
        return False
    filled = any(top_up.is_filled for top_up in top_ups)
    enough = least(payment.amount_usd, tolerance_percent) if filled else payment.amount_usd
    return payment.received_usd >= enough


def least(amount_usd: Decimal, tolerance_percent: float) -> Decimal:
    """Return the least sum that still passes for ``amount_usd``."""
    return amount_usd * (100 - Decimal(str(tolerance_percent))) / 100
