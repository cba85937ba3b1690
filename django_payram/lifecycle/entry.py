"""One entry in the books: a payment locked with all that must be decided together, and what is about to be written."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext as _

from django_payram import conf, schedule
from django_payram.lifecycle import announcing, ratchet
from django_payram.models import (
    CRASHED_AFTER,
    Outcome,
    Payment,
    PaymentEvent,
    Source,
    database,
    siblings,
)
from django_payram.states import FUNDED, Review, State, higher, larger, weightiest

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.wire import Report

DESCRIPTION = ("currency", "blockchain", "deposit_address", "explorer_url", "filled_amount")


def next_check(payment: Payment, *, now: datetime) -> datetime | None:
    """Return when PayRam should next be asked about ``payment`` by itself; None means never."""
    # A payment that its top-ups have paid is as settled as a filled one.
    state = State.FILLED if payment.is_paid else State(payment.state)
    since = payment.paid_at or payment.closed_at or payment.created_at
    if payment.is_confirming or state == State.PARTIALLY_FILLED:
        since = payment.updated_at
    return schedule.next_check(state, since=since, now=now, confirming=payment.is_confirming)


class Entry:
    """A transaction's view of one payment, its order's other payments, and its top-ups.

    All of them are locked by one query, by id, so that two payments of one order cannot both become the first paid.
    """

    def __init__(self, payment: Payment, *, source: Source, payload: str = "", actor: str = "") -> None:
        self.source, self.payload, self.actor = source, payload, actor
        self.now = timezone.now()
        self.news = False
        self.due: set[str] = set()
        self.events: list[PaymentEvent] = []
        self._changed: dict[int, set[str]] = defaultdict(set)
        rows = Payment.objects.using(database()).select_for_update().filter(siblings(payment))
        self._members = {member.pk: member for member in rows.order_by("pk")}
        if payment.pk not in self._members:
            raise Payment.DoesNotExist(f"The payment {payment.token} is gone.")
        self.row = self._members[payment.pk]
        self.root = self._members[self.row.parent_id or self.row.pk]
        self.before = self.row.state

    # What is heard

    def hear(self, report: Report, *, asked_at: datetime | None, url: str) -> None:
        """Take in a report: move the ratchet, then settle what follows from it."""
        if asked_at is not None:
            self._set(self.row, checked_at=self.now)
        if report.state is None:
            self._note_unknown_state(report)
        else:
            self._identify(report, url)
            self._move(report, asked_at)
            self._settle(report, asked_at)
        self._reschedule(self.row)

    def fail(self, outcome: Outcome, *, error: str, reference: str | None) -> None:
        """Take in that the create call got no link, and free the order for another try."""
        if outcome == Outcome.REFUSED:
            self._advance(State.FAILED)
        if reference and not self.row.reference:
            self._set(self.row, reference=reference, next_check_at=self.now)
        self._set(self.row, live_slot=None, told_state=self.row.state)
        self._log(outcome, error=error)

    def repeat(self) -> None:
        """Make everything that is true now due once more."""
        self.due.add("payment_updated")
        if self.root.is_paid and not self._paid_by_another():
            self.due.add("payment_paid")
        if self.root.state == State.CANCELED and not self._replaced():
            self.due.add("payment_canceled")
        if self.root.review:
            self.due.add("payment_needs_review")

    def pay(self) -> None:
        """Mark the root as paid in full, which happens once."""
        self._set(self.root, paid_at=self.now, live_slot=None)
        self._log(Outcome.PAID, payment=self.root)
        if self._paid_by_another():
            self._flag(self.root, Review.DUPLICATE)
        else:
            self.due.add("payment_paid")
        self._reschedule(self.root)

    def unflag(self, outcome: Outcome, *, note: str) -> None:
        """Clear the review. Its reason stays among those raised, so that it does not come back by itself."""
        self._set(self.root, review="")
        self._log(outcome, payment=self.root, note=note)

    def _identify(self, report: Report, url: str) -> None:
        if report.reference and not self.row.reference:
            self._set(self.row, reference=report.reference)
        if url and not self.row.url:
            self._set(self.row, url=url)
            self._log(Outcome.CREATED)

    def _move(self, report: Report, asked_at: datetime | None) -> None:
        """Move the ratchet of state and sum; everything decided from the row as it was comes first."""
        state = ratchet.reported_state(report)
        if state is None:
            return
        late = ratchet.was_canceled(self.row) and state in FUNDED
        rising = higher(State(self.row.state), state) != self.row.state
        richer = ratchet.raises_sum(self.row, report)
        self.news = rising or richer or ratchet.first_sight(self.row, report)
        if asked_at is not None and ratchet.falls_below(self.row, report, asked_at=asked_at):
            self._flag(self.row, Review.REGRESSION)
        self._describe(report)
        self._advance(state)
        if richer:
            self._set(self.row, filled_usd=larger(self.row.filled_usd, report.filled_usd))
        if late and (rising or richer):
            self._flag(self.row, Review.LATE)
        if self.news:
            self._set(self.row, updated_at=self.now)
            self._log_move()

    def _advance(self, state: State) -> None:
        self.row.state = higher(State(self.row.state), state)
        self._changed[self.row.pk].add("state")

    def _log_move(self) -> None:
        # Opening a link is told to the caller of open_payment, not to receivers.
        if self.source == Source.CHECKOUT and self.row.state == State.OPEN:
            self._set(self.row, told_state=self.row.state)
            return
        self._log(Outcome.RECORDED)
        self.due.add("payment_updated")

    def _describe(self, report: Report) -> None:
        if not ratchet.describes(self.row, report):
            return
        known = {name: getattr(report, name) for name in DESCRIPTION if getattr(report, name)}
        if report.on_chain:
            known["confirmations"] = report.confirmations or 0
            known["confirmations_required"] = report.confirmations_required
        self._set(self.row, **known)

    def _note_unknown_state(self, report: Report) -> None:
        seen = PaymentEvent.objects.using(database()).filter(
            payment=self.row, outcome=Outcome.UNKNOWN_STATE, note=report.word
        )
        if not seen.exists():
            self._log(Outcome.UNKNOWN_STATE, note=report.word)

    # What follows

    def _settle(self, report: Report, asked_at: datetime | None) -> None:
        if ratchet.closes(report) and self.row.closed_at is None:
            self._close()
        self._count_top_ups()
        wrong = self._is_wrong(report)
        if wrong:
            self._flag(self.root, Review.AMOUNT)
        elif asked_at is not None and self.root.is_held:
            self.unflag(Outcome.RESOLVED, note=_("The amount is right now."))
        if not wrong and self._may_be_paid():
            self.pay()

    def _close(self) -> None:
        self._set(self.row, closed_at=self.now, live_slot=None)
        if self.row.state == State.PARTIALLY_FILLED:
            self._flag(self.row, Review.PARTIAL)
        elif self.row.state == State.CANCELED and self.row is self.root:
            self._cancel()

    def _cancel(self) -> None:
        if self._replaced():
            self._log(Outcome.SUPERSEDED)
            return
        self._log(Outcome.CANCELED)
        self.due.add("payment_canceled")

    def _count_top_ups(self) -> None:
        total = sum((top_up.received_usd for top_up in self._top_ups()), start=self.root.topped_up_usd * 0)
        if total > self.root.topped_up_usd:
            self._flag_surprising_top_up()
            self.news = True
            self._set(self.root, topped_up_usd=total, updated_at=self.now)
            self.due.add("payment_updated")

    def _flag_surprising_top_up(self) -> None:
        """Money under a new reference for a payment that is paid, or whose link was closed, surprises the shop."""
        if self.root.is_paid:
            self._flag(self.root, Review.DUPLICATE)
        elif ratchet.was_canceled(self.root):
            self._flag(self.root, Review.LATE)

    def _is_wrong(self, report: Report) -> bool:
        """Return whether the amount holds the payment back: PayRam asked for another one, or too little has come."""
        differs = self.row is self.root and ratchet.amount_differs(self.row, report)
        return differs or ratchet.is_short(self.root, tolerance_percent=self._tolerance())

    def _may_be_paid(self) -> bool:
        if self.root.is_paid or self.root.review == Review.AMOUNT:
            return False
        covered = ratchet.is_covered(self.root, self._top_ups(), tolerance_percent=self._tolerance())
        return covered or (self.root.is_filled and self.row is self.root)

    def _tolerance(self) -> float:
        return conf.project(self.row.project).shortfall_percent

    def _top_ups(self) -> list[Payment]:
        return [member for member in self._members.values() if member.parent_id == self.root.pk]

    def _others(self) -> list[Payment]:
        """Return the order's other payments, top-ups left out: they are part of what they top up."""
        return [member for member in self._members.values() if member.parent_id is None and member is not self.root]

    def _paid_by_another(self) -> bool:
        return any(other.is_paid for other in self._others())

    def _replaced(self) -> bool:
        return any(other.is_paid or (other.is_open and not self._crashed(other)) for other in self._others())

    def _crashed(self, other: Payment) -> bool:
        return other.state == State.CREATING and other.created_at < self.now - CRASHED_AFTER

    # What is written

    def commit(self) -> bool:
        """Write everything and tell the receivers. Return whether all of them succeeded."""
        waiting = self.root.pending.split()
        due = announcing.with_receivers({*waiting, *self.due})
        previous_state = self.root.told_state
        if waiting or self.due:
            # Written as if all went well: the usual case then needs one UPDATE.
            self._set(self.root, pending="", announce_error="", told_state=self.root.state)
        if waiting:
            self._log(Outcome.ANNOUNCED, payment=self.root)
        self._save()
        failures = announcing.tell(self.root, due, previous_state=previous_state)
        if failures:
            self._remember(failures, previous_state)
        return not failures

    def _remember(self, failures: dict[str, str], previous_state: str) -> None:
        error = "\n".join(failures.values())
        self._set(self.root, pending=" ".join(failures), announce_error=error)
        if "payment_updated" in failures:
            self._set(self.root, told_state=previous_state)
        self._log(Outcome.NOT_ANNOUNCED, payment=self.root, error=error)
        self._save()

    def _save(self) -> None:
        for member in self._members.values():
            if fields := self._changed.pop(member.pk, None):
                member.save(using=database(), update_fields=sorted(fields))
        PaymentEvent.objects.using(database()).bulk_create(self.events)
        self.events = []

    def _set(self, payment: Payment, **values: object) -> None:
        for name, value in values.items():
            if getattr(payment, name) != value:
                setattr(payment, name, value)
                self._changed[payment.pk].add(name)

    def flag(self, reason: Review, *, note: str) -> None:
        """Raise a reason for review of the root, in words of its own."""
        self._flag(self.root, reason, note=note)

    def _flag(self, payment: Payment, reason: Review, note: str = "") -> None:
        """Raise a reason for review, once. A weaker reason never hides a weightier one."""
        raised = payment.raised.split()
        if reason in raised:
            return
        standing = weightiest([payment.review, reason])
        if standing != payment.review and payment is self.root:
            self.due.add("payment_needs_review")
        self._set(payment, raised=" ".join([*raised, reason]), review=standing)
        self._log(Outcome.REVIEW, payment=payment, note=note or str(reason.label))

    def _reschedule(self, payment: Payment) -> None:
        self._set(payment, next_check_at=next_check(payment, now=self.now))

    def _log(self, outcome: Outcome, *, payment: Payment | None = None, error: str = "", note: str = "") -> None:
        subject = payment or self.row
        self.events.append(
            PaymentEvent(
                payment=subject,
                project=subject.project,
                reference=subject.reference or "",
                source=self.source,
                outcome=outcome,
                state_before=self.before if subject is self.row else subject.state,
                state_after=subject.state,
                payload=self.payload if outcome == Outcome.RECORDED else "",
                error=error,
                note=note,
                actor=self.actor,
            )
        )
