"""Payments of one order, and their top-ups: which counts, which is late, and which is one too many."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from django_payram.models import Review, State
from django_payram.payments import rules
from tests.payments.deciding import EARLIER, NOW, after, confirming, decide, outcomes, payment, update


def top_up(parent, state=State.OPEN, **fields):
    return payment(state, parent_id=parent.pk, reference="top-up", **fields)


# Late money


@pytest.mark.parametrize("state", [State.PARTIALLY_FILLED, State.FILLED, State.OVER_FILLED])
def test_money_on_a_link_that_was_closed_unfilled_is_late(state):
    """F28."""
    usd = 20 if state == State.PARTIALLY_FILLED else 50
    for closed in (
        payment(State.CANCELED, closed_at=EARLIER),
        payment(State.PARTIALLY_FILLED, filled_usd=Decimal(5), closed_at=EARLIER),
    ):
        row = after(closed, update(state, usd))
        assert (row.review, row.is_paid) == (Review.LATE, state != State.PARTIALLY_FILLED)


def test_money_on_an_open_or_a_filled_link_is_not_late():
    assert after(payment(), update(State.FILLED, 50)).review == ""
    assert after(payment(State.PARTIALLY_FILLED), update(State.FILLED, 50)).review == ""
    filled = payment(State.FILLED, filled_usd=Decimal(50), closed_at=EARLIER, paid_at=EARLIER)
    assert after(filled, update(State.OVER_FILLED, 60)).review == ""


def test_an_answer_that_repeats_a_closed_partial_payment_is_not_late():
    closed = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(5), closed_at=EARLIER)
    assert after(closed, update(State.PARTIALLY_FILLED, 5)).review == ""


def test_money_on_a_link_that_another_amount_replaced_is_late_though_no_cancellation_was_reported():
    """F24."""
    older = payment()
    newer = payment(amount_usd=Decimal(60))
    decision = decide(older, update(State.FILLED, 50), newer)
    assert (decision.group.payment.review, decision.group.payment.is_paid) == (Review.LATE, True)


@pytest.mark.parametrize("fields", [{"amount_usd": Decimal(50)}, {"amount_usd": Decimal(60), "state": State.FAILED}])
def test_a_newer_link_for_the_same_amount_or_a_failed_one_makes_no_money_late(fields):
    older, newer = payment(), payment(**fields)
    assert decide(older, update(State.FILLED, 50), newer).group.payment.review == ""


def test_an_older_link_for_another_amount_makes_no_money_late():
    older = payment(amount_usd=Decimal(60))
    assert decide(payment(), update(State.FILLED, 50), older).group.payment.review == ""


# Closed while partly paid


def test_a_link_that_closes_when_only_a_part_had_come_is_flagged():
    row = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(5))
    decision = decide(row, update(State.CANCELED, 5))
    assert (decision.group.payment.review, decision.group.payment.closed_at) == (Review.PARTIAL, NOW)
    assert "payment_canceled" not in decision.notifications


def test_a_dead_link_whose_top_up_has_brought_a_part_is_flagged():
    decision = decide(payment(topped_up_usd=Decimal(5)), update(State.CANCELED))
    assert (decision.group.payment.review, outcomes(decision)) == (Review.PARTIAL, ["recorded", "review"])


def test_a_link_that_closes_when_its_top_ups_have_paid_it_is_not_flagged():
    row = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), topped_up_usd=Decimal(30), paid_at=EARLIER)
    closed = after(row, update(State.CANCELED, 20))
    assert (closed.closed_at, closed.review) == (NOW, "")


def test_a_top_up_that_closes_when_only_a_part_had_come_is_not_flagged():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    child = top_up(parent, State.PARTIALLY_FILLED, filled_usd=Decimal(5))
    decision = decide(child, update(State.CANCELED, 5), parent)
    assert (decision.group.payment.closed_at, decision.group.payment.review, outcomes(decision)) == (NOW, "", [])


# Cancellation


def test_a_dead_link_is_canceled_once_when_nothing_came():
    """F36."""
    first = decide(payment(), update(State.CANCELED))
    assert first.notifications == ("payment_canceled", "payment_updated")
    assert outcomes(first) == ["recorded", "canceled"]
    again = decide(first.group.payment, update(State.CANCELED))
    assert (again.notifications, outcomes(again)) == ((), [])


def test_a_cancellation_while_money_confirms_is_announced_only_when_that_money_is_gone():
    """F36."""
    confirming_still = decide(payment(), update(State.CANCELED, **confirming()))
    assert "payment_canceled" not in confirming_still.notifications
    assert confirming_still.group.payment.is_confirming
    assert "payment_canceled" in decide(confirming_still.group.payment, update(State.CANCELED)).notifications


@pytest.mark.parametrize(
    "other",
    [
        {"state": State.OPEN},
        {"state": State.FILLED, "paid_at": EARLIER},
        {"state": State.PARTIALLY_FILLED, "filled_usd": Decimal(5), "closed_at": EARLIER},
        {"state": State.CANCELED, "confirmations": 1},
    ],
    ids=["open", "paid", "partly paid", "confirming"],
)
def test_a_dead_link_is_superseded_while_another_payment_is_open_or_has_money(other):
    """F22, F27, F36."""
    decision = decide(payment(), update(State.CANCELED), payment(**other))
    assert decision.notifications == ("payment_updated",)
    assert outcomes(decision) == ["recorded", "superseded"]
    assert decision.group.payment.undelivered == []


@pytest.mark.parametrize(
    "other",
    [
        {"state": State.FAILED},
        {"state": State.CANCELED, "closed_at": EARLIER},
        {"state": State.CREATING, "live_slot": None},
        {"state": State.CREATING, "created_at": NOW - timedelta(minutes=2)},
    ],
    ids=["failed", "canceled", "no answer", "crashed"],
)
def test_a_dead_link_is_canceled_when_no_other_payment_can_bring_money(other):
    other = payment(**{"created_at": NOW, **other})
    assert "payment_canceled" in decide(payment(), update(State.CANCELED), other).notifications


def test_a_cancellation_waits_until_the_call_for_another_link_has_ended():
    """F22."""
    making = payment(State.CREATING, created_at=NOW - timedelta(seconds=119), reference=None)
    decision = decide(payment(), update(State.CANCELED), making)
    row = decision.group.payment
    assert (decision.notifications, row.undelivered) == (("payment_updated",), ["payment_canceled"])
    assert row.next_delivery_at == NOW + timedelta(minutes=1)
    dropped = decide(row, update(State.CANCELED), payment())
    assert (dropped.notifications, dropped.group.payment.undelivered) == ((), [])
    said = decide(row, update(State.CANCELED), payment(State.FAILED))
    assert (said.notifications, said.group.payment.undelivered) == (("payment_canceled",), [])


# Paid twice


def test_the_second_paid_payment_of_an_order_is_a_duplicate_and_is_not_announced():
    """F23."""
    first = payment(State.FILLED, paid_at=EARLIER)
    decision = decide(payment(), update(State.FILLED, 50), first)
    row = decision.group.payment
    assert (row.review, row.paid_second, row.paid_at) == (Review.DUPLICATE, True, NOW)
    assert decision.notifications == ("payment_needs_review", "payment_updated")
    assert outcomes(decision) == ["recorded", "paid", "review"]


def test_the_first_paid_payment_is_announced_however_late_its_receivers_are_mended():
    """F6: times cannot tell which was first, because clocks differ."""
    first = payment(State.FILLED, paid_at=NOW, undelivered=["payment_paid"], next_delivery_at=EARLIER)
    second = payment(State.FILLED, paid_at=EARLIER, paid_second=True)
    assert decide(first, rules.Redelivery(), second).notifications == ("payment_paid",)


def test_a_duplicate_is_announced_when_the_other_payment_is_not_paid_after_all():
    second = payment(State.FILLED, paid_at=EARLIER, paid_second=True, undelivered=["payment_paid"])
    second.next_delivery_at = EARLIER
    assert decide(second, rules.Redelivery(), payment()).notifications == ("payment_paid",)


# Top-ups


@pytest.mark.parametrize(
    ("own", "top_up_usd", "state", "covered"),
    [
        ("20", "30", State.FILLED, True),
        ("20", "28.5", State.FILLED, True),
        ("20", "28.49", State.FILLED, False),
        ("20", "29.99", State.PARTIALLY_FILLED, False),
        ("20", "30", State.PARTIALLY_FILLED, True),
        ("50", "0", State.OPEN, False),
    ],
)
def test_top_ups_cover_the_amount_within_the_tolerance_once_one_of_them_is_filled(own, top_up_usd, state, covered):
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(own))
    decision = decide(top_up(parent), update(state, top_up_usd), parent)
    root = decision.group.root
    assert root.is_paid is covered
    assert ("payment_paid" in decision.notifications) is covered
    assert not decision.group.payment.is_paid, "the child is never paid by itself"


def test_the_money_of_a_top_up_is_news_of_what_it_tops_up():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    decision = decide(top_up(parent), update(State.PARTIALLY_FILLED, 5), parent)
    root = decision.group.root
    assert (root.topped_up_usd, root.updated_at, root.received_usd) == (5, NOW, 25)
    assert decision.notifications == ("payment_updated",)
    again = decide(decision.group.payment, update(State.PARTIALLY_FILLED, 5), root)
    assert (again.group.root.topped_up_usd, outcomes(again)) == (5, [])


def test_a_top_up_that_payram_values_less_takes_nothing_back():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), topped_up_usd=Decimal(10))
    assert decide(top_up(parent), update(State.PARTIALLY_FILLED, 5), parent).group.root.topped_up_usd == 10


def test_a_top_up_of_a_paid_payment_is_a_duplicate():
    """F23."""
    parent = payment(State.FILLED, filled_usd=Decimal(50), paid_at=EARLIER)
    assert decide(top_up(parent), update(State.FILLED, 5), parent).group.root.review == Review.DUPLICATE


def test_a_top_up_of_a_closed_payment_is_late():
    """F28."""
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), closed_at=EARLIER)
    assert decide(top_up(parent), update(State.FILLED, 30), parent).group.root.review == Review.LATE


def test_a_top_up_of_a_payment_that_another_amount_replaced_is_late():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    child, newer = top_up(parent), payment(amount_usd=Decimal(60))
    decision = decide(child, update(State.FILLED, 30), parent, newer)
    assert (decision.group.root.review, decision.group.payment.review) == (Review.LATE, "")


def test_money_on_a_closed_top_up_is_noted_on_the_top_up_and_is_no_signal():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    child = top_up(parent, State.CANCELED, closed_at=EARLIER)
    decision = decide(child, update(State.PARTIALLY_FILLED, 5), parent)
    assert (decision.group.payment.review, decision.group.root.review) == (Review.LATE, "")
    assert decision.notifications == ("payment_updated",)


def test_a_top_up_ends_the_hold_of_a_filled_payment_that_was_short():
    parent = after(payment(), update(State.FILLED, 40))
    assert parent.is_held
    decision = decide(top_up(parent), update(State.FILLED, 10), parent)
    assert [(event.payment.pk, event.outcome.value) for event in decision.events][-2:] == [
        (parent.pk, "released"),
        (parent.pk, "paid"),
    ]
    root = decision.group.root
    assert (root.is_paid, root.review, root.live_slot) == (True, "", None)


def test_a_payment_that_its_top_up_pays_is_asked_about_as_rarely_as_a_filled_one():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20), next_check_at=EARLIER)
    root = decide(top_up(parent), update(State.FILLED, 30), parent).group.root
    assert (root.paid_at, root.next_check_at) == (NOW, NOW + timedelta(hours=1))


def test_a_payment_that_its_top_up_pays_is_a_duplicate_beside_another_paid_one():
    """F23."""
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    decision = decide(top_up(parent), update(State.FILLED, 30), parent, payment(State.FILLED, paid_at=EARLIER))
    root = decision.group.root
    assert (root.is_paid, root.paid_second, root.review) == (True, True, Review.DUPLICATE)
    assert decision.notifications == ("payment_needs_review", "payment_updated")


def test_a_wrong_amount_of_a_top_up_holds_nothing():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    said = update(State.FILLED, 30, requested_usd=Decimal(7))
    assert decide(top_up(parent), said, parent).group.root.is_paid


def test_a_dead_link_is_not_canceled_while_its_top_up_confirms():
    parent = payment(State.CANCELED, closed_at=EARLIER, undelivered=["payment_canceled"], next_delivery_at=EARLIER)
    child = top_up(parent, confirmations=1)
    decision = decide(parent, update(State.CANCELED), child)
    assert (decision.notifications, decision.group.payment.undelivered) == ((), ["payment_canceled"])


def test_a_dead_top_up_is_not_announced():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    decision = decide(top_up(parent), update(State.CANCELED), parent)
    assert (decision.notifications, outcomes(decision)) == (("payment_updated",), ["recorded"])
