"""One entry in the books: what a report, or a person, changes of a payment, and who has to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_payram import conf, schedule
from django_payram.exceptions import PayramDataError
from django_payram.lifecycle import announcing, ratchet
from django_payram.lifecycle.truths import PAID_SECOND, Truths
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.states import FUNDED, Review, State, higher, weightiest

if TYPE_CHECKING:
    from datetime import datetime

    from django_payram.wire import Report

OTHER_REQUEST = "request"
"""Stands among the reasons raised while PayRam is known to have asked the customer for another amount."""


def next_check(payment: Payment, *, now: datetime) -> datetime | None:
    """Return when PayRam should next be asked about ``payment`` by itself; None means never."""
    # A payment that its top-ups have paid is as settled as a filled one.
    state = State.FILLED if payment.is_paid else State(payment.state)
    since = payment.paid_at or payment.closed_at or payment.created_at
    if payment.is_confirming or state == State.PARTIALLY_FILLED:
        since = payment.updated_at
    return schedule.next_check(state, since=since, now=now, confirming=payment.is_confirming)


class Entry(Truths):
    """What is about to be written of one payment, decided from its locked rows."""

    announced: bool
    """Whether all receivers that had to be told succeeded. Known once it is committed, as is ``interrupt``."""
    interrupt: BaseException | None
    """What stops this process, if a receiver met it."""

    def __init__(self, payment: Payment, *, source: Source, payload: str, actor: str) -> None:
        super().__init__(payment, source=source, payload=payload, actor=actor)
        self.news = False
        self.due: set[str] = set()

    # What is heard

    def hear(self, report: Report, *, asked_at: datetime | None, url: str) -> None:
        """Take in a report: move the ratchet, then settle what follows from it."""
        if asked_at is not None:
            self.set(self.row, checked_at=self.now)
        self._identify(report, url)
        if report.state is None:
            self._note_unknown_state(report)
        else:
            self._move(report, asked_at)
            self._settle(report, asked_at)
        self.set(self.row, next_check_at=next_check(self.row, now=self.now))

    def fail(self, outcome: Outcome, *, error: str, reference: str | None) -> None:
        """Take in that the create call got no link, and free the order for another try."""
        if outcome == Outcome.REFUSED:
            self._advance(State.FAILED)
        if reference and not self.row.reference:
            self.set(self.row, reference=reference, next_check_at=self.now)
        self.set(self.row, live_slot=None, told_state=self.row.state)
        self.log(outcome, error=error)

    def repeat(self) -> None:
        """Make everything that is true now due once more."""
        self.due = set(self.truths())

    def pay(self) -> None:
        """Mark the root as paid in full, which happens once."""
        self.set(self.root, paid_at=self.now, live_slot=None)
        self.log(Outcome.PAID, payment=self.root)
        if self.paid_by_another():
            self._flag(self.root, Review.DUPLICATE)
            self.set(self.root, raised=f"{self.root.raised} {PAID_SECOND}")
        self.due.add("payment_paid")
        self.set(self.root, next_check_at=next_check(self.root, now=self.now))

    def unflag(self, outcome: Outcome, *, note: str = "") -> None:
        """Clear the review. Its reason stays among those raised, so that it does not come back by itself."""
        self.set(self.root, review="")
        self.log(outcome, payment=self.root, note=note)

    def doubt(self, reference: str) -> None:
        """Let a person look at the payment: money may belong to it that PayRam could not place."""
        if Review.PARTIAL not in self.row.raised.split():
            self.log(Outcome.DOUBTFUL, note=reference)
        self._flag(self.row, Review.PARTIAL)

    def _identify(self, report: Report, url: str) -> None:
        if report.reference and not self.row.reference:
            self.set(self.row, reference=report.reference)
        elif report.reference not in (None, self.row.reference):
            # Two references were taken for one lost payment at once. The other one is another payment.
            raise PayramDataError(f"The payment {self.row} has a reference other than {report.reference}.")
        if url and not self.row.url:
            self.set(self.row, url=url)
            self.log(Outcome.CREATED)

    def _move(self, report: Report, asked_at: datetime | None) -> None:
        """Move the ratchet of state and sum; everything decided from the row as it was comes first."""
        state = ratchet.reported_state(report)
        if state is None:
            return
        late = state in FUNDED and (ratchet.was_canceled(self.row) or (self.row is self.root and self.is_outdated()))
        rising = higher(State(self.row.state), state) != self.row.state
        richer = ratchet.raises_sum(self.row, report)
        sighted = ratchet.first_sight(self.row, report)
        self.news = rising or richer or sighted
        if asked_at is not None and ratchet.falls_below(self.row, report, asked_at=asked_at):
            self._flag(self.root, Review.REGRESSION)
        self._describe(report)
        if richer or ratchet.fills(self.row, report):
            self.set(self.row, filled_usd=report.filled_usd)
        self._advance(state)
        if late and (rising or richer):
            self._flag(self.row, Review.LATE)
        if self.news:
            self.set(self.row, updated_at=self.now)
            self._log_move(sighted=sighted)

    def _advance(self, state: State) -> None:
        self.row.state = higher(State(self.row.state), state)
        self.touch(self.row, "state")

    def _log_move(self, *, sighted: bool) -> None:
        # Opening a link is told to the caller of open_payment, not to receivers.
        if self.source == Source.CHECKOUT and self.row.state == State.OPEN and not sighted:
            self.set(self.row, told_state=self.row.state)
            return
        self.log(Outcome.RECORDED)
        self.due.add("payment_updated")

    def _describe(self, report: Report) -> None:
        if ratchet.describes(self.row, report):
            self.set(self.row, **ratchet.description(report))

    def _note_unknown_state(self, report: Report) -> None:
        seen = PaymentEvent.objects.using(database()).filter(
            payment=self.row, outcome=Outcome.UNKNOWN_STATE, note=report.word
        )
        if not seen.exists():
            self.log(Outcome.UNKNOWN_STATE, note=report.word)

    # What follows

    def _settle(self, report: Report, asked_at: datetime | None) -> None:
        if ratchet.closes(report) and self.row.closed_at is None:
            self._close()
        self._count_top_ups()
        wrong = self._is_wrong(report)
        if wrong:
            # A person may have settled it before the money came: news of it is looked at again.
            self._flag(self.root, Review.AMOUNT, again=self.news and self.root.is_held)
        elif asked_at is not None and self.root.review == Review.AMOUNT:
            self._release()
        if not wrong and self._may_be_paid():
            self.pay()

    def _release(self) -> None:
        """End a hold. What stood under it comes back, unless a person has settled a review of the payment before."""
        self.unflag(Outcome.RELEASED)
        settled = PaymentEvent.objects.using(database()).filter(payment=self.root, outcome=Outcome.RESOLVED)
        under = {word for word in self.root.raised.split() if word in Review.values} - {Review.AMOUNT.value}
        if under and not settled.exists():
            self.set(self.root, review=weightiest(under))

    def _close(self) -> None:
        self.set(self.row, closed_at=self.now, live_slot=None)
        if self.row.is_paid or self.row is not self.root:
            return
        if self.row.state == State.PARTIALLY_FILLED or (self.row.state == State.CANCELED and self.row.received_usd):
            self._flag(self.row, Review.PARTIAL)
        elif self.row.state == State.CANCELED:
            self.log(Outcome.SUPERSEDED if self.replaced() else Outcome.CANCELED)
            self.due.add("payment_canceled")

    def _count_top_ups(self) -> None:
        total = sum(top_up.received_usd for top_up in self.top_ups)
        if total > self.root.topped_up_usd:
            self._flag_surprising_top_up()
            self.set(self.root, topped_up_usd=total, updated_at=self.now)

    def _flag_surprising_top_up(self) -> None:
        """Money under a new reference for a payment that is paid, or whose link was closed, surprises the shop."""
        if self.root.is_paid:
            self._flag(self.root, Review.DUPLICATE)
        elif ratchet.was_canceled(self.root) or self.is_outdated():
            self._flag(self.root, Review.LATE)

    def _is_wrong(self, report: Report) -> bool:
        """Return whether the amount holds the payment back: PayRam asked for another one, or too little has come.

        Once PayRam is known to have asked for another amount, only its own word that it did not clears that: an answer
        that does not say what was asked for proves nothing.
        """
        raised = self.root.raised.split()
        differs = OTHER_REQUEST in raised
        if self.row is self.root and report.requested_usd is not None:
            differs = ratchet.amount_differs(self.row, report)
            kept = [word for word in raised if word != OTHER_REQUEST]
            self.set(self.root, raised=" ".join([*kept, OTHER_REQUEST] if differs else kept))
        return differs or ratchet.is_short(self.root, tolerance_percent=self._tolerance())

    def _may_be_paid(self) -> bool:
        if self.root.is_paid or self.root.review == Review.AMOUNT:
            return False
        covered = ratchet.is_covered(self.root, self.top_ups, tolerance_percent=self._tolerance())
        return covered or (self.root.is_filled and self.row is self.root)

    def _tolerance(self) -> float:
        return conf.project(self.row.project).shortfall_percent

    # What is told

    def commit(self) -> None:
        """Write everything and tell the receivers; ``announced`` says whether all of them succeeded."""
        waiting = set(self.root.pending.split())
        wanted = waiting | self.due
        due = announcing.with_receivers(wanted & set(self.truths()))
        put_off = sorted(wanted.intersection(self.put_off()))
        before = {name: getattr(self.root, name) for name in ("told_state", "announce_error")}
        if wanted:
            # Written as if all went well: the usual case then needs one UPDATE.
            self.set(self.root, pending=" ".join(put_off), announce_error="", told_state=self.root.state)
        self.save()
        told = announcing.tell(self.root, due, previous_state=before["told_state"])
        if told.failures:
            self._remember(told.failures, put_off, **before)
        elif waiting.difference(put_off):
            self.log(Outcome.ANNOUNCED, payment=self.root)
        self.save()
        self.announced, self.interrupt = not told.failures, told.interrupt

    def _remember(self, failures: dict[str, str], put_off: list[str], *, told_state: str, announce_error: str) -> None:
        error = "\n".join(failures.values())
        self.set(self.root, pending=" ".join([*failures, *put_off]), announce_error=error)
        if "payment_updated" in failures:
            self.set(self.root, told_state=told_state)
        # The same failure is told again and again; it is written down once.
        if error != announce_error:
            self.log(Outcome.NOT_ANNOUNCED, payment=self.root, error=error)

    def _flag(self, payment: Payment, reason: Review, *, again: bool = False) -> None:
        """Raise a reason for review, once. A weaker reason never hides a weightier one."""
        raised = payment.raised.split()
        if reason in raised and not (again and payment.review != reason):
            return
        standing = weightiest([payment.review, reason])
        if standing != payment.review and payment is self.root:
            self.due.add("payment_needs_review")
        self.set(payment, raised=" ".join(dict.fromkeys([*raised, reason])), review=standing)
        self.log(Outcome.REVIEW, payment=payment, note=reason.value)
