"""Which signals receivers may be sent, when they are sent again, and what is remembered of a delivery."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from django_payram.models import State
from django_payram.payments import rules
from django_payram.signals import SIGNALS
from tests.payments.deciding import EARLIER, LATER, NOW, Options, decide, outcomes, payment, update

HOUR = timedelta(hours=1)
AGAIN, EVERYTHING = rules.Redelivery(), rules.Redelivery(everything=True)


def waiting(*names, **fields):
    return payment(undelivered=list(names), next_delivery_at=EARLIER, announce_error="broken", **fields)


def test_the_signals_are_sent_in_their_order():
    second = payment(State.CANCELED, closed_at=EARLIER)
    decision = decide(second, update(State.FILLED, 50))
    assert decision.notifications == ("payment_paid", "payment_needs_review", "payment_updated")
    last = ["payment_needs_review", "payment_refunded", "payment_updated"]
    assert [*SIGNALS] == ["payment_paid", "payment_canceled", *last]


def test_what_is_undelivered_is_sent_with_the_next_news():
    """F6, F9."""
    row = waiting("payment_paid", state=State.FILLED, paid_at=EARLIER, filled_usd=Decimal(50))
    decision = decide(row, update(State.OVER_FILLED, 60))
    assert decision.notifications == ("payment_paid", "payment_updated")
    after = decision.group.payment
    assert (after.undelivered, after.next_delivery_at, after.announce_error, after.notified_state) == (
        [],
        None,
        "",
        State.OVER_FILLED,
    )


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (waiting("payment_paid"), "an unpaid payment"),
        (waiting("payment_canceled", state=State.FILLED, paid_at=EARLIER), "a paid one"),
        (waiting("payment_canceled", state=State.CANCELED), "a link that is not closed"),
        (waiting("payment_canceled", state=State.CANCELED, closed_at=EARLIER, topped_up_usd=1), "one with money"),
        (waiting("payment_needs_review"), "one that is not under review"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_due_and_is_no_longer_true_is_not_sent(row, name):
    decision = decide(row, AGAIN)
    assert (decision.notifications, decision.group.payment.undelivered) == ((), [])


def test_a_redelivery_with_nothing_undelivered_changes_nothing():
    decision = decide(payment(), AGAIN)
    assert (decision.changes, decision.notifications, decision.events) == ((), (), ())


def test_everything_that_is_true_is_sent_again_on_request():
    row = payment(State.FILLED, paid_at=EARLIER, review="late")
    assert decide(row, EVERYTHING).notifications == ("payment_paid", "payment_needs_review", "payment_updated")
    dead = payment(State.CANCELED, closed_at=EARLIER)
    assert decide(dead, EVERYTHING).notifications == ("payment_canceled", "payment_updated")


def test_a_signal_without_receivers_counts_as_delivered():
    decision = decide(
        waiting("payment_updated", state=State.FILLED, paid_at=EARLIER), AGAIN, receivers={"payment_paid"}
    )
    assert (decision.notifications, decision.group.payment.undelivered) == ((), [])


def test_payment_paid_waits_a_week_for_a_process_that_has_a_receiver():
    """F69: a cron job may not import what the web server does."""
    row = waiting("payment_paid", state=State.FILLED, paid_at=EARLIER)
    pauses, logged = [], []
    while row.undelivered and len(pauses) < 20:
        decision = decide(row, AGAIN, receivers={"payment_updated"})
        assert decision.notifications == ()
        row = decision.group.payment
        logged += [(event.outcome.value, event.error) for event in decision.events]
        if row.undelivered:
            pauses.append((row.next_delivery_at - NOW) / HOUR)
    assert (pauses[0], pauses) == (1, sorted(pauses))
    assert 7 * 24 <= sum(pauses) < 8 * 24
    assert logged == [("not_announced", "payment_paid: this process has no receiver")]
    assert (row.delivery_attempts, row.announce_error, row.next_delivery_at) == (0, "", None)


def test_the_first_process_that_has_a_receiver_sends_payment_paid():
    """F69."""
    row = decide(waiting("payment_paid", state=State.FILLED, paid_at=EARLIER), AGAIN, receivers=set()).group.payment
    decision = decide(row, AGAIN)
    assert "payment_paid" in decision.notifications
    assert (decision.group.payment.undelivered, decision.group.payment.delivery_attempts) == ([], 0)


def test_a_signal_that_cannot_be_decided_yet_is_dropped_when_nobody_listens():
    making = payment(State.CREATING, created_at=NOW, reference=None)
    decision = decide(payment(), update(State.CANCELED), making, receivers=set())
    assert (decision.notifications, decision.group.payment.undelivered) == ((), [])


# Pauses


def test_receivers_that_failed_are_left_alone_until_their_pause_is_over():
    """F70."""
    row = waiting("payment_updated")
    row.next_delivery_at = LATER
    assert decide(row, update(), retry=False).notifications == ()
    assert decide(row, update()).notifications == ("payment_updated",)
    assert decide(row, update(), retry=False, now=LATER).notifications == ("payment_updated",)


@pytest.mark.parametrize(("days", "seconds", "sent"), [(2, 0, ()), (2, 1, ("payment_updated",))])
def test_a_pause_longer_than_any_was_written_by_a_wrong_clock(days, seconds, sent):
    row = waiting("payment_updated")
    row.next_delivery_at = NOW + timedelta(days=days, seconds=seconds)
    assert decide(row, AGAIN, retry=False).notifications == sent


def test_what_is_new_does_not_wait_for_a_pause():
    row = waiting("payment_needs_review", review="late")
    row.next_delivery_at = LATER
    decision = decide(row, update(State.FILLED, 50), retry=False)
    assert decision.notifications == ("payment_paid", "payment_needs_review", "payment_updated")


# After the delivery


def delivered(row, failures):
    decision = decide(row, AGAIN)
    return rules.after_delivery(row, decision, failures, now=NOW)


def test_a_delivery_that_succeeds_at_last_is_an_event():
    correction = delivered(waiting("payment_updated"), {})
    assert (outcomes(correction), correction.changes) == (["announced"], ())


def test_a_delivery_of_news_alone_is_no_event():
    row = payment()
    decision = decide(row, update(State.PARTIALLY_FILLED, 5))
    assert rules.after_delivery(row, decision, {}, now=NOW) is None


def test_a_signal_that_failed_is_kept_with_its_error_and_the_state_that_was_sent():
    row = payment()
    decision = decide(row, update(State.FILLED, 50))
    failures = {"payment_paid": "payment_paid: broken", "payment_updated": "payment_updated: broken"}
    correction = rules.after_delivery(row, decision, failures, now=NOW)
    after = correction.group.root
    assert after.undelivered == ["payment_paid", "payment_updated"]
    assert after.announce_error == "payment_paid: broken\npayment_updated: broken"
    assert (after.notified_state, after.delivery_attempts) == (State.OPEN, 1)
    assert [(event.outcome.value, event.error) for event in correction.events] == [
        ("not_announced", after.announce_error)
    ]
    only_paid = rules.after_delivery(row, decision, {"payment_paid": "broken"}, now=NOW).group.root
    assert (only_paid.undelivered, only_paid.notified_state) == (["payment_paid"], State.FILLED)


def test_the_same_failure_is_written_down_once():
    row = waiting("payment_updated")
    assert outcomes(delivered(row, {"payment_updated": "broken"})) == []
    assert outcomes(delivered(row, {"payment_updated": "otherwise broken"})) == ["not_announced"]


def test_the_pauses_grow_to_an_hour():
    """F70."""
    row, pauses = waiting("payment_updated"), []
    for _attempt in range(10):
        after = delivered(row, {"payment_updated": "broken"}).group.root
        pauses.append((after.next_delivery_at - NOW) // timedelta(minutes=1))
        row = after
    assert (pauses[0], pauses[-1]) == (0, 60)
    assert pauses == sorted(pauses)
    assert row.delivery_attempts == 10


def test_a_success_ends_the_count_of_failures():
    row = waiting("payment_updated", delivery_attempts=7)
    assert decide(row, AGAIN).group.payment.delivery_attempts == 0


def test_what_is_postponed_stays_beside_what_failed():
    making = payment(State.CREATING, created_at=NOW, reference=None)
    row = payment()
    decision = decide(row, update(State.CANCELED), making)
    after = rules.after_delivery(row, decision, {"payment_updated": "broken"}, now=NOW).group.root
    assert after.undelivered == ["payment_updated", "payment_canceled"]
    assert Options().shortfall_percent == 3
