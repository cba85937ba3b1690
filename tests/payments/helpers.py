"""Updates as PayRam would send them, and the transitions they cause."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from django.utils import timezone

from django_payram import conf
from django_payram.gateway.client import client_for
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Outcome, Payment, PaymentEvent, Source, content_type
from django_payram.payments import open_payment, rules, transitions
from django_payram.payments.webhooks import handle_webhook
from django_payram.testing.factories import PaymentFactory


def update_of(state, usd=None, **fields):
    """Return what PayRam says of a payment in that state, with that sum received."""
    return PaymentUpdate(state=state, word=str(state), filled_usd=None if usd is None else Decimal(usd), **fields)


def apply(payment, update, *, source=Source.WEBHOOK, asked_at=None, **kept):
    """Apply an update that was asked for at that moment, or a webhook's own word."""
    if asked_at is not None:
        update = replace(update, asked_at=asked_at)
    return transitions.apply(payment, update, source=source, **kept)


def receive(payment, state, usd=None, *, trusted=False, **fields):
    """Apply an update as if PayRam had just been asked, and read the row as it is then."""
    asked_at = None if trusted else timezone.now()
    result = apply(payment, update_of(state, usd, **fields), asked_at=asked_at)
    payment.refresh_from_db()
    return result


def of_order(order, **fields):
    """Return a payment of that order."""
    return PaymentFactory(order_type=content_type(order), order_id=str(order.pk), **fields)


def outcomes(payment):
    """Return what the payment's timeline records, in order."""
    return list(payment.events.order_by("pk").values_list("outcome", flat=True))


def send_webhook(payment_or_reference, state=None, usd=None, **fields):
    """Handle a webhook of the default project about a payment or a reference."""
    reference = getattr(payment_or_reference, "reference", payment_or_reference)
    update = PaymentUpdate(
        reference=reference,
        word=str(state or "UNDEFINED"),
        state=state,
        filled_usd=None if usd is None else Decimal(usd),
        fields={"x": 1},
        **fields,
    )
    return handle_webhook(update, project=conf.project())


def asked(payram):
    """Return how many times the sandbox was asked about a payment."""
    return len([call for call in payram.sandbox.calls if call.method == "GET"])


def keep_webhook(*, customer_id="", reference="", status="FILLED", **facts):
    """Keep a webhook as it is kept while nobody knows whose it is."""
    facts = {"project": "default", "source": Source.WEBHOOK, "outcome": Outcome.UNMATCHED, **facts}
    facts = {"note": status, "payload": {"reference_id": reference, "status": status}, **facts}
    return PaymentEvent.objects.create(**facts, reference=reference, customer_id=customer_id)


def accept(payment, *, reason, actor):
    """Let a held payment count as paid, as a person does it in the admin."""
    return transitions.apply(payment, rules.Acceptance(reason), source=Source.ADMIN, actor=actor)


def resolve(payment, *, reason, actor):
    """Settle a review, as a person does it in the admin."""
    return transitions.apply(payment, rules.Resolution(reason), source=Source.ADMIN, actor=actor)


def top_up(parent, **fields):
    """Return a payment that tops up ``parent``."""
    return PaymentFactory(
        parent=parent,
        order_type_id=parent.order_type_id,
        order_id=parent.order_id,
        amount_usd=Decimal("29.99"),
        **fields,
    )


def pay_for(order, amount="49.99", **options):
    """Open a payment of so many US dollars for an order."""
    return open_payment(order, amount=Decimal(amount), email="buyer@example.org", **options)


def creates(payram):
    """Return the create calls that the sandbox has answered."""
    return [call for call in payram.sandbox.calls if call.method == "POST"]


class PaysBeforeAnswering:
    """The real client of a shop whose create answer is slow: the customer's webhook comes first."""

    def __init__(self, payram, order):
        self.payram, self.real = payram, client_for(conf.project())

    def create(self, **fields):
        created = self.real.create(**{**fields, "invoice_id": "another"})
        self.payram.sandbox.pay(created.reference)
        self.payram.deliver()
        self.early = Payment.objects.get()
        return created

    def fetch(self, reference, **options):
        return self.real.fetch(reference, **options)
