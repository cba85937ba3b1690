"""The timeline of payments: what happened to each, when, and from which source."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram.models.fields import ExactCharField
from django_payram.models.payment import Payment
from django_payram.models.states import Review, State

if TYPE_CHECKING:
    from typing import Any

    from django.core.checks import CheckMessage


class Source(models.TextChoices):
    """By which way an update of a payment came."""

    CHECKOUT = "checkout", _("Checkout")
    WEBHOOK = "webhook", _("Webhook")
    RESYNC = "resync", _("Resync")
    RETURN = "return", _("Customer's page")
    ADMIN = "admin", _("Admin")
    SHOP = "shop", _("Shop")


class Outcome(models.TextChoices):
    """What an event of the timeline records."""

    CREATED = "created", _("Created")
    REFUSED = "refused", _("PayRam made no payment")
    UNKNOWN = "unknown", _("PayRam's answer is not known")
    RECORDED = "recorded", _("Recorded")
    PAID = "paid", _("Paid")
    CANCELED = "canceled", _("Canceled")
    SUPERSEDED = "superseded", _("Superseded by another payment of the order")
    REVIEW = "review", _("For review")
    REQUESTED = "requested", _("Requested by a person")
    MAILED = "mailed", _("Link mailed to the customer")
    ASKED = "asked", _("PayRam asked by a person")
    DOUBTFUL = "doubtful", _("PayRam does not say whose payment this reference is")
    RELEASED = "released", _("Released, because the amount is right now")
    RESOLVED = "resolved", _("Review resolved")
    ACCEPTED = "accepted", _("Accepted")
    UNKNOWN_STATE = "unknown_state", _("Unknown state")
    DETACHED = "detached", _("Order deleted")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    ASSIGNED = "assigned", _("Assigned to an order")
    REFUNDED = "refunded", _("Refund recorded")
    FORGOTTEN = "forgotten", _("PayRam does not know the link any more")
    UNMATCHED = "unmatched", _("Unknown reference")
    UNREADABLE = "unreadable", _("Not readable")
    NOT_ANNOUNCED = "not_announced", _("A receiver failed")
    ANNOUNCED = "announced", _("Receivers notified")


class PaymentEvent(models.Model):
    """One event of a payment's timeline. What it says is never changed, and old events may be pruned.

    Of a webhook about an unknown reference, ``payment`` is filled in when the reference turns up, ``retries`` counts,
    and ``customer_id`` is blanked when the payment is known or the customer is erased.
    """

    payment = models.ForeignKey(
        Payment,
        verbose_name=_("payment"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="events",
    )
    """None while the reference is not known here."""
    project = models.CharField(_("project"), max_length=64)
    reference = ExactCharField(_("reference"), max_length=128, blank=True)
    source = models.CharField(_("source"), max_length=16, choices=Source.choices)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    state_before = models.CharField(_("state before"), max_length=20, choices=State.choices, blank=True)
    state_after = models.CharField(_("state after"), max_length=20, choices=State.choices, blank=True)
    customer_id = ExactCharField(_("customer id"), max_length=255, blank=True)
    """The customer that a webhook about an unknown reference names; blank for events of a payment, which knows it."""
    payload = models.JSONField(_("payload"), null=True, blank=True)
    """What PayRam sent: decoded JSON, or text where it could not be read. Without keys, headers and personal fields."""
    error = models.TextField(_("error"), blank=True)
    note = models.TextField(_("note"), blank=True)
    """A sentence for the reader of the timeline."""
    actor = models.CharField(_("by"), max_length=150, blank=True)
    """User name of the person who acted, for events from the admin."""
    created_at = models.DateTimeField(_("time"), default=timezone.now)
    retries = models.PositiveSmallIntegerField(default=0, editable=False)
    """How many times PayRam was asked in vain about a webhook whose reference nobody knew."""
    next_retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When PayRam is asked about it again; None when it is not."""

    class Meta:
        verbose_name = _("payment event")
        verbose_name_plural = _("payment events")
        indexes: ClassVar = [
            models.Index(fields=["reference", "project"], name="payram_event_reference"),
            models.Index(
                fields=["customer_id", "project"],
                condition=Q(payment__isnull=True, customer_id__gt=""),
                name="payram_event_customer",
            ),
            models.Index(fields=["next_retry_at"], condition=Q(next_retry_at__isnull=False), name="payram_event_retry"),
            models.Index(fields=["created_at"], name="payram_event_created"),
            models.Index(fields=["outcome", "created_at"], name="payram_event_outcome"),
            models.Index(fields=["source", "created_at"], name="payram_event_source"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.outcome}"

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Django's checks, without the one that says what is meant: on MariaDB partial indexes are plain ones."""
        return [message for message in super().check(**kwargs) if message.id != "models.W037"]

    @property
    def note_text(self) -> str:
        """The note in the reader's language: reasons for review are kept by their name."""
        return str(Review(self.note).label) if self.note in Review.values else self.note
