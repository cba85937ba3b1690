"""Payments as rows, and the questions asked about them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, cast

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Case, F, Q, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram.exceptions import InvalidPaymentRequest
from django_payram.models.amounts import read_number
from django_payram.models.databases import database
from django_payram.models.fields import ExactCharField, KeyText, RoutedForeignKey
from django_payram.models.indexes import AnyCaseIndex, PartialIndex
from django_payram.models.orders import content_type, key_field, order_key
from django_payram.models.states import AWAITING, FULLY_FILLED, Review, State, Status
from django_payram.models.statuses import (
    CENT,
    DOLLARS,
    HELD,
    OWN_USD,
    RARE,
    REFUNDED,
    ZERO,
    Total,
    has_status,
    is_held,
    status_of,
    sums_in,
)

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from typing import Any

    from django.contrib.contenttypes.models import ContentTypeManager
    from django.core.checks import CheckMessage

SCHEDULED = Q(next_check_at__isnull=False, reference__isnull=False)
"""What the index of the schedule covers; a query that repeats it can use that index."""

USD = "USD"

CRASHED_AFTER = timedelta(minutes=2)
"""An attempt that is still CREATING after this was left by a crash, and no longer keeps its order from a new link."""


def is_recent(moment: datetime, *, within: timedelta, now: datetime) -> bool:
    """Return whether ``moment`` was less than ``within`` ago.

    It may be as far in the future: clocks of machines differ a little. What is further ahead was written by a wrong
    clock, and says nothing: what depends on it must not wait until that clock is right.
    """
    if abs(now - moment) < within:
        return True
    # Without time zones (USE_TZ) the clock may have been put forward between the two.
    return moment.tzinfo is None and abs(now.astimezone() - moment.astimezone()) < within


def is_stale(name: str, *, after: timedelta, now: datetime) -> Q:
    """Return the condition that the time of that name is so long ago, or was never written.

    Whoever updates rows with it claims them: of many processes one gets a row. A time in the future was written by a
    wrong clock, and means nothing.
    """
    return Q((name, None)) | Q((f"{name}__lte", now - after)) | Q((f"{name}__gt", now))


def order_type(payment: Payment) -> ContentType:
    """Return the content type of the order of a payment that has one, without a query once it is known."""
    return _content_types(database()).get_for_id(cast("int", payment.order_type_id))


@lru_cache
def _content_types(using: str) -> ContentTypeManager:
    # Managers of one model share what they know, also what is forgotten by ContentType.objects.clear_cache().
    return ContentType.objects.db_manager(using)


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Filters and sums of payments."""

    def for_order(self, order: models.Model) -> PaymentQuerySet:
        """Return every attempt made for ``order``, top-ups included."""
        key = order_key(order)
        return self.filter(order_type=key.type, order_id=key.id)

    def for_orders(self, orders: models.QuerySet[Any]) -> PaymentQuerySet:
        """Return every attempt made for one of ``orders``, top-ups included."""
        keys: Any = orders.order_by().values_list(KeyText(key_field(orders.model).attname))
        if orders.db != self.db:
            keys = [key for (key,) in keys]
        return self.filter(order_type=content_type(orders.model), order_id__in=keys)

    def paid(self) -> PaymentQuerySet:
        """Return payments that are paid in full."""
        return self.filter(paid_at__isnull=False)

    def open(self) -> PaymentQuerySet:
        """Return payments that still wait for money."""
        return self.filter(state__in=AWAITING, closed_at__isnull=True, paid_at__isnull=True, withdrawn_at__isnull=True)

    def held(self) -> PaymentQuerySet:
        """Return payments whose money is all there, and which a person has to accept first."""
        condition = HELD & ~REFUNDED
        return self.alias(**sums_in(condition)).filter(condition)

    def with_status(self, status: Status | str) -> PaymentQuerySet:
        """Return payments whose :attr:`Payment.status` is ``status``. Raises ValueError for one that is none."""
        condition = has_status(Status(status))
        return self.alias(**sums_in(condition)).filter(condition)

    def due(self, now: datetime) -> PaymentQuerySet:
        """Return payments that PayRam should be asked about at ``now``, the longest due first."""
        return self.scheduled().filter(next_check_at__lte=now)

    def scheduled(self) -> PaymentQuerySet:
        """Return payments that PayRam will be asked about by itself, the next one first."""
        return self.filter(SCHEDULED).order_by("next_check_at", "pk")

    def undelivered(self) -> PaymentQuerySet:
        """Return payments with signals that their receivers have yet to be sent."""
        return self.filter(next_delivery_at__isnull=False)

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
        """Return the US dollars received over all these payments, two places and more as PayRam gives them.

        Each payment counts with its top-ups, and a top-up by itself only where what it tops up is not among them.
        """
        return self._sums()[0]

    def net_usd(self) -> Decimal:
        """Return the US dollars received over all these payments, less what was sent back."""
        received, refunded = self._sums()
        return received - refunded

    def _sums(self) -> tuple[Decimal, Decimal]:
        rows, query = self, self.query
        has_places = any(each.contains_over_clause for each in query.annotations.values())
        is_chosen = query.is_sliced or query.combinator or query.distinct_fields or has_places
        if is_chosen or len(query.alias_map) > 1:
            # A join may bring a payment more than once; a slice, or the first of each order, cannot be filtered.
            rows = Payment.objects.using(self.db).filter(pk__in=list(self.values_list("pk", flat=True)))
        received = Case(When(parent=None, then=OWN_USD + F("topped_up_usd")), output_field=DOLLARS)
        sums = rows.aggregate(received=Total(received), refunded=Total("refunded_usd"))
        alone = rows.filter(parent__isnull=False).exclude(parent__in=rows.filter(parent=None).values("pk"))
        others = alone.aggregate(received=Total(OWN_USD))
        return (sums["received"] or ZERO) + (others["received"] or ZERO), sums["refunded"] or ZERO


class Payment(models.Model):
    """One request for money made to PayRam, and what became of it."""

    token = models.UUIDField(_("token"), unique=True, default=uuid.uuid4, editable=False)
    """The id of a payment in our public URLs, which have no other."""
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
    order_number = models.CharField(_("order number"), max_length=200, blank=True, default="", db_default="")
    """What people call the order; kept when the order is gone."""
    purpose = ExactCharField(_("purpose"), max_length=100, blank=True, default="", db_default="")
    """Which of the order's bills the payment is for; blank for the only one."""

    customer_id = ExactCharField(_("customer id"), max_length=255)
    """PayRam's ``customerID``: a new payment cancels the other open ones of the same customer."""
    customer_email = models.CharField(_("customer e-mail"), max_length=254, blank=True)

    amount_usd = models.DecimalField(_("amount (USD)"), max_digits=20, decimal_places=2)
    """The amount asked for, in US dollars with two places: fixed when the link was made."""
    price_amount = models.DecimalField(_("price"), max_digits=20, decimal_places=2, null=True, blank=True)
    """The amount in the shop's own currency; None is the amount in US dollars."""
    price_currency = models.CharField(_("currency of the price"), max_length=3, default=USD, db_default=USD)
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.CREATING)
    filled_usd = models.DecimalField(_("received (USD)"), max_digits=28, decimal_places=8, null=True, blank=True)
    """US dollars received by this payment, by PayRam's account; None when it has not said."""
    webhook_usd = models.DecimalField(
        _("received according to a webhook only (USD)"), max_digits=28, decimal_places=8, null=True, blank=True
    )
    """US dollars received as only a webhook says, which PayRam's answer did not confirm: shown, and never counted."""
    topped_up_usd = models.DecimalField(_("received by top-ups (USD)"), max_digits=28, decimal_places=8, default=ZERO)
    """US dollars received by payments that top this one up."""
    refunded_usd = models.DecimalField(
        _("refunded (USD)"), max_digits=28, decimal_places=8, default=ZERO, db_default=ZERO
    )
    """US dollars that the shop has sent back, as its refunds say."""
    filled_amount = models.DecimalField(_("received amount"), max_digits=36, decimal_places=18, null=True, blank=True)
    """As PayRam gives it: coin units since July 2026, US dollars before. Compute with ``filled_usd`` instead."""
    currency = models.CharField(_("currency"), max_length=32, blank=True)
    blockchain = models.CharField(_("blockchain"), max_length=32, blank=True)
    deposit_address = models.CharField(_("deposit address"), max_length=255, blank=True)
    explorer_url = models.CharField(_("transaction"), max_length=500, blank=True)
    transaction_hash = models.CharField(_("transaction hash"), max_length=128, blank=True, default="", db_default="")
    """The hash of the transaction, as PayRam's link to it says."""
    confirmations = models.PositiveIntegerField(_("confirmations"), null=True, blank=True)
    """Confirmations when PayRam was last asked; None until money was seen on the chain."""
    confirmations_required = models.PositiveIntegerField(_("confirmations required"), null=True, blank=True)

    url = models.CharField(_("payment page"), max_length=2000, blank=True)
    """PayRam's page where the customer pays."""
    review = models.CharField(_("review"), max_length=16, choices=Review.choices, blank=True)
    """Why a person should look at this payment; blank when all is well."""
    reviews_raised = models.JSONField(_("reviews raised"), default=list, blank=True, editable=False)
    """Every reason for review so far. One that a person has settled is raised again by new money alone."""
    review_settled = models.BooleanField(default=False, editable=False)
    """Whether a person has resolved a review of the payment."""
    amount_disputed = models.BooleanField(default=False, editable=False)
    """Whether PayRam is known to have asked the customer for another amount."""
    paid_second = models.BooleanField(default=False, editable=False)
    """Whether another payment had paid the order when this one was paid. Clocks differ, so that times cannot tell."""
    order_gone = models.BooleanField(_("order deleted"), default=False, editable=False)
    """Whether the shop has deleted the order. Its key may be another order's by now, so it is not kept."""
    unknown_words = models.JSONField(default=list, blank=True, editable=False)
    """PayRam's words for a state that nobody here knows: each is logged once."""
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
    """The order and purpose whose one live link this is; None for every payment that is superseded or done."""

    undelivered = models.JSONField(_("signals not yet delivered"), default=list, blank=True, editable=False)
    """Names of the signals whose receivers have yet to succeed."""
    delivery_attempts = models.PositiveIntegerField(_("failed deliveries"), default=0, editable=False)
    """How many times in a row a receiver has failed, or none was there."""
    next_delivery_at = models.DateTimeField(_("next delivery"), null=True, blank=True, editable=False)
    """When polling next tries to deliver what is undelivered; None when all is delivered."""
    notified_state = models.CharField(max_length=20, blank=True, editable=False, default=State.CREATING)
    """The state that receivers of payment_updated were last sent."""
    announce_error = models.TextField(_("receiver's error"), blank=True, editable=False)
    """What the receiver that failed last said; blank once it has succeeded."""

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("last update"), default=timezone.now, editable=False)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    """When the payment became paid in full; this alone is what *paid* means."""
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    """When PayRam closed the link: filled or canceled."""
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    """When the link was to expire, as the shop has asked PayRam; None leaves it to PayRam."""
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    """When the shop said that it wants no money on the link any more."""
    checked_at = models.DateTimeField(_("PayRam last asked"), null=True, blank=True)
    next_check_at = models.DateTimeField(_("PayRam asked next"), null=True, blank=True)
    checks = models.PositiveIntegerField(_("checks since the last update"), default=0, editable=False)
    """How many times polling has claimed the payment since its last news. No schedule ends by a clock alone."""
    denials = models.PositiveSmallIntegerField(default=0, editable=False)
    """How many times in a row PayRam has answered that it does not know the reference."""

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions: ClassVar = [
            ("ask_payram", _("Can ask PayRam about a payment")),
            ("review_payment", _("Can accept and resolve payments held for review")),
            ("request_payment", _("Can request a payment")),
            ("withdraw_payment", _("Can withdraw the link of a payment")),
            ("refund_payment", _("Can record that money was sent back")),
            ("assign_payment", _("Can assign a payment to an order")),
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
            AnyCaseIndex(fields=["customer_email"], name="payram_payment_anyemail"),
            AnyCaseIndex(fields=["deposit_address"], name="payram_payment_anyaddress"),
            AnyCaseIndex(
                fields=["transaction_hash"], condition=Q(transaction_hash__gt=""), name="payram_payment_transaction"
            ),
            AnyCaseIndex(fields=["order_number"], condition=Q(order_number__gt=""), name="payram_payment_number"),
            models.Index(fields=["state", "created_at"], name="payram_payment_state"),
            models.Index(fields=["project", "created_at"], name="payram_payment_project"),
            models.Index(fields=["created_at"], name="payram_payment_created"),
            models.Index(fields=["review"], condition=Q(review__gt=""), name="payram_payment_review"),
            # The newest of those that few are, such as held or confirming ones: without it all rows are looked through.
            PartialIndex(fields=["created_at", "state"], condition=RARE, name="payram_payment_rare"),
            models.Index(
                fields=["next_delivery_at"],
                condition=Q(next_delivery_at__isnull=False),
                name="payram_payment_undelivered",
            ),
            # What the overview sums up is in the index: it reads no payments, where the database lets it.
            models.Index(
                fields=["paid_at"],
                include=[
                    *("created_at", "project", "state", "amount_usd", "filled_usd", "topped_up_usd", "refunded_usd"),
                    *("currency", "blockchain"),
                ],
                condition=Q(paid_at__isnull=False),
                name="payram_payment_paid",
            ),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="payram_payment_parent"),
        ]

    def __str__(self) -> str:
        return self.reference or str(self.token)

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Django's checks, without those that say what is meant: on MariaDB such indexes are plain ones."""
        return [message for message in super().check(**kwargs) if message.id not in {"models.W037", "models.W040"}]

    @property
    def is_paid(self) -> bool:
        """Whether the payment is paid in full and not held. A refund does not change it."""
        return self.paid_at is not None

    @property
    def is_open(self) -> bool:
        """Whether the payment still waits for money."""
        closed = self.closed_at is not None or self.withdrawn_at is not None
        return State(self.state) in AWAITING and not closed and not self.is_paid

    @property
    def is_held(self) -> bool:
        """Whether all the money is there but a person has to accept it first, or to send it back."""
        return is_held(self) and not self.is_refunded

    @property
    def is_refunded(self) -> bool:
        """Whether all that was received has been sent back."""
        return bool(self.refunded_usd) and self.net_usd < CENT

    @property
    def is_filled(self) -> bool:
        """Whether PayRam calls the payment fully filled."""
        return State(self.state) in FULLY_FILLED

    @property
    def is_confirming(self) -> bool:
        """Whether money is on the chain and not yet confirmed; it may also come for a link that was canceled."""
        return self.confirmations is not None and self.state in (State.OPEN, State.CANCELED) and not self.is_paid

    @property
    def has_money(self) -> bool:
        """Whether money has come or is confirming, top-ups included."""
        return self.is_paid or self.is_confirming or bool(self.received_usd)

    @property
    def price(self) -> tuple[Decimal, str]:
        """What the order costs: the amount and its currency, as the shop has given them."""
        return (self.amount_usd, USD) if self.price_amount is None else (self.price_amount, self.price_currency)

    @property
    def received_usd(self) -> Decimal:
        """US dollars received, top-ups included. A filled payment without a sum counts as its amount."""
        if self.filled_usd is None and self.is_filled:
            return self.amount_usd + self.topped_up_usd
        return (self.filled_usd or ZERO) + self.topped_up_usd

    @property
    def net_usd(self) -> Decimal:
        """US dollars received, less what was sent back."""
        return self.received_usd - self.refunded_usd

    @property
    def lack_usd(self) -> Decimal:
        """US dollars by which what was received falls short of the amount; negative for what is beyond it."""
        return self.amount_usd - self.received_usd

    @property
    def excess_usd(self) -> Decimal:
        """US dollars by which what the shop has kept goes beyond the amount; negative for what falls short of it."""
        return self.net_usd - self.amount_usd

    @property
    def missing_usd(self) -> Decimal:
        """US dollars still to come; zero when the payment is paid: what lacks then is forgiven."""
        return ZERO if self.is_paid else max(self.lack_usd, ZERO)

    @property
    def forgiven_usd(self) -> Decimal:
        """US dollars that lack although the payment is paid, by the tolerance or by a person's decision."""
        return max(self.lack_usd, ZERO) if self.is_paid else ZERO

    @property
    def surplus_usd(self) -> Decimal:
        """US dollars received beyond the amount and not sent back."""
        return max(self.excess_usd, ZERO)

    @property
    def status(self) -> Status:
        """Where the payment stands, in one word for people."""
        return status_of(self)

    def locked_order(self, model: type[models.Model]) -> Any:
        """Return the payment's order as it is now, its row locked; None when it is no ``model``, or not there any more.

        Must run inside a transaction on the database of the order.
        """
        if self.order_type_id is None or self.order_type_id != content_type(model).pk:
            return None
        orders = model._base_manager.using(router.db_for_write(model))  # noqa: SLF001 - Django's documented name
        try:
            return orders.select_for_update().filter(**{key_field(model).name: self.order_id}).first()
        except (ValidationError, ValueError):
            # The model has another kind of key since.
            return None

    def covers(self, amount: Decimal | int | str, currency: str = USD) -> bool:
        """Return whether the payment is paid and pays for ``amount``, in US dollars or in the currency of its price.

        An order may have grown since its link was made. What was sent back pays for nothing, what was forgiven does.
        Raises InvalidPaymentRequest (a ValueError) for what is no amount, and for a negative one.
        """
        wanted = read_number("amount", amount)
        if wanted < 0:
            raise InvalidPaymentRequest("amount", "must not be negative.")
        if not self.is_paid:
            return False
        paid_usd = max(self.amount_usd, self.received_usd) - self.refunded_usd
        if currency == USD:
            return paid_usd >= wanted
        price, of_price = self.price
        return currency == of_price and paid_usd * price / self.amount_usd >= wanted
