"""What is true of a payment among its order's others, and may be told of it: questions about locked rows."""

from __future__ import annotations

from django_payram.lifecycle import announcing
from django_payram.lifecycle.sheet import Sheet
from django_payram.models import CRASHED_AFTER, Payment
from django_payram.states import State

PAID_SECOND = "second"
"""Stands among the reasons raised when another payment of the order had been paid before.

Clocks differ, so that times do not tell.
"""


class Truths(Sheet):
    """A sheet that knows what its root may be called now."""

    def paid_by_another(self) -> bool:
        """Return whether another payment has paid the order."""
        return any(other.is_paid for other in self.others)

    def is_outdated(self) -> bool:
        """Return whether another amount was asked for since: what comes now may not be what the order costs."""
        newer = [other for other in self.others if other.pk > self.root.pk and other.state != State.FAILED]
        return any(other.amount_usd != self.root.amount_usd for other in newer)

    def replaced(self) -> bool:
        """Return whether it is a matter of no interest that the link is dead."""
        return bool(self._replacements())

    def _replacements(self) -> list[Payment]:
        """Return the other payments that are open or have money: the order does not depend on a dead link then."""
        return [other for other in self.others if self._has_money(other) or self._waits(other)]

    def _has_money(self, other: Payment) -> bool:
        return other.is_paid or other.is_confirming or bool(other.received_usd)

    def _waits(self, other: Payment) -> bool:
        return other.is_open and not self._crashed(other)

    def _tops_up_soon(self) -> bool:
        return any(top_up.is_confirming for top_up in self.top_ups)

    def _crashed(self, other: Payment) -> bool:
        """Return whether a create call brings no link any more: it got no answer, or its process is gone."""
        ended = other.live_slot is None or other.created_at < self.now - CRASHED_AFTER
        return other.state == State.CREATING and ended

    def truths(self) -> list[str]:
        """Return the signals that are true of the root now; what was due and is no longer true is not told."""
        root = self.root
        duplicate = PAID_SECOND in root.raised.split() and self.paid_by_another()
        truths = {
            "payment_paid": root.is_paid and not duplicate,
            "payment_canceled": self._is_dead() and not self.replaced() and not self._tops_up_soon(),
            "payment_needs_review": bool(root.review),
            "payment_updated": True,
        }
        return [name for name, holds in truths.items() if holds]

    def _is_dead(self) -> bool:
        root = self.root
        closed = root.state == State.CANCELED and root.closed_at is not None
        return closed and not root.received_usd and not root.is_paid

    def put_off(self) -> list[str]:
        """Return what cannot be said yet: whether a dead link is replaced, while the call for another is under way.

        Nor whether nothing came, while money under a new reference is confirming.
        """
        others = self._replacements()
        being_made = others and all(other.state == State.CREATING for other in others)
        undecided = self._is_dead() and (being_made or self._tops_up_soon())
        return announcing.with_receivers(["payment_canceled"] if undecided else [])
