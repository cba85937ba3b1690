"""What the customer of a payment is shown, in every situation a payment can be in."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone, translation

from django_payram.models import Payment, Status
from django_payram.models.states import Review, State
from django_payram.views.customer_status import SENTENCES, TONES, customer_status

URL = "https://pay.example.com/payments?reference_id=1"
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _payram_of_the_links(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "https://pay.example.com"}}


def payment(state, **fields):
    given = {"amount_usd": Decimal("49.99"), "url": URL, **fields}
    return Payment(state=state, project="default", **{name: dollars(value) for name, value in given.items()})


def dollars(value):
    """Write a sum as text in the tables; everything else passes."""
    return Decimal(value) if isinstance(value, str) and value.replace(".", "").isdigit() else value


PAID = {"paid_at": NOW, "closed_at": NOW}

# what the payment is -> (status, title, tone, whether final, whether there is a link), sentence
SITUATIONS = [
    (
        payment(State.CREATING, url=""),
        (Status.PREPARING, "Preparing", "calm", False, False),
        "Your payment link is being made. This page will tell you when it is ready.",
    ),
    (
        payment(State.FAILED, url=""),
        (Status.FAILED, "No payment was made", "stop", True, False),
        "No payment link could be made. You can try again from your order.",
    ),
    (
        payment(State.OPEN),
        (Status.WAITING, "Waiting for your payment", "calm", False, True),
        "49.99 USD are to be paid. This page turns by itself when the money arrives.",
    ),
    (
        payment(State.OPEN, url=""),
        (Status.WAITING, "Waiting for your payment", "calm", False, False),
        "49.99 USD are to be paid. This page turns by itself when the money arrives.",
    ),
    (
        payment(State.OPEN, confirmations=3, confirmations_required=12),
        (Status.CONFIRMING, "Payment seen on the chain", "busy", False, False),
        "Your money is on its way: 3 of 12 confirmations. There is nothing more to do.",
    ),
    (
        payment(State.OPEN, confirmations=0),
        (Status.CONFIRMING, "Payment seen on the chain", "busy", False, False),
        "Your money is on its way: 0 of 1 confirmations. There is nothing more to do.",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20"),
        (Status.PARTLY_PAID, "Partly paid", "warn", False, True),
        "20.00 USD have arrived, and you are short by 29.99 USD. Please send the rest.",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", closed_at=NOW),
        (Status.PARTLY_PAID, "Partly paid and closed", "warn", False, False),
        "20.00 of 49.99 USD have arrived before the link closed. The shop has been told and will settle this with you.",
    ),
    (
        payment(State.OPEN, expires_at=NOW - timedelta(seconds=1)),
        (Status.WAITING, "Expired", "calm", False, False),
        (
            "The time for this payment is over. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
    ),
    (
        payment(State.OPEN, expires_at=NOW + timedelta(hours=1)),
        (Status.WAITING, "Waiting for your payment", "calm", False, True),
        "49.99 USD are to be paid. This page turns by itself when the money arrives.",
    ),
    (
        payment(State.OPEN, withdrawn_at=NOW),
        (Status.WITHDRAWN, "Withdrawn", "stop", False, False),
        (
            "The shop takes no money on this link any more, and nothing was received. Please do not pay here. "
            "If you have sent money, it is not lost: this page will show it."
        ),
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", withdrawn_at=NOW),
        (Status.PARTLY_PAID, "Partly paid and closed", "warn", False, False),
        "20.00 of 49.99 USD have arrived before the link closed. The shop has been told and will settle this with you.",
    ),
    (
        payment(State.FILLED, filled_usd="49.49", **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.49 of 49.99 USD have been paid, and the shop takes that as enough. Thank you!",
    ),
    (
        payment(State.FILLED, filled_usd="49.99", refunded_usd="49.99", **PAID),
        (Status.REFUNDED, "Refunded", "calm", True, False),
        "The shop has sent 49.99 USD back.",
    ),
    (
        payment(State.FILLED, filled_usd="49.99", **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.FILLED, **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", topped_up_usd="29.99", **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="52", **PAID),
        (Status.OVERPAID, "Paid, with a surplus", "good", True, False),
        "49.99 USD have been paid, and 2.01 USD more than was asked for. The shop can see the surplus. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="50", **PAID),
        (Status.OVERPAID, "Paid, with a surplus", "good", True, False),
        "49.99 USD have been paid, and 0.01 USD more than was asked for. The shop can see the surplus. Thank you!",
    ),
    (
        payment(State.OVER_FILLED, filled_usd="49.999999", **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.FILLED, filled_usd="40", review=Review.AMOUNT),
        (Status.HELD, "Being looked at", "busy", False, False),
        "Your money has arrived, and a person at the shop is looking at it. You need not pay again.",
    ),
    (
        payment(State.CANCELED, closed_at=NOW),
        (Status.EXPIRED, "Expired", "stop", False, False),
        (
            "The link has expired and nothing was received. You can pay again from your order. "
            "If you have sent money, it is not lost: this page will show it."
        ),
    ),
    (
        payment(State.FILLED, filled_usd="49.99", review=Review.DUPLICATE, paid_second=True, **PAID),
        (Status.PAID, "Paid twice", "warn", True, False),
        (
            "This order has been paid already, and 49.99 USD have come once more. "
            "The shop has been told and will settle this with you."
        ),
    ),
    (
        # A person has settled it, and the money is still there.
        payment(State.FILLED, filled_usd="49.99", paid_second=True, **PAID),
        (Status.PAID, "Paid twice", "warn", True, False),
        (
            "This order has been paid already, and 49.99 USD have come once more. "
            "The shop has been told and will settle this with you."
        ),
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", review=Review.DUPLICATE),
        (Status.PARTLY_PAID, "Paid twice", "warn", False, False),
        (
            "This order has been paid already, and 20.00 USD have come once more. "
            "The shop has been told and will settle this with you."
        ),
    ),
    (
        payment(State.FILLED, filled_usd="49.99", review=Review.LATE, withdrawn_at=NOW, **PAID),
        (Status.PAID, "Paid late", "warn", True, False),
        (
            "49.99 USD have come after the time for this payment was over. "
            "The shop has been told and will settle this with you."
        ),
    ),
    (
        payment(State.FILLED, filled_usd="49.99", withdrawn_at=NOW, **PAID),
        (Status.PAID, "Paid", "good", True, False),
        "49.99 USD have been paid. Thank you!",
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", confirmations=1, confirmations_required=12),
        (Status.PARTLY_PAID, "Partly paid", "busy", False, True),
        (
            "20.00 USD have arrived, and more is on its way: 1 of 12 confirmations. "
            "Please wait for it before you send the rest."
        ),
    ),
    (
        payment(State.PARTIALLY_FILLED, filled_usd="20", confirmations=12, confirmations_required=12),
        (Status.PARTLY_PAID, "Partly paid", "warn", False, True),
        "20.00 USD have arrived, and you are short by 29.99 USD. Please send the rest.",
    ),
    (
        payment(State.CANCELED, closed_at=NOW, confirmations=3, confirmations_required=12),
        (Status.CONFIRMING, "Payment seen on the chain", "busy", False, False),
        "Your money is on its way: 3 of 12 confirmations. There is nothing more to do.",
    ),
]


@pytest.mark.parametrize(("given", "facts", "sentence"), SITUATIONS)
def test_the_customer_is_shown_where_the_payment_stands(given, facts, sentence):
    """F29, F31, F34, F45, F97, D5."""
    shown = customer_status(given)
    assert (shown.status, shown.title, shown.tone, shown.is_final, shown.url != "") == facts
    assert shown.sentence == sentence
    assert type(shown.title) is type(shown.sentence) is str


@pytest.mark.parametrize(
    ("given", "is_dead", "is_repeatable"),
    [
        (payment(State.CANCELED, closed_at=NOW), True, True),
        (payment(State.OPEN, withdrawn_at=NOW), True, False),
        (payment(State.OPEN, expires_at=NOW - timedelta(seconds=1)), True, True),
        (payment(State.PARTIALLY_FILLED, filled_usd="20", closed_at=NOW), True, False),
        (payment(State.PARTIALLY_FILLED, filled_usd="20"), False, False),
        (payment(State.FAILED, url=""), False, True),
        (payment(State.OPEN), False, False),
        (payment(State.OPEN, expires_at=NOW + timedelta(hours=1)), False, False),
        (payment(State.FILLED, **PAID), False, False),
        (payment(State.CANCELED, closed_at=NOW, confirmations=3, confirmations_required=12), False, False),
    ],
)
def test_nobody_is_to_send_money_to_a_dead_link_and_the_order_may_be_paid_anew(given, is_dead, is_repeatable):
    """F97."""
    shown = customer_status(given)
    assert (shown.warning != "", shown.is_repeatable) == (is_dead, is_repeatable)


def test_every_status_has_a_situation_a_sentence_and_a_tone():
    assert {facts[0] for _given, facts, _sentence in SITUATIONS} == set(Status) == set(SENTENCES) == set(TONES)


def test_the_statuses_have_these_names_in_the_api():
    assert [status.value for status in Status] == [
        *("preparing", "waiting", "confirming", "partly_paid", "held", "paid", "overpaid"),
        *("expired", "withdrawn", "refunded", "failed"),
    ]


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
    shown = customer_status(payment(State.PARTIALLY_FILLED, filled_usd=filled))
    assert shown.amount_usd == Decimal("49.99")
    figures = [str(shown.received_usd), str(shown.missing_usd), str(shown.surplus_usd)]
    assert figures == [received, missing, surplus]


def test_a_paid_payment_misses_nothing():
    shown = customer_status(payment(State.FILLED, filled_usd="49", **PAID))
    assert (str(shown.received_usd), shown.missing_usd) == ("49.00", 0)
    assert shown.status == Status.PAID


def test_figures_stand_in_the_readers_format(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        shown = customer_status(payment(State.OPEN, amount_usd="12345.6"))
    assert "12.345,60 USD" in shown.sentence
    assert shown.amount_usd == Decimal("12345.6")


def test_what_is_shown_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        customer_status(payment(State.OPEN)).status = Status.PAID
    for table in (SENTENCES, TONES):
        with pytest.raises(TypeError):
            table["new"] = "new"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "A part of the 49.99 USD has arrived. Please send the rest."),
        (
            {"closed_at": NOW},
            (
                "A part of the 49.99 USD has arrived before the link closed. "
                "The shop has been told and will settle this with you."
            ),
        ),
        (
            {"webhook_usd": Decimal(20)},
            "20.00 USD have arrived, and you are short by 29.99 USD. Please send the rest.",
        ),
    ],
)
def test_a_part_whose_sum_payram_does_not_say_is_not_called_nothing(fields, sentence):
    """F64: old servers give no sums in their answers."""
    assert customer_status(payment(State.PARTIALLY_FILLED, **fields)).sentence == sentence


@pytest.mark.parametrize(
    ("base_url", "link"),
    [
        ("https://other.example.com", URL),
        ("https://pay.example.com", URL.replace("https:", "http:")),
        ("https://pay.example.com", "javascript:alert(1)"),
        ("", URL),
    ],
)
def test_a_link_that_the_setting_of_now_does_not_allow_is_no_button(settings, base_url, link):
    """F80: the setting has changed since the link was made."""
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": base_url}}
    assert customer_status(payment(State.OPEN, url=link)).url == ""


@pytest.mark.parametrize("language", ["ar", "fa", "he"])
def test_an_amount_keeps_its_currency_in_a_sentence_from_right_to_left(language):
    """F98."""
    with translation.override(language):
        sentence = customer_status(payment(State.OPEN, amount_usd="12345.60")).sentence
    isolated = sentence.partition("\N{FIRST STRONG ISOLATE}")[2].partition("\N{POP DIRECTIONAL ISOLATE}")[0]
    assert re.fullmatch(r"12\D?345\D60 USD", isolated)


def test_a_sentence_from_left_to_right_has_no_marks():
    with translation.override("de"):
        assert "\N{FIRST STRONG ISOLATE}" not in customer_status(payment(State.OPEN)).sentence
