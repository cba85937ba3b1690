"""The JSON of our views, as the REST framework and the tools around it describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from django_payram.models import State, Status

if TYPE_CHECKING:
    from django_payram.models import Payment
    from django_payram.payments.quotes import Offer
    from django_payram.views.customer_status import CustomerStatus
    from django_payram.views.pay_block import PayBlock


class _Answer(serializers.Serializer):  # type: ignore[type-arg] # not generic at run time
    """What is only ever written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.read_only = True


def _dollars(help_text: str) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=28, decimal_places=2, coerce_to_string=True, help_text=help_text)


class PaymentStatusSerializer(_Answer):
    """Where a payment stands, without anything that tells who the customer is."""

    token = serializers.UUIDField()
    state = serializers.ChoiceField(State.choices, help_text="PayRam's state of the payment.")
    status = serializers.ChoiceField(Status.choices, help_text="Where the payment stands for the customer.")
    message = serializers.CharField(help_text="What the customer is told, in the language of the request.")
    is_paid = serializers.BooleanField(help_text="Whether the payment is paid in full and not held.")
    is_final = serializers.BooleanField(help_text="Whether nothing more happens by itself.")
    amount_usd = _dollars("What is to be paid, in US dollars.")
    received_usd = _dollars("What has come, rounded down.")
    missing_usd = _dollars("What is still missing, rounded up.")
    surplus_usd = _dollars("What came too much and was not sent back.")
    forgiven_usd = _dollars("What lacks although the payment is paid.")
    refunded_usd = _dollars("What was sent back.")
    price_amount = serializers.DecimalField(
        max_digits=20, decimal_places=2, coerce_to_string=True, help_text="What the order costs, in its currency."
    )
    price_currency = serializers.CharField(help_text="ISO 4217.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the link expires, if it was said.")
    confirmations = serializers.IntegerField(allow_null=True)
    confirmations_required = serializers.IntegerField(allow_null=True)


FIGURES = ("amount_usd", "received_usd", "missing_usd", "surplus_usd", "forgiven_usd", "refunded_usd")


def status_facts(payment: Payment, now: CustomerStatus) -> dict[str, Any]:
    """Return what :class:`PaymentStatusSerializer` writes of a payment."""
    price_amount, price_currency = payment.price
    return {
        **{name: getattr(payment, name) for name in ("token", "state", "is_paid", "expires_at")},
        **{name: getattr(payment, name) for name in ("confirmations", "confirmations_required")},
        **{name: getattr(now, name) for name in FIGURES},
        "status": now.status,
        "message": now.sentence,
        "is_final": now.is_final,
        "price_amount": price_amount,
        "price_currency": price_currency,
    }


class OfferSerializer(_Answer):
    """A coin on a network, and how much of it is due now."""

    code = serializers.CharField(help_text="What the choice is called, USDC-BASE for instance.")
    coin = serializers.CharField()
    network = serializers.CharField()
    amount = serializers.CharField(
        source="written_amount", help_text="Coins, with a point; empty while PayRam gives no price."
    )


class ChosenOfferSerializer(OfferSerializer):
    """The coin that the customer has chosen, with the address to send to."""

    address = serializers.CharField(help_text="PayRam's deposit address for this payment.")
    wallet_link = serializers.CharField(help_text="BIP 21, EIP-681 or the like; empty where no standard is sure.")


class PaymentMethodsSerializer(_Answer):
    """How a payment can be paid without leaving the shop; ``methods`` is empty where only PayRam's page can."""

    methods = OfferSerializer(many=True)
    chosen = ChosenOfferSerializer(allow_null=True)
    hosted_url = serializers.CharField(help_text="PayRam's own page; empty when nothing is to be paid.")


def methods_facts(block: PayBlock | None, status: CustomerStatus) -> dict[str, Any]:
    """Return what :class:`PaymentMethodsSerializer` writes."""
    methods: list[Offer] = [] if block is None else block.offers
    return {"methods": methods, "chosen": block and block.chosen, "hosted_url": status.url}


class ChoiceSerializer(serializers.Serializer):  # type: ignore[type-arg] # not generic at run time
    """The customer's choice."""

    method = serializers.CharField(
        max_length=42, allow_blank=True, help_text="The code of an offer; empty takes the choice back."
    )


class CheckoutSerializer(_Answer):
    """The payment link of an order."""

    token = serializers.UUIDField(help_text="Names the payment, and is the credential of its pages.")
    url = serializers.CharField(help_text="PayRam's page, where the customer pays.")
    reference_id = serializers.CharField(source="reference")
    state = serializers.ChoiceField(State.choices)
    status = serializers.ChoiceField(Status.choices)


class ProblemSerializer(_Answer):
    """Why something was not done, in a sentence."""

    detail = serializers.CharField()


class BusySerializer(_Answer):
    """The database cannot be used just now."""

    message = serializers.CharField()


class PaidSerializer(ProblemSerializer):
    """The order is paid already, by the payment of this token."""

    token = serializers.UUIDField()
