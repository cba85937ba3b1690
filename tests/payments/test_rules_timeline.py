"""The timeline: of which payment an event is, and between which states it stands."""

from __future__ import annotations

from decimal import Decimal

from django_payram.models import State
from django_payram.payments import rules
from tests.payments.deciding import EARLIER, decide, payment, update


def timeline(decision):
    return [(event.payment.pk, event.outcome.value, event.state_before, event.state_after) for event in decision.events]


def test_only_the_event_of_the_move_itself_stands_between_two_states():
    row = payment(State.CANCELED, closed_at=EARLIER)
    decision = decide(row, update(State.FILLED, 50))
    assert timeline(decision) == [
        (row.pk, "review", State.FILLED, State.FILLED),
        (row.pk, "recorded", State.CANCELED, State.FILLED),
        (row.pk, "paid", State.FILLED, State.FILLED),
    ]


def test_a_link_is_made_by_the_move_from_creating_to_open():
    row = payment(State.CREATING, reference=None, url="")
    decision = decide(row, update(reference="one", url="https://pay/1", asked_at=None))
    assert [(event.outcome.value, event.state_before) for event in decision.events] == [("created", State.CREATING)]


def test_a_refusal_is_the_move_from_creating_to_failed():
    row = payment(State.CREATING, reference=None)
    decision = decide(row, rules.CreateFailure(rules.Outcome.REFUSED, "No."))
    assert timeline(decision) == [(row.pk, "refused", State.CREATING, State.FAILED)]


def test_what_a_top_up_brings_about_is_an_event_of_what_it_tops_up_in_that_payments_own_state():
    parent = payment(State.PARTIALLY_FILLED, filled_usd=Decimal(20))
    child = payment(parent_id=parent.pk)
    decision = decide(child, update(State.FILLED, 30), parent)
    assert timeline(decision) == [
        (child.pk, "recorded", State.OPEN, State.FILLED),
        (parent.pk, "paid", State.PARTIALLY_FILLED, State.PARTIALLY_FILLED),
    ]


def test_an_event_has_no_note_and_no_error_but_what_is_said_of_it():
    decision = decide(payment(), update(State.FILLED, 40))
    assert [(event.outcome.value, event.note, event.error) for event in decision.events] == [
        ("recorded", "", ""),
        ("review", "amount", ""),
    ]
