"""One table gives a payment's status, for the row in memory and for the query."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_payram.models import Payment, Review, State, Status
from django_payram.models.statuses import PLAIN, RARE
from django_payram.testing.factories import PaymentFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DOLLARS = st.sampled_from(
    [Decimal(text) for text in ("0", "0.00000001", "0.01", "49.98", "49.99", "50", "50.0099", "60")]
)
TIMES = st.sampled_from([None, NOW])

ROWS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(State),
        "filled_usd": st.none() | DOLLARS,
        "topped_up_usd": DOLLARS,
        "refunded_usd": DOLLARS,
        "paid_at": TIMES,
        "withdrawn_at": TIMES,
        "confirmations": st.sampled_from([None, 0, 3]),
        "review": st.sampled_from(["", Review.AMOUNT, Review.LATE]),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, st.booleans())
def test_the_row_and_the_query_agree(facts, is_top_up):
    """F88, F89."""
    payment = PaymentFactory(amount_usd=50, reference=None, parent=PaymentFactory() if is_top_up else None, **facts)
    payment.refresh_from_db()
    row = Payment.objects.filter(pk=payment.pk)
    assert [status for status in Status if row.with_status(status).exists()] == [payment.status]
    assert row.filter(RARE).exists() or payment.status == PLAIN[payment.state]
    assert row.held().exists() == payment.is_held
    assert row.open().exists() == payment.is_open
    assert (payment.status == Status.HELD) == payment.is_held
    assert (payment.status == Status.CONFIRMING) <= payment.is_confirming
    assert (payment.status in {Status.PAID, Status.OVERPAID}) <= payment.is_paid


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS)
def test_the_sums_of_a_payment_add_up(facts):
    payment = PaymentFactory.build(amount_usd=Decimal(50), **facts)
    asked = payment.amount_usd + payment.surplus_usd
    if not payment.refunded_usd:
        assert payment.received_usd + payment.missing_usd + payment.forgiven_usd == asked
    assert payment.net_usd == payment.received_usd - payment.refunded_usd
    assert not (payment.missing_usd and payment.forgiven_usd)


def test_a_status_that_is_none_raises():
    with pytest.raises(ValueError, match="'settled' is not a valid Status"):
        Payment.objects.with_status("settled")


def test_the_sums_of_many_payments_leave_out_nothing_and_count_nothing_twice():
    """F84."""
    parent = PaymentFactory(
        amount_usd=50, state=State.PARTIALLY_FILLED, filled_usd=20, topped_up_usd=30, refunded_usd=5
    )
    PaymentFactory(parent=parent, state=State.FILLED, filled_usd=30)
    PaymentFactory(amount_usd=7, state=State.FILLED, filled_usd=None)
    assert Payment.objects.received_usd() == 57
    assert Payment.objects.net_usd() == 52
    assert Payment.objects.none().net_usd() == 0


@pytest.mark.parametrize(
    ("facts", "amount", "covered"),
    [
        ({}, "49.99", True),
        ({}, "50.00", False),
        ({"filled_usd": 60, "state": State.OVER_FILLED}, 60, True),
        ({"filled_usd": Decimal("49.50")}, "49.99", True),
        ({"refunded_usd": Decimal("0.01")}, "49.99", False),
        ({"refunded_usd": Decimal("0.01")}, "49.98", True),
        ({"paid_at": None}, "1", False),
    ],
)
def test_a_payment_covers_what_was_paid_and_not_sent_back(facts, amount, covered):
    """F90."""
    facts = {"state": State.FILLED, "filled_usd": Decimal("49.99"), "paid_at": NOW, **facts}
    payment = PaymentFactory.build(amount_usd=Decimal("49.99"), **facts)
    assert payment.covers(Decimal(amount)) is covered


@pytest.mark.parametrize("wrong", [49.99, True, None, "much", Decimal("NaN"), -1])
def test_what_is_no_amount_is_not_compared(wrong):
    with pytest.raises(ValueError, match=r"^amount (must|is)"):
        PaymentFactory.build(paid=True).covers(wrong)


def test_a_payment_covers_a_price_in_its_own_currency_alone():
    """F86, F90."""
    paid = {"state": State.FILLED, "filled_usd": Decimal("54.05"), "paid_at": NOW}
    price = {"price_amount": Decimal("49.99"), "price_currency": "EUR", "amount_usd": Decimal("54.05")}
    payment = PaymentFactory.build(**paid, **price)
    assert payment.covers(Decimal("49.99"), "EUR")
    assert not payment.covers(Decimal("50.00"), "EUR")
    assert not payment.covers(Decimal("49.99"), "GBP")
    payment.refunded_usd = Decimal("27.025")
    assert payment.covers(Decimal("24.99"), "EUR")
    assert not payment.covers(Decimal("25.00"), "EUR")
