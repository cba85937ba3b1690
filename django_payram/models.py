"""What we remember of payments, and how to ask for them. Only ``lifecycle`` writes these rows."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db import models, router
from django.db.models import Case, F, Q, Sum, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram.fields import ExactCharField, RoutedForeignKey
from django_payram.states import AWAITING, FULLY_FILLED, Review, State

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from django.core.checks import CheckMessage

ZERO = Decimal(0)
DOLLARS: models.DecimalField[Decimal, Decimal] = models.DecimalField(max_digits=28, decimal_places=8)

SCHEDULED = Q(next_check_at__isnull=False, reference__isnull=False)
"""What the index of the schedule covers; a query that repeats it can use that index."""

CRASHED_AFTER = timedelta(minutes=2)
"""An attempt that is still CREATING after this was left by a crash, and no longer bars its order."""


def database() -> str:
    """Return the database that payments are written to; a replica may be behind and must not decide about money."""
    return router.db_for_write(Payment)


def content_type(order: models.Model) -> ContentType:
    """Return the content type under which ``order`` is remembered, as the payments' database knows it."""
    return ContentType.objects.db_manager(database()).get_for_model(order)


def order_type(payment: Payment) -> ContentType:
    """Return the content type of the order of a payment that has one, without a query once it is known."""
    return ContentType.objects.db_manager(database()).get_for_id(cast("int", payment.order_type_id))


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Questions about payments, as nouns."""

    def for_order(self, order: models.Model) -> PaymentQuerySet:
        """Return every attempt made for ``order``, top-ups included."""
        return self.filter(order_type=content_type(order), order_id=str(order.pk))

    def paid(self) -> PaymentQuerySet:
        """Return payments that are paid in full."""
        return self.filter(paid_at__isnull=False)

    def open(self) -> PaymentQuerySet:
        """Return payments that still wait for money."""
        return self.filter(state__in=AWAITING, closed_at__isnull=True, paid_at__isnull=True)

    def due(self, now: datetime) -> PaymentQuerySet:
        """Return payments that PayRam should be asked about at ``now``, the longest due first."""
        return self.scheduled().filter(next_check_at__lte=now)

    def scheduled(self) -> PaymentQuerySet:
        """Return payments that PayRam will be asked about by itself, the next one first."""
        return self.filter(SCHEDULED).order_by("next_check_at", "pk")

    def unannounced(self) -> PaymentQuerySet:
        """Return payments whose receivers have not yet been told everything."""
        return self.filter(pending__gt="")

    def needing_review(self) -> PaymentQuerySet:
        """Return payments that a person should look at."""
        return self.filter(review__gt="")

    def projects(self) -> list[str]:
        """Return the names of the projects that there are payments of, however many: one look into the index each."""
        found: list[str] = []
        rest = self.order_by("project").values_list("project", flat=True)
        while (name := rest.filter(project__gt=found[-1] if found else "").first()) is not None:
            found.append(name)
        return found

    def received_usd(self) -> Decimal:
        """Return the US dollars received over all these payments, two places and more as PayRam gives them."""
        unsaid = Case(When(state__in=FULLY_FILLED, then=F("amount_usd")), default=ZERO, output_field=DOLLARS)
        total = self.aggregate(total=Sum(Coalesce("filled_usd", unsaid, output_field=DOLLARS)))
        return total["total"] or ZERO


class Payment(models.Model):
    """One request for money made to PayRam, and what became of it."""

    token = models.UUIDField(_("token"), unique=True, default=uuid.uuid4, editable=False)
    """The only id of a payment that goes into public URLs."""
    project = models.CharField(_("project"), max_length=64)
    """Which project of the setting ``PAYRAM`` the payment belongs to."""
    # null rather than blank: a payment that PayRam has not answered for must not collide with another such one.
    reference = ExactCharField(_("reference"), max_length=128, null=True, blank=True)
    """PayRam's ``reference_id``; None until PayRam has answered."""

    order_type = models.ForeignKey(
        ContentType,
        verbose_name=_("order type"),
        null=True,
        blank=True,
        # A payment outlives the code of the shop: removing a stale content type must not remove money.
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    order_id = ExactCharField(_("order id"), max_length=200, blank=True, default="")
    order = RoutedForeignKey("order_type", "order_id")
    """The shop's order, or None."""

    customer_id = ExactCharField(_("customer id"), max_length=255)
    """PayRam's ``customerID``: a new payment cancels the other open ones of the same customer."""
    customer_email = models.CharField(_("customer e-mail"), max_length=254, blank=True)

    amount_usd = models.DecimalField(_("amount (USD)"), max_digits=20, decimal_places=2)
    """The amount asked for, in US dollars with two places."""
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.CREATING)
    filled_usd = models.DecimalField(_("received (USD)"), max_digits=28, decimal_places=8, null=True, blank=True)
    """US dollars received by this payment, by PayRam's account; None when it has not said."""
    topped_up_usd = models.DecimalField(_("received by top-ups (USD)"), max_digits=28, decimal_places=8, default=ZERO)
    """US dollars received by payments that top this one up."""
    filled_amount = models.DecimalField(_("received amount"), max_digits=36, decimal_places=18, null=True, blank=True)
    """As PayRam gives it: coin units since July 2026, US dollars before. Compute with ``filled_usd`` instead."""
    currency = models.CharField(_("currency"), max_length=32, blank=True)
    blockchain = models.CharField(_("blockchain"), max_length=32, blank=True)
    deposit_address = models.CharField(_("deposit address"), max_length=255, blank=True)
    explorer_url = models.CharField(_("transaction"), max_length=500, blank=True)
    confirmations = models.PositiveIntegerField(_("confirmations"), null=True, blank=True)
    """Confirmations when PayRam was last asked; None until money was seen on the chain."""
    confirmations_required = models.PositiveIntegerField(_("confirmations required"), null=True, blank=True)

    url = models.CharField(_("payment page"), max_length=2000, blank=True)
    """PayRam's page where the customer pays."""
    review = models.CharField(_("review"), max_length=16, choices=Review.choices, blank=True)
    """Why a person should look at this payment; blank when all is well."""
    raised = models.CharField(_("reviews raised"), max_length=100, blank=True, editable=False)
    """Every reason for review so far, space-separated: each is raised once, also after a person settled it.

    Two words that are no reasons stand there as well: ``request``, see ``lifecycle.entry``, and ``second``, see
    ``lifecycle.truths``.
    """
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    """Anything the shop wants to remember with the payment. Never sent to PayRam."""
    parent = models.ForeignKey(
        "self",
        verbose_name=_("tops up"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="top_ups",
        db_index=False,
    )
    """The payment that this one tops up; its money counts toward that one."""
    live_slot = ExactCharField(max_length=255, null=True, blank=True, editable=False)
    """The order whose one live link this is; None for every payment that has been superseded or is done."""

    pending = models.CharField(_("signals not yet delivered"), max_length=100, blank=True, editable=False)
    """Names of the signals whose receivers have yet to succeed, space-separated."""
    told_state = models.CharField(max_length=20, blank=True, editable=False, default=State.CREATING)
    """The state that receivers of payment_updated were last told."""
    announce_error = models.TextField(_("receiver's error"), blank=True, editable=False)
    """What the receiver that failed last said; blank once it has succeeded."""

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("last news"), default=timezone.now, editable=False)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    """When the payment became paid in full; this alone is what *paid* means."""
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    """When PayRam closed the link: filled or canceled."""
    checked_at = models.DateTimeField(_("PayRam last asked"), null=True, blank=True)
    next_check_at = models.DateTimeField(_("PayRam asked next"), null=True, blank=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions: ClassVar = [
            ("ask_payram", _("Can ask PayRam about a payment")),
            ("review_payment", _("Can accept and resolve payments held for review")),
        ]
        # Each new state of a payment adds an entry to every index that is not partial, so that none is there twice: the
        # column by which a page or a question finds rows comes first, and one more makes the index serve the other
        # question.
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "project"], name="payram_payment_reference"),
            # Not unique=True: on PostgreSQL that is a second index, for patterns.
            models.UniqueConstraint(fields=["live_slot"], name="payram_payment_live_slot"),
        ]
        indexes: ClassVar = [
            # Of a million payments a few thousand are scheduled, and the claim reads no others.
            models.Index(fields=["next_check_at", "id"], condition=SCHEDULED, name="payram_payment_scheduled"),
            models.Index(fields=["order_id", "order_type"], name="payram_payment_order"),
            models.Index(fields=["customer_id", "project"], name="payram_payment_customer"),
            models.Index(fields=["customer_email"], name="payram_payment_email"),
            models.Index(fields=["deposit_address"], name="payram_payment_address"),
            models.Index(fields=["state", "created_at"], name="payram_payment_state"),
            models.Index(fields=["project", "created_at"], name="payram_payment_project"),
            models.Index(fields=["created_at"], name="payram_payment_created"),
            models.Index(fields=["review"], condition=Q(review__gt=""), name="payram_payment_review"),
            models.Index(fields=["pending"], condition=Q(pending__gt=""), name="payram_payment_pending"),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="payram_payment_parent"),
        ]

    def __str__(self) -> str:
        return self.reference or str(self.token)

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Django's checks, without the one that says what is meant: on MariaDB partial indexes are plain ones."""
        return [message for message in super().check(**kwargs) if message.id != "models.W037"]

    @property
    def is_paid(self) -> bool:
        """Whether the payment is paid in full and not held."""
        return self.paid_at is not None

    @property
    def is_open(self) -> bool:
        """Whether the payment still waits for money."""
        return State(self.state) in AWAITING and self.closed_at is None and not self.is_paid

    @property
    def is_held(self) -> bool:
        """Whether all the money is there but a person has to accept it first."""
        covered = self.is_filled or (self.review == Review.AMOUNT and not self.missing_usd)
        return covered and not self.is_paid and self.parent_id is None

    @property
    def is_filled(self) -> bool:
        """Whether PayRam calls the payment fully filled."""
        return State(self.state) in FULLY_FILLED

    @property
    def is_confirming(self) -> bool:
        """Whether money is on the chain and not yet confirmed; it may also come for a link that was just canceled."""
        awaited = self.state == State.OPEN or (self.state == State.CANCELED and self.closed_at is None)
        return awaited and self.confirmations is not None and not self.is_paid

    @property
    def received_usd(self) -> Decimal:
        """US dollars received, top-ups included. A filled payment without a sum counts as its amount."""
        if self.filled_usd is None and self.is_filled:
            return self.amount_usd + self.topped_up_usd
        return (self.filled_usd or ZERO) + self.topped_up_usd

    @property
    def missing_usd(self) -> Decimal:
        """US dollars still to come; zero when the payment is paid."""
        return ZERO if self.is_paid else max(self.amount_usd - self.received_usd, ZERO)

    @property
    def surplus_usd(self) -> Decimal:
        """US dollars received beyond the amount."""
        return max(self.received_usd - self.amount_usd, ZERO)


class Source(models.TextChoices):
    """By which road news of a payment came."""

    CHECKOUT = "checkout", _("Checkout")
    WEBHOOK = "webhook", _("Webhook")
    RESYNC = "resync", _("Resync")
    RETURN = "return", _("Customer's page")
    ADMIN = "admin", _("Admin")


class Outcome(models.TextChoices):
    """What became of one piece of news."""

    CREATED = "created", _("Created")
    REFUSED = "refused", _("PayRam made no payment")
    UNKNOWN = "unknown", _("PayRam's answer is not known")
    RECORDED = "recorded", _("Recorded")
    PAID = "paid", _("Paid")
    CANCELED = "canceled", _("Canceled")
    SUPERSEDED = "superseded", _("Superseded by another payment of the order")
    REVIEW = "review", _("For review")
    DOUBTFUL = "doubtful", _("PayRam does not say whose payment this reference is")
    RELEASED = "released", _("Released, because the amount is right now")
    RESOLVED = "resolved", _("Review resolved")
    ACCEPTED = "accepted", _("Accepted")
    UNKNOWN_STATE = "unknown_state", _("Unknown state")
    UNMATCHED = "unmatched", _("Unknown reference")
    UNREADABLE = "unreadable", _("Not readable")
    NOT_ANNOUNCED = "not_announced", _("A receiver failed")
    ANNOUNCED = "announced", _("Receivers told")


class PaymentEvent(models.Model):
    """One line of a payment's timeline. Rows are only ever added."""

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
    payload = models.TextField(_("payload"), blank=True)
    """What PayRam sent, without keys; headers are never kept."""
    error = models.TextField(_("error"), blank=True)
    note = models.TextField(_("note"), blank=True)
    """A sentence for the reader of the timeline."""
    actor = models.CharField(_("by"), max_length=150, blank=True)
    """User name of the person who acted, for events from the admin."""
    created_at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("payment event")
        verbose_name_plural = _("payment events")
        indexes: ClassVar = [
            models.Index(fields=["reference", "project"], name="payram_event_reference"),
            models.Index(fields=["created_at"], name="payram_event_created"),
            models.Index(fields=["outcome", "created_at"], name="payram_event_outcome"),
            models.Index(fields=["source", "created_at"], name="payram_event_source"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.outcome}"

    @property
    def note_text(self) -> str:
        """The note in the reader's language: reasons for review are kept by their name."""
        return str(Review(self.note).label) if self.note in Review.values else self.note


def slot(order: models.Model) -> str:
    """Return the name of ``order``'s one live slot."""
    return f"{content_type(order).pk}:{order.pk}"
