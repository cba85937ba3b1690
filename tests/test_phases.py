"""What the customer of a payment is told, in every situation a payment can be in."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest
from django.utils import timezone, translation

from django_payram.models import Payment
from django_payram.phases import PLAIN, SENTENCES, TONES, Phase, standing
from django_payram.states import Review, State

URL = "https://pay.example.com/payments?reference_id=1"
NOW = timezone.now()


def payment(state, **fields):
    given = {"amount_usd": Decimal("49.99"), "url": URL, **fields}
    return Payment(state=state, **{name: dollars(value) for name, value in given.items()})


def dollars(value):
    """Write a sum as text in the tables; everything else passes."""
    return Decimal(value) if isinstance(value, str) and value.replace(".", "").isdigit() else value


PAID = {"paid_at": NOW, "closed_at": NOW}

# what the payment is -> (phase, title, tone, final, payable, sentence)
SITUATIONS = [
    (
        payment(State.CREATING, url=""),
        (Phase.PREPARING, "Preparing", "calm", False, False),
        "Your payment link is being made. This page will tell you when it is ready.",
    ),
    (
        payment(State.FAILED, url=""),
        (Phase.FAILED, "No payment was made", "stop", True, False),
        "No payment link could be made. You can try again from your order.",
    ),
    (
        payment(State.OPEN),
        (Phase.WAITING, "Waiting for your payment", "calm", False, True),
        "49.99 USD are to be paid. This page turns by itself when the money arrives.",
    ),
    (
        payment(State.OPEN, url=""),
        (Phase.WAITING, "Waiting for your payment", "calm", False, False),
        "49.99 USD are to be paid. This page turns by itself when the money arrives.",
    ),
    (
        payment(State.OPEN, confirmations=3, confirmations_required=12),
        (Phase.CONFIRMING, "Payment seen on the chain", "busy", False, False),
        "Your money is on its way: 3 of 12 confirmations. There is nothing more to do.",
    ),
    (
        payment(State.OPEN, confirmations=0),
        (Phase.CONFIRMING, "Payment seen on the chain", "busy", False, False),
        "Your money is on its way: 0 of 1 confirmations. There is nothing more to do.",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20"),
        (Phase.SHORT, "Partly paid", "warn", False, True),
        "20.00 USD have arrived, and you are short by 29.99 USD. Please send the rest to the same address.",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", closed_at=NOW),
        (Phase.CLOSED_SHORT, "Partly paid and closed", "warn", False, False),
        "20.00 of 49.99 USD have arrived before the link closed. The shop has been told and will settle this with you.",
    ),
    (
        payment(State.FILLED, filled_usd="49.99", **PAID),
        (Phase.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.FILLED, **PAID),
        (Phase.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", topped_up_usd="29.99", **PAID),
        (Phase.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="52", **PAID),
        (Phase.OVERPAID, "Paid, with a surplus", "good", True, False),
        "49.99 USD have been paid, and 2.01 USD more than was asked for. The shop can see the surplus. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="50", **PAID),
        (Phase.OVERPAID, "Paid, with a surplus", "good", True, False),
        "49.99 USD have been paid, and 0.01 USD more than was asked for. The shop can see the surplus. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="49.999999", **PAID),
        (Phase.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.FILLED, filled_usd="40", review=Review.AMOUNT),
        (Phase.HELD, "Being looked at", "busy", False, False),
        "Your money has arrived, and a person at the shop is looking at it. You need not pay again.",
    ),
    (
        payment(State.CANCELED, closed_at=NOW),
        (Phase.EXPIRED, "Expired", "stop", False, False),
        (
            "The link has expired and nothing was received. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
    ),
    (
        payment(State.CANCELED, closed_at=NOW, confirmations=3, confirmations_required=12),
        (Phase.EXPIRED, "Expired", "stop", False, False),
        (
            "The link has expired and nothing was received. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
    ),
]


@pytest.mark.parametrize(("given", "facts", "sentence"), SITUATIONS)
def test_the_customer_is_told_where_the_payment_stands(given, facts, sentence):
    """F29, F31, F34, F45, D5."""
    told = standing(given)
    assert (told.phase, told.title, told.tone, told.is_final, told.is_payable) == facts
    assert told.sentence == sentence
    assert type(told.title) is type(told.sentence) is str


def test_every_phase_has_a_situation_a_sentence_and_a_tone():
    assert {facts[0] for _given, facts, _sentence in SITUATIONS} == set(Phase) == set(SENTENCES) == set(TONES)


def test_the_phases_have_these_names_in_the_api():
    assert {phase.name: phase.value for phase in Phase} == {
        "PREPARING": "preparing",
        "WAITING": "waiting",
        "CONFIRMING": "confirming",
        "SHORT": "short",
        "CLOSED_SHORT": "closed-short",
        "PAID": "paid",
        "OVERPAID": "overpaid",
        "HELD": "held",
        "EXPIRED": "expired",
        "FAILED": "failed",
    }


@pytest.mark.parametrize(
    ("filled", "received", "missing", "surplus"),
    [
        (None, "0.00", "49.99", "0.00"),
        ("20", "20.00", "29.99", "0.00"),
        ("20.00000001", "20.00", "29.99", "0.00"),
        ("20.009", "20.00", "29.99", "0.00"),
        ("49.981", "49.98", "0.01", "0.00"),
        ("49.98999999", "49.98", "0.01", "0.00"),
        ("49.99", "49.99", "0.00", "0.00"),
        ("50.999", "50.99", "0.00", "1.00"),
    ],
)
def test_what_came_is_rounded_down_and_what_is_missing_up(filled, received, missing, surplus):
    """F29: the customer who pays what is shown as missing has paid it all."""
    told = standing(payment(State.PARTIALLY_FILLED, filled_usd=filled))
    assert told.amount_usd == Decimal("49.99")
    figures = [str(told.received_usd), str(told.missing_usd), str(told.surplus_usd)]
    assert figures == [received, missing, surplus]


def test_a_paid_payment_misses_nothing():
    told = standing(payment(State.FILLED, filled_usd="49", **PAID))
    assert (str(told.received_usd), told.missing_usd) == ("49.00", 0)
    assert told.phase == Phase.PAID


def test_figures_stand_in_the_readers_format(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        told = standing(payment(State.OPEN, amount_usd="12345.6"))
    assert "12.345,60 USD" in told.sentence
    assert told.amount_usd == Decimal("12345.6")


def test_what_was_told_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        standing(payment(State.OPEN)).phase = Phase.PAID
    for table in (SENTENCES, TONES, PLAIN):
        with pytest.raises(TypeError):
            table["new"] = "new"
