"""The lines to PayRam's servers: who is asked, and when one is left alone."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_payram import conf
from django_payram.client import client_for
from django_payram.exceptions import PayramError, PayramUnavailable

if TYPE_CHECKING:
    from django_payram.models import Payment
    from django_payram.wire import Report

FAILURES_IN_A_ROW = 10
"""So many calls without an answer, one after the other, stop the run: PayRam is down."""
LONGEST_PAUSE_SECONDS = 60
"""How long a run waits when PayRam says 429; past that it stops, and the payments come round again."""


class Line:
    """The line to one project's PayRam: cut when it seems to be down, held while it asks to be left alone."""

    def __init__(self, project: str = conf.DEFAULT_PROJECT) -> None:
        self.project = project
        self.failures = 0
        self.cut = ""
        self.held_until = timezone.now()
        self._lock = threading.Lock()

    def ask(self, payment: Payment) -> Report | Exception:
        """Ask about one payment and note how it went."""
        answer = self._answer(payment)
        self.note(answer)
        return answer

    def _answer(self, payment: Payment) -> Report | Exception:
        try:
            client = client_for(conf.project(self.project))
            return client.fetch(payment.reference, customer_id=payment.customer_id or None)
        except (PayramError, ImproperlyConfigured) as exc:
            # A project that was taken out of the settings must not keep the others from being asked.
            return exc

    def note(self, answer: Report | Exception) -> None:
        """Take in how a call ended; enough of them without an answer, one after the other, cut the line."""
        with self._lock:
            self.failures = self.failures + 1 if _is_outage(answer) else 0
            if self.failures >= FAILURES_IN_A_ROW:
                self.cut = f"PayRam gave no answer {FAILURES_IN_A_ROW} times in a row. {answer}"
        if isinstance(answer, PayramUnavailable) and answer.retry_after is not None:
            self.leave_alone(answer.retry_after)

    def leave_alone(self, seconds: int) -> None:
        """Do as PayRam asks with Retry-After: wait for it, or cut the line when that would take too long."""
        if seconds > LONGEST_PAUSE_SECONDS:
            self.cut = f"PayRam asks to be left alone for {seconds} seconds."
        self.hold(min(seconds, LONGEST_PAUSE_SECONDS))

    def hold(self, seconds: int) -> None:
        """Let every thread wait for so long."""
        self.held_until = max(self.held_until, timezone.now() + timedelta(seconds=seconds))

    @property
    def held_for(self) -> float:
        """For how many seconds the line is to be left alone still; 0 when it is cut, since nobody waits for it then."""
        return 0 if self.cut else max((self.held_until - timezone.now()).total_seconds(), 0)


class Lines(dict[str, Line]):
    """The line of each project, by name."""

    def __missing__(self, project: str) -> Line:
        line = self[project] = Line(project)
        return line

    def cut(self) -> set[str]:
        """Return the projects that are left alone for the rest of the run."""
        return {name for name, line in self.items() if line.cut}


def _is_outage(answer: Report | Exception) -> bool:
    return isinstance(answer, PayramUnavailable) and (answer.status is None or answer.status >= 500)
