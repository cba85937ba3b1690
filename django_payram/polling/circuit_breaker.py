"""When a project's PayRam is not asked: it gives no answer, or has asked for a pause."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_payram import conf
from django_payram.exceptions import PayramError, PayramUnavailable
from django_payram.gateway.client import client_for

if TYPE_CHECKING:
    from django_payram.gateway.payloads import PaymentUpdate
    from django_payram.models import Payment

FAILURES_IN_A_ROW = 10
"""After so many calls without an answer, one after the other, PayRam counts as down for the rest of the run."""
LONGEST_PAUSE_SECONDS = 60
"""How long a run waits when PayRam says 429; for more it is not asked now, and the payments become due again."""


class CircuitBreaker:
    """Asks one project's PayRam. It opens when PayRam seems to be down, and pauses for as long as PayRam asks."""

    def __init__(self, project: str = conf.DEFAULT_PROJECT) -> None:
        self.project = project
        self.failures = 0
        self.open_reason = ""
        """Why PayRam is not asked any more in this run; blank while it is."""
        self._paused_until = -math.inf
        self._lock = threading.Lock()

    def ask(self, payment: Payment) -> PaymentUpdate | Exception:
        """Ask about one payment. Errors are returned, and noted."""
        answer: PaymentUpdate | Exception
        try:
            client = client_for(conf.project(self.project))
            answer = client.fetch(payment.reference or "", customer_id=payment.customer_id or None)
        except (PayramError, ImproperlyConfigured) as exc:
            # A project that was taken out of the settings must not keep the others from being asked.
            answer = exc
        self.note(answer)
        return answer

    def note(self, answer: PaymentUpdate | Exception) -> None:
        """Count how a call ended; enough of them without an answer, one after the other, open the breaker."""
        unavailable = answer if isinstance(answer, PayramUnavailable) else None
        with self._lock:
            is_outage = unavailable is not None and (unavailable.status or 500) >= 500
            self.failures = self.failures + 1 if is_outage else 0
            if self.failures >= FAILURES_IN_A_ROW:
                self.open_reason = f"PayRam gave no answer {FAILURES_IN_A_ROW} times in a row. {answer}"
        if unavailable is not None and unavailable.retry_after is not None:
            self.pause(unavailable.retry_after)

    def pause(self, seconds: int) -> None:
        """Do as PayRam asks with Retry-After: let every thread wait, or open when that would take too long."""
        if seconds > LONGEST_PAUSE_SECONDS:
            self.open_reason = f"PayRam asks for a pause of {seconds} seconds."
        self._paused_until = max(self._paused_until, time.monotonic() + min(seconds, LONGEST_PAUSE_SECONDS))

    @property
    def seconds_to_wait(self) -> float:
        """For how many seconds PayRam is not to be asked yet; 0 when open, since nobody waits for it then."""
        return 0 if self.open_reason else max(self._paused_until - time.monotonic(), 0)


class CircuitBreakers(dict[str, CircuitBreaker]):
    """The circuit breaker of each project, by name."""

    def __missing__(self, project: str) -> CircuitBreaker:
        breaker = self[project] = CircuitBreaker(project)
        return breaker

    def open(self) -> set[str]:
        """Return the projects that are not asked for the rest of the run."""
        return {name for name, breaker in self.items() if breaker.open_reason}
