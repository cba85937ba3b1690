"""Orders that are deleted, and links that PayRam does not know any more."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from django_payram.models import Review, State
from django_payram.payments import rules
from tests.payments.deciding import EARLIER, NOW, after, confirming, decide, outcomes, payment, update


def gone(**fields):
    return payment(**{"order_gone": True, "order_id": "", "live_slot": None, **fields})


def test_money_for_a_deleted_order_is_an_orphan_and_is_not_announced_as_paid():
    decision = decide(gone(), update(State.FILLED, 50))
    row = decision.group.payment
    assert (row.is_paid, row.review) == (True, Review.ORPHAN)
    assert outcomes(decision) == ["recorded", "paid", "review"]
    assert decision.notifications == ("payment_needs_review", "payment_updated")


def test_an_order_that_is_not_in_the_database_counts_as_deleted():
    row = payment(order_id="7")
    decision = rules.decide(rules.Group(row, (row,), order_gone=True), rules.Redelivery(everything=True), NOW)
    assert (decision.group.payment.review, decision.notifications) == ("", ("payment_updated",))
    paid = payment(State.FILLED, paid_at=EARLIER, undelivered=["payment_paid"], next_delivery_at=EARLIER)
    decision = rules.decide(rules.Group(paid, (paid,), order_gone=True), rules.Redelivery(), NOW)
    assert (decision.group.payment.review, decision.notifications) == (Review.ORPHAN, ("payment_needs_review",))


@pytest.mark.parametrize(
    ("said", "review"),
    [
        (update(State.PARTIALLY_FILLED, 5), Review.ORPHAN),
        (update(**confirming()), Review.ORPHAN),
        (update(State.CANCELED), ""),
        (update(), ""),
    ],
    ids=["a part", "confirming", "canceled", "open"],
)
def test_any_money_for_a_deleted_order_is_an_orphan_and_a_link_without_money_is_none(said, review):
    assert after(gone(), said).review == review


def test_money_that_was_there_before_the_order_was_deleted_is_no_orphan_until_there_is_news():
    paid = gone(state=State.FILLED, filled_usd=Decimal(50), paid_at=EARLIER, closed_at=EARLIER)
    assert after(paid, update(State.FILLED, 50)).review == ""
    assert after(paid, update(State.OVER_FILLED, 60)).review == Review.ORPHAN


def test_a_held_payment_of_a_deleted_order_is_an_orphan_once_a_person_accepts_it():
    held = gone(state=State.FILLED, filled_usd=Decimal(40), review=Review.AMOUNT, reviews_raised=[Review.AMOUNT])
    decision = decide(held, rules.Acceptance("Close enough."))
    assert outcomes(decision) == ["accepted", "paid", "review"]
    assert (decision.group.payment.review, decision.notifications) == (Review.ORPHAN, ("payment_needs_review",))


def test_the_order_of_a_top_up_is_that_of_what_it_tops_up():
    parent = gone(state=State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    child = payment(parent_id=parent.pk)
    assert decide(child, update(State.FILLED, 30), parent).group.root.review == Review.ORPHAN


def test_the_payments_of_a_deleted_order_are_left_without_an_order_each_with_an_event():
    first, second = (payment(order_type_id=3, order_id="7") for _ in range(2))
    decision = decide(first, rules.OrderDeletion("Order 7"), second)
    left = [(row.order_type_id, row.order_id, row.live_slot, row.order_gone) for row in decision.group.members]
    assert left == [(None, "", None, True)] * 2
    assert [(event.payment.pk, event.outcome.value, event.note) for event in decision.events] == [
        (first.pk, "detached", "Order 7"),
        (second.pk, "detached", "Order 7"),
    ]
    assert decision.notifications == ()


# Links that PayRam denies


def test_the_order_is_free_for_another_link_once_payram_has_denied_this_one_three_times():
    row, logged = payment(next_check_at=EARLIER), []
    for _ in range(5):
        decision = decide(row, rules.Denial())
        row = decision.group.payment
        logged.append((row.live_slot is None, outcomes(decision)))
    assert logged == [(False, [])] * 2 + [(True, ["forgotten"])] + [(True, [])] * 2
    assert (row.denials, row.state, row.next_check_at) == (3, State.OPEN, EARLIER)


def test_an_answer_ends_the_count_of_denials():
    row = after(payment(), rules.Denial(), rules.Denial(), update(), rules.Denial())
    assert (row.denials, row.live_slot) == (1, "1:1")


def test_a_link_that_holds_no_order_is_not_forgotten():
    row = payment(State.CANCELED, live_slot=None, closed_at=NOW - timedelta(days=1))
    assert [outcomes(decide(row, rules.Denial()))] * 3 == [[]] * 3
    assert after(row, *[rules.Denial()] * 4).denials == 3
