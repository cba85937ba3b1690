"""Answers that repeat what is recorded: the shortcut must never differ from the decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.forms import model_to_dict
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from django_payram import conf
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, PaymentEvent, Source
from django_payram.models.states import Review, State
from django_payram.payments.rules import is_repetition
from django_payram.polling.claims import mark_checked
from django_payram.testing.factories import PaymentFactory
from tests.conftest import listening
from tests.payments.helpers import apply

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=2)

SUMS = [None, Decimal(0), Decimal("10.00"), Decimal("49.99")]
TEXTS = {
    "currency": ["", "USDT", "BTC"],
    "blockchain": ["", "TRX"],
    "deposit_address": ["", "T1"],
    "explorer_url": ["", "https://scan.example/1"],
}
COUNTS = [None, 0, 1, 3]


@st.composite
def payments(draw):
    """Draw a payment as it may stand in the table, half of the time a plain one that waits."""
    if draw(st.booleans()):
        state = draw(st.sampled_from([State.OPEN, State.CANCELED, State.PARTIALLY_FILLED]))
        received = Decimal("10.00") if state == State.PARTIALLY_FILLED else None
        closed = draw(st.sampled_from([None, timezone.now() - LONG_AGO])) if state != State.OPEN else None
        return PaymentFactory(
            state=state, filled_usd=received, closed_at=closed, confirmations=draw(st.sampled_from(COUNTS))
        )
    fields = {name: draw(st.sampled_from(choices)) for name, choices in TEXTS.items()}
    fields |= {
        "state": draw(st.sampled_from([State.OPEN, State.OPEN, State.OPEN, *State])),
        "filled_usd": draw(st.sampled_from(SUMS)),
        "confirmations": draw(st.sampled_from(COUNTS)),
        "confirmations_required": draw(st.sampled_from(COUNTS)),
        "closed_at": draw(st.sampled_from([None, timezone.now() - LONG_AGO])),
        "paid_at": draw(st.sampled_from([None, None, None, timezone.now() - LONG_AGO])),
        "review": draw(st.sampled_from(["", "", "", *Review])),
        "undelivered": draw(st.sampled_from([[], [], [], ["payment_updated"]])),
        "topped_up_usd": draw(st.sampled_from([Decimal(0), Decimal(0), Decimal(5)])),
        "created_at": timezone.now() - draw(st.sampled_from([LONG_AGO, timedelta(days=40), timedelta(days=300)])),
        "updated_at": timezone.now() - LONG_AGO,
    }
    return PaymentFactory(**fields, reviews_raised=[fields["review"]] if fields["review"] else [])


@st.composite
def reports(draw, payment):
    """Draw an answer: what is recorded, with some of it changed."""
    said = {
        name: draw(st.sampled_from([getattr(payment, name), getattr(payment, name), *TEXTS[name]])) for name in TEXTS
    }
    state = draw(st.sampled_from([State(payment.state), State(payment.state), *State, None]))
    return PaymentUpdate(
        word=str(state),
        state=state,
        reference=payment.reference,
        filled_usd=draw(st.sampled_from([payment.filled_usd, payment.filled_usd, *SUMS])),
        requested_usd=draw(st.sampled_from([None, payment.amount_usd, payment.amount_usd, Decimal(1)])),
        on_chain=draw(st.booleans()),
        confirmations=draw(st.sampled_from([payment.confirmations, *COUNTS])),
        confirmations_required=draw(st.sampled_from([payment.confirmations_required, *COUNTS])),
        **said,
    )


def columns(payment):
    row = Payment.objects.get(pk=payment.pk)
    return {
        **model_to_dict(row),
        "updated_at": row.updated_at,
        "reviews_raised": row.reviews_raised,
        "undelivered": row.undelivered,
    } | {
        "checked_at": None,
        "next_check_at": None,
    }


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.data())
def test_a_repetition_changes_nothing_when_it_is_applied(data):
    payment = data.draw(payments())
    report = data.draw(reports(payment))
    asked_at = timezone.now()
    short = repeats(Payment.objects.get(pk=payment.pk), report, asked_at)
    event(f"a repetition: {short}")
    if not short:
        return
    before, events = columns(payment), PaymentEvent.objects.count()
    with listening() as listener:
        recorded = apply(payment, report, source=Source.RESYNC, asked_at=asked_at)
    assert columns(payment) == before
    assert PaymentEvent.objects.count() == events
    assert (recorded.is_news, recorded.delivered, listener.names) == (False, True, [])
    assert Payment.objects.get(pk=payment.pk).next_check_at is not None


def repeats(payment, update, asked_at):
    return is_repetition(payment, replace(update, asked_at=asked_at), asked_at, conf.project())


STILL = PaymentUpdate(word="OPEN", state=State.OPEN, requested_usd=Decimal("49.99"), currency="USDT")


def still(**fields):
    return PaymentFactory.build(pk=1, amount_usd=Decimal("49.99"), currency="USDT", **fields)


def unchanged(payment, report=STILL):
    return repeats(payment, report, timezone.now())


def test_an_open_link_that_is_still_open_changes_nothing():
    assert unchanged(still())
    assert unchanged(still(), PaymentUpdate(word="OPEN", state=State.OPEN))


@pytest.mark.parametrize(
    "fields",
    [
        {"undelivered": ["payment_paid"]},
        {"reviews_raised": ["late"]},
        {"parent_id": 2},
        {"topped_up_usd": Decimal("0.01")},
        {"paid_at": timezone.now()},
        {"state": State.FILLED},
        {"created_at": timezone.now() - timedelta(days=181), "checks": 300},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_needs_more_than_a_look_is_no_repetition(fields):
    report = PaymentUpdate(
        word="x", state=fields.get("state", State.OPEN), requested_usd=Decimal("49.99"), currency="USDT"
    )
    assert not unchanged(still(**fields), report)


@pytest.mark.parametrize(
    "said",
    [
        {"state": State.PARTIALLY_FILLED},
        {"state": State.CANCELED},
        {"state": None},
        {"filled_usd": Decimal("0.01")},
        {"requested_usd": Decimal("50.00")},
        {"currency": "BTC"},
        {"deposit_address": "T1"},
        {"on_chain": True, "confirmations": 1},
    ],
    ids=lambda said: next(iter(said)),
)
def test_whatever_an_answer_adds_is_no_repetition(said):
    assert not unchanged(still(), PaymentUpdate(**{"word": "OPEN", "state": State.OPEN, **said}))


def test_money_that_payram_takes_back_is_no_repetition():
    payment = still(state=State.PARTIALLY_FILLED, filled_usd=Decimal(20), updated_at=timezone.now() - LONG_AGO)
    same = PaymentUpdate(word="PARTIALLY_FILLED", state=State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    less = PaymentUpdate(word="PARTIALLY_FILLED", state=State.PARTIALLY_FILLED, filled_usd=Decimal(19))
    assert unchanged(payment, same)
    assert not unchanged(payment, less)


def test_confirmations_that_count_up_are_no_repetition():
    payment = still(confirmations=1, confirmations_required=3)
    seen = {"word": "OPEN", "state": State.OPEN, "on_chain": True, "confirmations_required": 3}
    assert unchanged(payment, PaymentUpdate(**seen, confirmations=1))
    assert not unchanged(payment, PaymentUpdate(**seen, confirmations=2))
    assert not unchanged(payment, PaymentUpdate(word="OPEN", state=State.OPEN, confirmations=0))


def test_what_was_checked_says_so_and_nothing_else_does(django_assert_num_queries):
    asked, other = PaymentFactory.create_batch(2), PaymentFactory()
    before = timezone.now()
    with django_assert_num_queries(4):
        mark_checked(asked)
    assert [Payment.objects.get(pk=payment.pk).checked_at >= before for payment in asked] == [True, True]
    assert Payment.objects.get(pk=other.pk).checked_at is None
