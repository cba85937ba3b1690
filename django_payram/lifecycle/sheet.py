"""The sheet on which an entry is written: locked rows, what changed of them, and the lines of the timeline."""

from __future__ import annotations

from collections import defaultdict

from django.utils import timezone

from django_payram.lifecycle import siblings
from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.statements import Change, Insertion


class Sheet:
    """A payment locked with all that must be decided together with it: its order's other payments and its top-ups.

    All of them are locked by one query, by id, so that two payments of one order cannot both become the first paid.
    ``row`` is the payment itself, ``root`` what it tops up, or itself.
    """

    def __init__(self, payment: Payment, *, source: Source, payload: str, actor: str) -> None:
        self.source, self.payload, self.actor = source, payload, actor
        self.now = timezone.now()
        self._events: list[PaymentEvent] = []
        self._changed: dict[int, set[str]] = defaultdict(set)
        self.members = {member.pk: member for member in siblings.lock(payment)}
        if payment.pk not in self.members:
            raise Payment.DoesNotExist(f"The payment {payment.token} is gone.")
        self.row = self.members[payment.pk]
        self.root = self.members[self.row.parent_id or self.row.pk]
        self._before = self.row.state

    @property
    def top_ups(self) -> list[Payment]:
        """The payments that top up the root."""
        return [member for member in self.members.values() if member.parent_id == self.root.pk]

    @property
    def others(self) -> list[Payment]:
        """The order's other payments; top-ups are left out, they are part of what they top up."""
        return [member for member in self.members.values() if member.parent_id is None and member.pk != self.root.pk]

    def set(self, payment: Payment, **values: object) -> None:
        """Set fields and remember which of them changed."""
        for name, value in values.items():
            if getattr(payment, name) != value:
                setattr(payment, name, value)
                self.touch(payment, name)

    def touch(self, payment: Payment, name: str) -> None:
        """Remember that a field changed."""
        self._changed[payment.pk].add(name)

    def log(self, outcome: Outcome, *, payment: Payment | None = None, error: str = "", note: str = "") -> None:
        """Add a line to the timeline of ``payment``, by default the row."""
        subject = payment or self.row
        moved = subject is self.row and outcome in {Outcome.RECORDED, Outcome.CREATED, Outcome.REFUSED}
        self._events.append(
            PaymentEvent(
                payment=subject,
                project=subject.project,
                reference=subject.reference or "",
                source=self.source,
                outcome=outcome,
                state_before=self._before if moved else subject.state,
                state_after=subject.state,
                payload=self.payload if outcome == Outcome.RECORDED else "",
                error=error,
                note=note,
                actor=self.actor,
            )
        )

    def save(self) -> None:
        """Write the changed fields and the new lines: one UPDATE for each changed payment, one INSERT."""
        for member in self.members.values():
            if fields := self._changed.pop(member.pk, None):
                _change(member, sorted(fields), using=database())
        _add_lines(self._events, using=database())
        self._events = []


_change = Change(Payment)
_add_lines = Insertion(PaymentEvent)
