"""What became of one payment, and of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_payram.models import Payment


@dataclass(frozen=True)
class Asked:
    """One payment that PayRam was asked about: what was recorded, or the error."""

    payment: Payment
    state_before: str
    news: bool = False
    announced: bool = True
    error: Exception | None = None


@dataclass(frozen=True)
class Told:
    """One payment whose receivers were told what was pending, or failed again."""

    payment: Payment
    announced: bool


@dataclass
class Summary:
    """What a run did. ``stopped`` says why it ended early, ``down`` that PayRam was the reason."""

    asked: int = 0
    news: int = 0
    failed: int = 0
    receivers_failed: int = 0
    announced: int = 0
    stopped: str = ""
    down: bool = False

    def count(self, asked: Asked) -> None:
        """Add one payment that PayRam was asked about."""
        self.asked += 1
        self.news += asked.news
        self.failed += asked.error is not None
        self.receivers_failed += not asked.announced

    def count_told(self, told: Told) -> None:
        """Add one payment whose receivers were told what was pending."""
        self.announced += told.announced
        self.receivers_failed += not told.announced

    @property
    def exit_code(self) -> int:
        """0 all well, 1 PayRam could not be asked, 3 a receiver failed and will be told again."""
        if self.failed or self.down:
            return 1
        return 3 if self.receivers_failed else 0
