"""The final state is a function of the set of reports, not of their order or number.

More histories: ``pytest tests/test_confluence.py --hypothesis-profile=thousands``, or ``deep``.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, Source, content_type
from django_payram.models.states import State
from django_payram.testing.factories import PaymentFactory
from tests.conftest import listening
from tests.payments.helpers import apply
from tests.shop.models import Order

AMOUNT = Decimal("50.00")
DEPOSITS = [Decimal(text) for text in ("0.01", "10", "24.99", "25", "49", "50", "60")]

pytestmark = pytest.mark.django_db


def snapshot(filled, *, canceled, seen):
    """Return what PayRam says of a payment with so much money, as its documents describe it."""
    if filled > AMOUNT:
        state = State.OVER_FILLED
    elif filled == AMOUNT:
        state = State.FILLED
    elif canceled:
        state = State.CANCELED
    else:
        state = State.PARTIALLY_FILLED if filled else State.OPEN
    chain = {"on_chain": True, "confirmations": 1, "confirmations_required": 3} if seen and state == State.OPEN else {}
    return PaymentUpdate(word=str(state), state=state, filled_usd=filled or None, requested_usd=AMOUNT, **chain)


@st.composite
def histories(draw):
    """Draw PayRam's truth about one payment, snapshot after snapshot."""
    filled, canceled, seen = Decimal(0), False, False
    reports = [snapshot(filled, canceled=canceled, seen=seen)]
    for step in draw(st.lists(st.sampled_from(["see", "cancel", *DEPOSITS]), max_size=6)):
        if step == "see":
            seen = True
        elif step == "cancel":
            canceled = True
        else:
            filled += step
        reports.append(snapshot(filled, canceled=canceled, seen=seen))
    return reports


@st.composite
def deliveries(draw, history):
    """Draw what arrives of a history: any of its reports, in any order, any number of times."""
    places = draw(st.lists(st.integers(0, len(history) - 1), max_size=8))
    return [(history[place], draw(st.sampled_from(list(Source)))) for place in places]


def tell(payment, report, source=Source.WEBHOOK):
    long_ago = timezone.now() - timedelta(minutes=1)
    apply(payment, report, source=source, asked_at=long_ago)


def outcome(payment):
    payment.refresh_from_db()
    return payment.state, payment.filled_usd, payment.is_paid, payment.closed_at is not None


relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@relaxed
@given(st.data())
def test_any_order_repetition_and_loss_ends_the_same(data):
    """F7, F53, D1."""
    history = data.draw(histories())
    with listening() as straight:
        expected = PaymentFactory(amount_usd=AMOUNT)
        for report in history:
            tell(expected, report)
    with listening() as crooked:
        payment = PaymentFactory(amount_usd=AMOUNT)
        for report, source in data.draw(deliveries(history)):
            tell(payment, report, source)
        tell(payment, history[-1])
    assert outcome(payment) == outcome(expected)
    assert crooked.names.count("payment_paid") == straight.names.count("payment_paid") <= 1


@relaxed
@given(st.data())
def test_two_payments_of_one_order_announce_it_once(data):
    """F22, F23."""
    order = Order.objects.create()
    place = {"order_type": content_type(order), "order_id": str(order.pk), "amount_usd": AMOUNT}
    both = [PaymentFactory(**place), PaymentFactory(**place)]
    drawn = [data.draw(histories()) for _ in both]
    news = [(payment, report) for payment, history in zip(both, drawn, strict=True) for report in history]
    with listening() as listener:
        for payment, report in data.draw(st.permutations(news)):
            tell(payment, report)
    paid = Payment.objects.for_order(order).paid().count()
    assert listener.names.count("payment_paid") == min(paid, 1)
    raised = Payment.objects.for_order(order).values_list("reviews_raised", flat=True)
    # Once the order is paid, every other payment with money is too much, or too much by a part.
    with_money = Payment.objects.for_order(order).filter(filled_usd__gt=0).count()
    assert sum("duplicate" in reasons for reasons in raised) == (with_money - 1 if paid else 0)


@relaxed
@given(st.data())
def test_failing_receivers_change_nothing_but_when_they_are_notified(data):
    """F9."""
    history = data.draw(histories())
    payment = PaymentFactory(amount_usd=AMOUNT)
    with listening() as listener:
        for report in history:
            listener.fail_on = data.draw(st.sets(st.sampled_from(["payment_paid", "payment_updated"])))
            tell(payment, report)
        listener.fail_on = set()
        tell(payment, history[-1])
    payment.refresh_from_db()
    assert payment.undelivered == []
    assert listener.names.count("payment_paid") == int(payment.is_paid)
    updates = [extra["previous_state"] for name, _, extra in listener.received if name == "payment_updated"]
    assert len(updates) == 0 or updates[0] == State.OPEN
