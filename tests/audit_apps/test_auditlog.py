"""django-auditlog has an entry for every change of a payment, with what changed and who did it."""

from __future__ import annotations

from decimal import Decimal

from auditlog.models import LogEntry

from django_payram.models import Outcome, Payment, PaymentEvent
from django_payram.models.states import Review
from django_payram.payments import refresh


def changes(payment, field="state"):
    """Return what the payment's entries say of a field, in order: (before, after)."""
    entries = LogEntry.objects.get_for_object(payment).order_by("pk")
    return [tuple(entry.changes[field]) for entry in entries if field in entry.changes]


def test_every_change_of_the_state_has_its_entry(payram, payment):
    """F91: a link, a webhook, and an answer that was asked for."""
    payram.pay(payment, 20)
    payram.sandbox.pay(payment.reference)
    refresh(payment)
    assert changes(payment) == [
        ("None", "CREATING"),
        ("CREATING", "OPEN"),
        ("OPEN", "PARTIALLY_FILLED"),
        ("PARTIALLY_FILLED", "FILLED"),
    ]
    received = [Decimal(after) for _before, after in changes(payment, "filled_usd") if after != "None"]
    assert received == [20, payment.amount_usd]


def test_a_repeated_webhook_has_no_entry(payram, payment):
    payram.pay(payment)
    entries = LogEntry.objects.count()
    payram.sandbox.redeliver(payment.reference)
    assert LogEntry.objects.count() == entries


def test_a_decision_in_the_admin_has_its_user(payram, payment, admin_client, admin_user):
    """F91: a held payment is accepted."""
    Payment.objects.filter(pk=payment.pk).invalidated_update(amount_usd=Decimal(70))
    payram.pay(payment, payment.amount_usd)
    admin_client.post(
        f"/admin/django_payram/payment/{payment.pk}/accept/", {"reason": "Agreed by phone.", "confirm": "on"}
    )
    assert changes(payment, "review") == [("None", ""), ("", Review.AMOUNT), (Review.AMOUNT, "")]
    entry = LogEntry.objects.get_for_object(payment).latest("pk")
    assert (entry.actor, entry.changes["paid_at"][0]) == (admin_user, "None")


def test_an_answer_that_the_admin_asks_for_has_its_user(payram, payment, admin_client, admin_user):
    """F91."""
    payram.sandbox.pay(payment.reference)
    admin_client.post(f"/admin/django_payram/payment/{payment.pk}/ask/")
    entry = LogEntry.objects.get_for_object(payment).latest("pk")
    assert (entry.actor, entry.changes["state"]) == (admin_user, ["OPEN", "FILLED"])


def test_every_event_of_the_timeline_has_its_entry(payram, payment):
    """F91."""
    payram.pay(payment)
    logged = LogEntry.objects.get_for_model(PaymentEvent).filter(action=LogEntry.Action.CREATE)
    events = PaymentEvent.objects.nocache().values_list("pk", "outcome")
    assert {(entry.object_id, entry.changes["outcome"][1]) for entry in logged} == set(events)
    assert Outcome.PAID in {outcome for _key, outcome in events}
