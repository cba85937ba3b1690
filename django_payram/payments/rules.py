"""The state machine of payments: what an update means, decided from rows. No database, no clock, no settings.

::

    CREATING ──> FAILED ──> OPEN ──> CANCELED ──> PARTIALLY_FILLED ──> FILLED ──> OVER_FILLED

A payment only ever moves to the right, and may skip states: the final state follows from the set of updates, whatever
their order and number. Beside the state stand three facts:

    paid_at    PayRam calls the payment filled and nothing holds it, or it is covered with its top-ups; set once
    closed_at  PayRam has closed the link: filled, or canceled with no money confirming; set once
    withdrawn_at  the shop wants no money on the link any more; set once
    review     why a person should look; the weightiest of the reasons raised. Each is raised once, and again by new
               money after a person has settled it

``decide`` is the whole of it. The sections below follow the order in which it works: the update's own state and sum,
the amount, top-ups and payment, reviews, what a person decides, and what receivers may be sent now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from django_payram.exceptions import PayramDataError
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import CRASHED_AFTER, Outcome, Payment, Refund, Review, State, is_recent
from django_payram.models.states import FULLY_FILLED, FUNDED
from django_payram.payments import schedule
from django_payram.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from django_payram.conf import Project
    from django_payram.models import OrderKey

CENT = Decimal("0.01")

RANK = MappingProxyType({state: rank for rank, state in enumerate(State)})
WEIGHT = MappingProxyType({review: -place for place, review in enumerate(Review)})

POSTPONED = schedule.MINUTE
"""A signal that cannot be decided yet is decided again after this, unless something happens before."""

RETRY_PAUSES = (0, 0, 1, 2, 5, 10, 30, 60)
"""Minutes until receivers that failed are sent their signals again: after the first failure, the second, and so on."""

NO_RECEIVER_PAUSES = (1, 2, 4, 8, 16, 24, 24, 24, 24, 24, 24)
"""Hours until payment_paid is tried again where a process has no receiver for it: seven days in all."""
NO_RECEIVER = "payment_paid: this process has no receiver"

DENIALS = 3
"""So many times in a row PayRam denies that it knows a link before the order may have another one."""

MOST_UNKNOWN_WORDS = 10
"""So many unknown words of PayRam are logged for one payment."""


# What goes in


@dataclass(frozen=True)
class CreateFailure:
    """The create call got no link. REFUSED: PayRam certainly made no payment; UNKNOWN: nobody knows whether it did."""

    outcome: Outcome
    error: str
    reference: str | None = None
    """The reference that PayRam's answer named although it could not be used."""


@dataclass(frozen=True)
class Acceptance:
    """A person lets a payment that is held because of its amount count as paid."""

    reason: str


@dataclass(frozen=True)
class Resolution:
    """A person settles a review. Nothing becomes paid by it."""

    reason: str


@dataclass(frozen=True)
class UnplacedReference:
    """Money may belong to the payment, and nothing proves it."""

    reference: str


@dataclass(frozen=True)
class OrderDeletion:
    """The shop deletes the order of the payment. ``order`` names it, for the timeline."""

    order: str


@dataclass(frozen=True)
class Denial:
    """PayRam answers that it does not know the payment's reference."""


@dataclass(frozen=True)
class Redelivery:
    """Receivers are to be sent what is undelivered; ``everything``: all that is true now, delivered or not."""

    everything: bool = False


@dataclass(frozen=True)
class Withdrawal:
    """The shop wants no money on the link any more."""

    reason: str


@dataclass(frozen=True)
class Assignment:
    """The payment is for another order from now on."""

    order: OrderKey
    order_number: str


@dataclass(frozen=True)
class RefundRecord:
    """The shop has sent money back by itself."""

    amount_usd: Decimal
    transaction: str = ""
    note: str = ""
    actor: str = ""


Update = (
    PaymentUpdate
    | CreateFailure
    | Acceptance
    | Resolution
    | UnplacedReference
    | OrderDeletion
    | Denial
    | Redelivery
    | Withdrawal
    | Assignment
    | RefundRecord
)


@dataclass(frozen=True)
class Group:
    """A payment, and the rows that are decided together with it: its order's other payments, and all their top-ups.

    ``payment`` is one of ``members``. ``order_gone``: the order that they were made for is not there any more.
    """

    payment: Payment
    members: tuple[Payment, ...]
    order_gone: bool = False

    @property
    def root(self) -> Payment:
        """The payment that ``payment`` tops up, or itself: the one that can become paid."""
        key = self.payment.parent_id
        return self.payment if key is None else next(member for member in self.members if member.pk == key)


# What comes out


@dataclass(frozen=True)
class Event:
    """One event for the timeline of ``payment``."""

    payment: Payment
    outcome: Outcome
    state_before: str
    state_after: str
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Decision:
    """What is to be written of the group, and which signals are to be sent, in this order."""

    group: Group
    """The rows as they are to be; those that were decided from stay as they were."""
    changes: tuple[tuple[Payment, tuple[str, ...]], ...] = ()
    """Rows that change, each with the names of the fields that do."""
    events: tuple[Event, ...] = ()
    notifications: tuple[str, ...] = ()
    is_news: bool = False
    """Whether the update said more of the payment than was recorded."""
    refund: Refund | None = None
    """The refund to be written down."""
    is_requested: bool = False
    """Whether somebody asked for the signals: the timeline says then what became of them, also if it is no news."""


class _Draft:
    """A decision while it is being made: copies of the group's rows that the rules below change."""

    def __init__(self, group: Group, now: datetime) -> None:
        self.before = group
        copies = {member.pk: _copy(member) for member in group.members}
        self.group = Group(copies[group.payment.pk], tuple(copies.values()), group.order_gone)
        self.payment, self.root = self.group.payment, self.group.root
        self.now = now
        self.events: list[Event] = []
        self.wanted: set[str] = set()
        self.notifications: tuple[str, ...] = ()
        self.is_news = False
        self.refund: Refund | None = None
        self.is_requested = False

    @property
    def order_gone(self) -> bool:
        return self.group.order_gone or self.root.order_gone

    @property
    def top_ups(self) -> list[Payment]:
        return [member for member in self.group.members if member.parent_id == self.root.pk]

    @property
    def others(self) -> list[Payment]:
        """The other payments for the order and purpose. Top-ups are left out: they are part of what they top up."""
        members = (member for member in self.group.members if member.parent_id is None and member is not self.root)
        return [member for member in members if _bill(member) == _bill(self.root)]

    def log(self, payment: Payment, outcome: Outcome, *, note: str = "", error: str = "") -> None:
        moved = outcome in {Outcome.RECORDED, Outcome.CREATED, Outcome.REFUSED}
        before = self.before.payment.state if moved else payment.state
        self.events.append(Event(payment, outcome, before, payment.state, note, error))

    def decision(self) -> Decision:
        pairs = zip(self.before.members, self.group.members, strict=True)
        changes = ((after, _changed_fields(before, after)) for before, after in pairs)
        return Decision(
            group=self.group,
            changes=tuple((after, names) for after, names in changes if names),
            events=tuple(self.events),
            notifications=self.notifications,
            is_news=self.is_news,
            refund=self.refund,
            is_requested=self.is_requested,
        )


def _bill(payment: Payment) -> tuple[int | None, str, str]:
    return payment.order_type_id, payment.order_id, payment.purpose


def _copy(payment: Payment) -> Payment:
    # Not copy.copy, which pickles. The values are the same objects: rules put others in their place, they change none.
    copy = Payment.__new__(Payment)
    copy.__dict__.update(payment.__dict__)
    return copy


def _changed_fields(before: Payment, after: Payment) -> tuple[str, ...]:
    old, new = before.__dict__, after.__dict__
    return tuple(name for name, value in new.items() if value is not old[name] and value != old[name])


# The decision


def decide(
    group: Group,
    update: Update,
    now: datetime,
    options: Project | None = None,
    *,
    receivers: Collection[str] = frozenset(SIGNALS),
    retry: bool = True,
) -> Decision:
    """Return what ``update`` changes of ``group``.

    ``options`` is the payment's project, needed for what PayRam says only. ``receivers`` names the signals that
    somebody listens to: the others count as delivered, but for payment_paid, which waits for a process that has a
    receiver. Unless ``retry``, receivers that failed are sent nothing before their pause is over, except what is new.

    Raises PayramDataError when PayRam speaks of another payment, and ValueError when a person decides what cannot be
    decided: the payment is not held, or not under review, or has less money than is to be sent back.
    """
    draft = _Draft(group, now)
    if isinstance(update, PaymentUpdate):
        _record(draft, update, cast("Project", options))
    else:
        DECISIONS[type(update)](draft, update)
    _choose_notifications(draft, receivers, retry=retry)
    return draft.decision()


def is_repetition(payment: Payment, update: PaymentUpdate, now: datetime, options: Project) -> bool:
    """Return whether recording PayRam's answer would write nothing but when it was asked, and when it is asked next.

    ``payment`` is decided alone and unlocked. It may have moved on since it was read: what repeats an older row says
    nothing new of a newer one. Where other rows have a say (top-ups, holds, orders paid twice) the answer is False.
    """
    if payment.is_filled or payment.is_paid or payment.undelivered or payment.reviews_raised:
        return False
    if payment.parent_id is not None or payment.topped_up_usd:
        return False
    decision = decide(Group(payment, (payment,)), update, now, options)
    written = {name for _row, names in decision.changes for name in names}
    ends = decision.group.payment.next_check_at is None
    return not ends and written <= {"checked_at", "next_check_at"}


# What PayRam says


def _record(draft: _Draft, update: PaymentUpdate, options: Project) -> None:
    payment = draft.payment
    if update.asked_at is not None:
        payment.checked_at = draft.now
    _identify(draft, update)
    payment.denials = 0
    state = reported_state(update)
    if state is None:
        _note_unknown_word(draft, update)
    else:
        _move(draft, update, state)
        _close(draft, update)
        _count_top_ups(draft)
        _note_webhook_sum(draft, update, options)
        _settle(draft, update, options)
        _flag_part_for_paid_order(draft)
    payment.next_check_at = schedule.next_check(payment, now=draft.now)


def _identify(draft: _Draft, update: PaymentUpdate) -> None:
    payment = draft.payment
    if update.reference and not payment.reference:
        if update.invoice_id not in (None, update.reference, str(payment.token)):
            raise PayramDataError(f"{update.reference} has an invoice id that is not that of the payment {payment}.")
        payment.reference = update.reference
    elif update.reference not in (None, payment.reference):
        # Two references were taken for one lost payment at once. The other one is another payment.
        raise PayramDataError(f"The payment {payment} has a reference other than {update.reference}.")
    if update.url and not payment.url:
        payment.url = update.url
        draft.log(payment, Outcome.CREATED)
        if not payment.is_paid and _is_paid_by_another(draft):
            # While PayRam was asked, the order was paid by another payment, or given one that is paid.
            _withdraw(draft, Withdrawal(""))


def _note_unknown_word(draft: _Draft, update: PaymentUpdate) -> None:
    payment, word = draft.payment, update.word
    if word not in payment.unknown_words and len(payment.unknown_words) < MOST_UNKNOWN_WORDS:
        payment.unknown_words = [*payment.unknown_words, word]
        draft.log(payment, Outcome.UNKNOWN_STATE, note=word)
    # A new word for "paid" must not leave an order unpaid for ever, unseen.
    if has_money(update):
        _flag(draft, draft.root, Review.UNCLEAR)


def _move(draft: _Draft, update: PaymentUpdate, state: State) -> None:
    """Move the state and the sum up. What is decided from the row as it was comes first."""
    payment = draft.payment
    rising, more_money = rises(payment, state), raises_sum(payment, update)
    first_sight = is_first_sight(payment, update, state)
    late = state in FUNDED and _is_late(draft)
    fills = update.state in FULLY_FILLED and not payment.is_filled
    draft.is_news = rising or more_money or first_sight
    if _takes_back(payment, update, state, draft.now):
        _flag(draft, draft.root, Review.REGRESSION)
    if RANK[state] >= RANK[State(payment.state)]:
        _describe(payment, update)
    if more_money or fills:
        payment.filled_usd = update.filled_usd
    if rising:
        payment.state = state
    if late and (rising or more_money):
        _flag(draft, payment, Review.LATE, again=more_money)
    if draft.is_news:
        payment.updated_at, payment.checks = draft.now, 0
        _log_news(draft, update, first_sight=first_sight)


def _log_news(draft: _Draft, update: PaymentUpdate, *, first_sight: bool) -> None:
    # That a link was made is returned to whoever asked for it, and not sent to receivers.
    if update.url and draft.payment.state == State.OPEN and not first_sight:
        draft.payment.notified_state = draft.payment.state
        return
    draft.log(draft.payment, Outcome.RECORDED)
    draft.wanted.add("payment_updated")


def _describe(payment: Payment, update: PaymentUpdate) -> None:
    """Take over what an update that is not behind the row says besides state and sum."""
    payment.currency = update.currency or payment.currency
    payment.blockchain = update.blockchain or payment.blockchain
    payment.deposit_address = update.deposit_address or payment.deposit_address
    if update.explorer_url and update.explorer_url != payment.explorer_url:
        payment.explorer_url, payment.transaction_hash = update.explorer_url, update.transaction_hash
    payment.filled_amount = update.filled_amount or payment.filled_amount
    if update.on_chain:
        payment.confirmations = update.confirmations or 0
        payment.confirmations_required = update.confirmations_required
    elif update.state == State.CANCELED or (update.state == State.OPEN and update.confirmations is not None):
        # The link closes without it, or a server that would tell says that nothing is on the chain any more.
        payment.confirmations = None


def _close(draft: _Draft, update: PaymentUpdate) -> None:
    payment = draft.payment
    if not closes(update) or payment.closed_at is not None:
        return
    payment.closed_at, payment.live_slot = draft.now, None
    if payment.is_paid or payment is not draft.root:
        return
    if payment.state == State.PARTIALLY_FILLED or (payment.state == State.CANCELED and payment.received_usd):
        _flag(draft, payment, Review.PARTIAL)
    elif payment.state == State.CANCELED:
        draft.log(payment, Outcome.SUPERSEDED if _replacements(draft) else Outcome.CANCELED)
        draft.wanted.add("payment_canceled")


# Questions about an update


def reported_state(update: PaymentUpdate) -> State | None:
    """Return the state that an update stands for, None for a word that nobody here knows.

    PayRam calls a partly paid link CANCELLED once it has expired, with the sum beside it: that is a partial payment
    whose link is closed. A sum in coins proves that money came as well as one in US dollars.
    """
    if update.state == State.CANCELED and (update.filled_usd or update.filled_amount):
        return State.PARTIALLY_FILLED
    return update.state


def is_news(payment: Payment, update: PaymentUpdate) -> bool:
    """Return whether an update says more than is recorded: a higher state, more money, its first sight, or an end."""
    state = reported_state(update)
    if state is None:
        return False
    ends = update.state == State.CANCELED and closes(update) and payment.closed_at is None
    return rises(payment, state) or raises_sum(payment, update) or is_first_sight(payment, update, state) or ends


def rises(payment: Payment, state: State) -> bool:
    """Return whether ``state``, which an update reports, is higher than the payment's."""
    return RANK[state] > RANK[State(payment.state)]


def raises_sum(payment: Payment, update: PaymentUpdate) -> bool:
    """Return whether an update knows of more money than is recorded.

    A sum counts with the state it came with: once PayRam calls the payment filled, what was said before does not.
    """
    if not update.filled_usd or (payment.is_filled and update.state not in FULLY_FILLED):
        return False
    known = payment.filled_usd or 0
    if update.asked_at is None:
        # What only a webhook says, which was noted before if PayRam's answer did not name the sum.
        known = max(known, payment.webhook_usd or 0)
    return update.filled_usd > known


def has_money(update: PaymentUpdate) -> bool:
    """Return whether an update speaks of money that came or is coming, in whatever words."""
    return bool(update.filled_usd or update.filled_amount) or update.state in FUNDED or update.on_chain


def is_first_sight(payment: Payment, update: PaymentUpdate, state: State) -> bool:
    """Return whether money is on the chain for the first time. Confirmations that count up are not news."""
    if not update.on_chain or payment.confirmations is not None:
        return False
    return State(payment.state) not in FUNDED and RANK[state] >= RANK[State(payment.state)]


def closes(update: PaymentUpdate) -> bool:
    """Return whether an update says that the link takes no more money.

    A cancellation while money is confirming is not believed yet: that money may still count.
    """
    if update.state == State.CANCELED:
        return not update.confirming
    return update.state in FULLY_FILLED


def completed(answer: PaymentUpdate, hint: PaymentUpdate) -> PaymentUpdate:
    """Add to PayRam's answer what the webhook says that made us ask, where the states agree.

    The status answers of 2025 and before give no sum in US dollars and no confirmations, the webhooks of the same
    servers do. Whoever knows a key can write a webhook, so that its sum is not taken for PayRam's own.
    """
    if answer.state is None or answer.state != hint.state:
        return answer
    if answer.filled_usd is None:
        answer = replace(answer, webhook_usd=hint.filled_usd)
    if hint.on_chain and answer.confirmations is None:
        confirmations, required = hint.confirmations, hint.confirmations_required
        answer = replace(answer, on_chain=True, confirmations=confirmations, confirmations_required=required)
    return answer


def _takes_back(payment: Payment, update: PaymentUpdate, state: State, now: datetime) -> bool:
    """Return whether PayRam's own answer takes back money that was recorded.

    An answer that was asked for before the last news came is merely old; news of the future came with a wrong clock.
    """
    if update.asked_at is None or update.asked_at < payment.updated_at <= now:
        return False
    if State(payment.state) not in FUNDED:
        return False
    if update.filled_usd is not None and update.filled_usd < (payment.filled_usd or 0):
        return True
    closed_partial = update.state == State.CANCELED and payment.state == State.PARTIALLY_FILLED
    return RANK[state] < RANK[State(payment.state)] and not closed_partial


# The amount, top-ups, and what makes a payment paid


def _note_webhook_sum(draft: _Draft, update: PaymentUpdate, options: Project) -> None:
    """Note a sum that only a webhook names. It counts for nothing; where it contradicts, a person looks."""
    payment, total = draft.payment, update.webhook_usd
    if total is None or total <= (payment.webhook_usd or 0) or payment.filled_usd is not None:
        return
    payment.webhook_usd = total
    if not draft.is_news:
        draft.is_news, payment.updated_at = True, draft.now
        draft.log(payment, Outcome.RECORDED)
        draft.wanted.add("payment_updated")
    enough = total + payment.topped_up_usd >= least_usd(payment.amount_usd, options)
    if enough != payment.is_filled:
        _flag(draft, draft.root, Review.UNCLEAR)


def _settle(draft: _Draft, update: PaymentUpdate, options: Project) -> None:
    root = draft.root
    if draft.payment is root and update.requested_usd is not None:
        # Once PayRam is known to have asked for another amount, only its own word that it did not clears that: an
        # answer that does not say what was asked for proves nothing.
        root.amount_disputed = abs(update.requested_usd - root.amount_usd) >= CENT
    wrong = root.amount_disputed or _is_short(root, options) or _was_sent_back_too_early(root, options)
    if wrong:
        # A person may have settled it before the money came: news of it is looked at again.
        _flag(draft, root, Review.AMOUNT, again=draft.is_news and root.is_held)
    elif update.asked_at is not None and root.review == Review.AMOUNT:
        _release(draft)
    may_be_paid = not (wrong or root.is_paid or root.is_refunded or root.review == Review.AMOUNT)
    if may_be_paid and (_is_covered(draft, options) or (root.is_filled and draft.payment is root)):
        _pay(draft)


def _release(draft: _Draft) -> None:
    """End a hold. The next reason is shown again, unless a person has settled a review of the payment before."""
    root = draft.root
    root.review = ""
    draft.log(root, Outcome.RELEASED)
    if not root.review_settled:
        root.review = _weightiest(reason for reason in root.reviews_raised if reason != Review.AMOUNT)


def _pay(draft: _Draft) -> None:
    """Mark the root as paid in full, which happens once."""
    root = draft.root
    root.paid_at, root.live_slot = draft.now, None
    draft.log(root, Outcome.PAID)
    _announce_paid(draft)
    root.next_check_at = schedule.next_check(root, now=draft.now)


def _announce_paid(draft: _Draft) -> None:
    root = draft.root
    if _is_paid_by_another(draft):
        _flag(draft, root, Review.DUPLICATE, again=True)
        root.paid_second = True
    _flag_parts_of_others(draft)
    draft.wanted.add("payment_paid")


def _flag_part_for_paid_order(draft: _Draft) -> None:
    """A part of the money on one link of an order that another one has paid is as much too much as all of it."""
    root = draft.root
    if draft.is_news and root.received_usd and not root.is_paid and _is_paid_by_another(draft):
        _flag(draft, root, Review.DUPLICATE, again=True)


def _flag_parts_of_others(draft: _Draft) -> None:
    """The same when the part came first. Polling sends their receivers what is new: they are not those of the root."""
    for other in draft.others:
        reason = other.review
        if other.received_usd and not other.is_paid and not other.is_refunded:
            _flag(draft, other, Review.DUPLICATE)
        if other.review != reason:
            other.undelivered = list(dict.fromkeys([*other.undelivered, "payment_needs_review"]))
            other.next_delivery_at = draft.now


def _count_top_ups(draft: _Draft) -> None:
    root = draft.root
    total = sum(top_up.received_usd for top_up in draft.top_ups)
    if total <= root.topped_up_usd:
        return
    # Money under a new reference for a payment that is paid, or whose link was closed, surprises the shop.
    if root.is_paid:
        _flag(draft, root, Review.DUPLICATE, again=True)
    elif root.withdrawn_at is not None or _was_closed_unfilled(root) or _is_outdated(draft):
        _flag(draft, root, Review.LATE, again=True)
    root.topped_up_usd, root.updated_at = total, draft.now


def _is_short(payment: Payment, options: Project) -> bool:
    """Return whether a filled payment lacks more than the tolerance."""
    if not payment.is_filled or payment.filled_usd is None:
        return False
    return payment.received_usd < least_usd(payment.amount_usd, options)


def _was_sent_back_too_early(payment: Payment, options: Project) -> bool:
    """Return whether an unpaid payment is filled by money of which the shop has sent back a part: a person decides."""
    if payment.is_paid or payment.is_refunded or not payment.refunded_usd:
        return False
    covered = payment.is_filled or payment.received_usd >= payment.amount_usd
    return covered and payment.net_usd < least_usd(payment.amount_usd, options)


def _is_covered(draft: _Draft, options: Project) -> bool:
    """Return whether the root and its top-ups together make up the amount.

    The tolerance for a filled payment counts here as well, once PayRam calls a top-up filled.
    """
    root = draft.root
    if not root.topped_up_usd:
        return False
    filled = any(top_up.is_filled for top_up in draft.top_ups)
    return root.received_usd >= (least_usd(root.amount_usd, options) if filled else root.amount_usd)


def least_usd(amount_usd: Decimal, options: Project) -> Decimal:
    """Return the least sum in US dollars that still passes for ``amount_usd``: the smaller tolerance counts."""
    percent = amount_usd * Decimal(str(options.shortfall_percent)) / 100
    return amount_usd - min(percent, options.shortfall_usd)


# Among the order's other payments


def _is_late(draft: _Draft) -> bool:
    """Return whether money that comes now comes too late, or for another price than the order has now."""
    payment = draft.payment
    if payment is not draft.root:
        return _was_closed_unfilled(payment)
    # Money that was seen before the link expired is in time, however long the chain takes.
    expired = payment.expires_at is not None and draft.now >= payment.expires_at and not payment.is_confirming
    return expired or payment.withdrawn_at is not None or _was_closed_unfilled(payment) or _is_outdated(draft)


def _was_closed_unfilled(payment: Payment) -> bool:
    """Return whether money that comes now comes after the link was closed without being filled."""
    return payment.closed_at is not None and State(payment.state) in {State.CANCELED, State.PARTIALLY_FILLED}


def _is_outdated(draft: _Draft) -> bool:
    """Return whether another amount was asked for since: what comes now may not be what the order costs."""
    newer = (other for other in draft.others if other.pk > draft.root.pk and other.state != State.FAILED)
    return any(other.price != draft.root.price for other in newer)


def _is_paid_by_another(draft: _Draft) -> bool:
    return any(other.is_paid for other in draft.others)


def _replacements(draft: _Draft) -> list[Payment]:
    """Return the other payments that are open or have money: the order does not depend on a dead link then."""
    return [other for other in draft.others if other.has_money or _waits(draft, other)]


def _waits(draft: _Draft, payment: Payment) -> bool:
    # A create call brings no link any more when it got no answer, or when its process is gone.
    may_run = is_recent(payment.created_at, within=CRASHED_AFTER, now=draft.now)
    lost = payment.live_slot is None or not may_run
    return payment.is_open and not (payment.state == State.CREATING and lost)


# Reviews


def _flag(draft: _Draft, payment: Payment, reason: Review, *, again: bool = False) -> None:
    """Raise a reason for review, once; ``again``, for money that is new, also after a person has settled it.

    A weaker reason never hides a weightier one.
    """
    stands = payment.review and WEIGHT[Review(payment.review)] >= WEIGHT[reason]
    if reason in payment.reviews_raised and (stands or not again):
        return
    weightiest = _weightiest([payment.review, reason])
    if weightiest != payment.review and payment is draft.root:
        draft.wanted.add("payment_needs_review")
    payment.reviews_raised = list(dict.fromkeys([*payment.reviews_raised, reason.value]))
    payment.review = weightiest
    draft.log(payment, Outcome.REVIEW, note=reason.value)


def _weightiest(reasons: Iterable[str]) -> str:
    """Return the reason that stands for all of ``reasons``, or ``""`` when there is none."""
    return max((Review(reason) for reason in reasons if reason), key=WEIGHT.__getitem__, default="")


def _flag_orphan(draft: _Draft) -> None:
    """Money for a deleted order is nobody's until a person says whose: its key may be another customer's by now."""
    is_unannounced = "payment_paid" in {*draft.root.undelivered, *draft.wanted}
    if draft.order_gone and draft.root.has_money and (draft.is_news or is_unannounced):
        _flag(draft, draft.root, Review.ORPHAN, again=draft.is_news)


def _flag_unplaced(draft: _Draft, update: UnplacedReference) -> None:
    draft.log(draft.payment, Outcome.DOUBTFUL, note=update.reference)
    _flag(draft, draft.root, Review.UNCLEAR, again=True)


# What we and people decide


def _detach(draft: _Draft, update: OrderDeletion) -> None:
    """Leave the order's payments without an order: another one may get its key."""
    for payment in draft.group.members:
        payment.order_type_id, payment.order_id, payment.live_slot, payment.order_gone = None, "", None, True
        draft.log(payment, Outcome.DETACHED, note=update.order)


def _count_denial(draft: _Draft) -> None:
    """Free the order for another link once PayRam has denied this one again and again. Polling goes on asking."""
    payment = draft.payment
    payment.denials = min(payment.denials + 1, DENIALS)
    if payment.denials == DENIALS and payment.live_slot is not None:
        payment.live_slot = None
        draft.log(payment, Outcome.FORGOTTEN)


def _fail(draft: _Draft, update: CreateFailure) -> None:
    """The create call got no link: the order is free for another try."""
    payment = draft.payment
    if update.outcome == Outcome.REFUSED and payment.state == State.CREATING:
        payment.state = State.FAILED
    if update.reference and not payment.reference:
        payment.reference, payment.next_check_at = update.reference, draft.now
    payment.live_slot, payment.notified_state = None, payment.state
    draft.log(payment, update.outcome, error=update.error)


def _accept(draft: _Draft, update: Acceptance) -> None:
    if not draft.root.is_held:
        raise ValueError("Only a payment that is filled and held can be accepted.")
    draft.root.review = ""
    draft.log(draft.root, Outcome.ACCEPTED, note=update.reason)
    _pay(draft)


def _resolve(draft: _Draft, update: Resolution) -> None:
    if not draft.root.review:
        raise ValueError("The payment is not under review.")
    if draft.root.is_held:
        raise ValueError("A payment that is held is accepted, or sent back; it cannot be resolved.")
    draft.root.review, draft.root.review_settled = "", True
    draft.log(draft.root, Outcome.RESOLVED, note=update.reason)


def _withdraw(draft: _Draft, update: Withdrawal) -> None:
    root = draft.root
    if root.is_paid:
        raise ValueError("The payment is paid; money of it can only be sent back.")
    if root.withdrawn_at is not None:
        return
    root.withdrawn_at, root.live_slot = draft.now, None
    draft.log(root, Outcome.WITHDRAWN, note=update.reason)
    draft.wanted.add("payment_updated")


def _assign(draft: _Draft, update: Assignment) -> None:
    """Move the root with its top-ups to another order, whose payments are locked as well."""
    root, order = draft.root, update.order
    if (root.order_type_id, root.order_id) == (order.type.pk, order.id):
        return
    if draft.group.order_gone:
        raise ValueError("order must be there: it has been deleted.")
    left = draft.others
    for payment in [root, *draft.top_ups]:
        payment.order_type_id, payment.order_id = order.type.pk, order.id
        payment.order_number, payment.order_gone = update.order_number, False
    has_live = any(other.live_slot is not None for other in draft.others)
    is_live = root.is_open and not has_live
    root.live_slot = order.live_slot(root.purpose) if is_live else None
    draft.log(root, Outcome.ASSIGNED, note=update.order_number)
    # The order that it was too much for has got rid of it.
    is_settled = root.review == Review.DUPLICATE and (root.paid_second or not root.is_paid)
    if root.review == Review.ORPHAN or is_settled:
        root.review, root.review_settled = "", True
    draft.wanted.add("payment_updated")
    if root.is_paid:
        root.paid_second = False
        _announce_paid(draft)
    elif root.received_usd and _is_paid_by_another(draft):
        _flag(draft, root, Review.DUPLICATE, again=True)
    _tell_those_left(draft, left)


def _tell_those_left(draft: _Draft, left: Iterable[Payment]) -> None:
    """Have polling send the signals that were not true of the order's other payments as long as it had this one."""
    left = list(left)
    heir = next((other for other in left if other.paid_second), None)
    if heir is not None and all(other.paid_second for other in left if other.is_paid):
        # The second payment of the order is its only one now.
        heir.paid_second = False
        if heir.review == Review.DUPLICATE:
            heir.review, heir.review_settled = "", True
    else:
        heir = None
    for other in left:
        names = ["payment_paid"] if other is heir else []
        # A link that was dead before this one was made has been announced then.
        if other.closed_at is not None and other.closed_at > draft.root.created_at:
            names.append("payment_canceled")
        if names:
            other.undelivered = list(dict.fromkeys([*other.undelivered, *names]))
            other.next_delivery_at = draft.now


def refundable_usd(payment: Payment) -> Decimal:
    """Return the US dollars that are left of a payment to be sent back, in whole cents."""
    return payment.net_usd.quantize(CENT, rounding=ROUND_DOWN)


def _record_refund(draft: _Draft, update: RefundRecord) -> None:
    root = draft.root
    left = refundable_usd(root)
    if update.amount_usd > left:
        raise ValueError(f"amount_usd must be at most {left}, which is left of the payment {root}.")
    root.refunded_usd += update.amount_usd
    draft.refund = Refund(payment=root, **vars(update))
    draft.log(root, Outcome.REFUNDED, note=f"{update.amount_usd} USD {update.transaction}".strip())
    # All was sent back, or what topped up a payment that was paid already: nothing is left for a person to decide.
    surplus_is_back = root.review == Review.DUPLICATE and not root.paid_second and root.surplus_usd < CENT
    if root.review and (root.is_refunded or surplus_is_back):
        root.review, root.review_settled = "", True
        draft.log(root, Outcome.RESOLVED)
    draft.wanted.add("payment_refunded")


def _redeliver(draft: _Draft, update: Redelivery) -> None:
    if update.everything:
        draft.wanted, draft.is_requested = set(_true_signals(draft)), True


DECISIONS: Mapping[type[Update], Callable[[_Draft, Any], None]] = MappingProxyType(
    {
        CreateFailure: _fail,
        Acceptance: _accept,
        Resolution: _resolve,
        UnplacedReference: _flag_unplaced,
        OrderDeletion: _detach,
        Denial: lambda draft, _update: _count_denial(draft),
        Withdrawal: _withdraw,
        Assignment: _assign,
        RefundRecord: _record_refund,
        Redelivery: _redeliver,
    }
)
"""What is done about each update that is not PayRam's own answer."""


# What receivers may be sent


def _choose_notifications(draft: _Draft, receivers: Collection[str], *, retry: bool) -> None:
    """Choose which of the wanted signals are true now; what was wanted and is no longer true is not sent."""
    root = draft.root
    _flag_orphan(draft)
    wanted = {*root.undelivered, *draft.wanted}
    if not wanted or (_is_pausing(root, draft.now) and not (retry or draft.wanted)):
        return
    true, undecided = _true_signals(draft), _undecided_signals(draft)
    draft.notifications = tuple(name for name in true if name in wanted and name in receivers)
    postponed = [name for name in undecided if name in wanted and name in receivers]
    missed = "payment_paid" in true and "payment_paid" in wanted and "payment_paid" not in receivers
    # Written as if all receivers succeeded, which takes one UPDATE; ``after_delivery`` corrects it when one fails.
    root.undelivered = postponed
    root.next_delivery_at = draft.now + POSTPONED if postponed else None
    root.notified_state = root.state
    if missed:
        _wait_for_receiver(draft)
    else:
        root.delivery_attempts, root.announce_error = 0, ""


def _is_pausing(root: Payment, now: datetime) -> bool:
    # A moment further away than any pause was written by a wrong clock.
    return root.next_delivery_at is not None and now < root.next_delivery_at <= now + schedule.LONGEST_INTERVAL


def _wait_for_receiver(draft: _Draft) -> None:
    """Leave payment_paid to another process: a cron job may not import what the web server does. For seven days."""
    root = draft.root
    root.delivery_attempts += 1
    if root.delivery_attempts > len(NO_RECEIVER_PAUSES):
        root.delivery_attempts, root.announce_error = 0, ""
        return
    if root.announce_error != NO_RECEIVER:
        draft.log(root, Outcome.NOT_ANNOUNCED, error=NO_RECEIVER)
    root.announce_error = NO_RECEIVER
    root.undelivered = [*root.undelivered, "payment_paid"]
    pause = NO_RECEIVER_PAUSES[root.delivery_attempts - 1] * schedule.HOUR
    root.next_delivery_at = root.next_delivery_at or draft.now + pause


def _true_signals(draft: _Draft) -> list[str]:
    """Return the signals that are true of the root now, in the order in which they are sent."""
    root = draft.root
    is_true = {
        "payment_paid": root.is_paid and not draft.order_gone and not (root.paid_second and _is_paid_by_another(draft)),
        "payment_canceled": _is_dead(root) and not _replacements(draft) and not _is_being_topped_up(draft),
        "payment_needs_review": bool(root.review),
        "payment_refunded": bool(root.refunded_usd),
        "payment_updated": True,
    }
    return [name for name in SIGNALS if is_true[name]]


def _undecided_signals(draft: _Draft) -> list[str]:
    """Return what cannot be said yet: whether a dead link is replaced, while the call for another is under way.

    Nor whether nothing came, while money under a new reference is confirming.
    """
    others = _replacements(draft)
    being_made = bool(others) and all(other.state == State.CREATING for other in others)
    undecided = _is_dead(draft.root) and (being_made or _is_being_topped_up(draft))
    return ["payment_canceled"] if undecided else []


def _is_dead(root: Payment) -> bool:
    closed = root.state == State.CANCELED and root.closed_at is not None
    return closed and not root.received_usd and not root.is_paid and root.withdrawn_at is None


def _is_being_topped_up(draft: _Draft) -> bool:
    return any(top_up.is_confirming for top_up in draft.top_ups)


def after_delivery(before: Payment, decision: Decision, failures: dict[str, str], *, now: datetime) -> Decision | None:
    """Return what is to be written once receivers were sent ``decision.notifications``; None when nothing is.

    ``before`` is the root as it was before the decision, ``failures`` names each signal that failed, with its error.
    """
    root = decision.group.root
    draft = _Draft(Group(root, (root,)), now)
    draft.is_requested = decision.is_requested
    if failures:
        _keep_undelivered(draft, before, failures)
    elif draft.is_requested or set(before.undelivered) - set(root.undelivered):
        draft.log(root, Outcome.ANNOUNCED)
    else:
        return None
    return draft.decision()


def _keep_undelivered(draft: _Draft, before: Payment, failures: dict[str, str]) -> None:
    root, error = draft.root, "\n".join(failures.values())
    root.undelivered = list(dict.fromkeys([*failures, *root.undelivered]))
    root.delivery_attempts = before.delivery_attempts + 1
    pause = RETRY_PAUSES[min(root.delivery_attempts, len(RETRY_PAUSES)) - 1]
    root.next_delivery_at = draft.now + pause * schedule.MINUTE
    root.announce_error = error
    if "payment_updated" in failures:
        root.notified_state = before.notified_state
    # The same failure comes again and again; it is written down once, unless somebody asked.
    if error != before.announce_error or draft.is_requested:
        draft.log(root, Outcome.NOT_ANNOUNCED, error=error)
