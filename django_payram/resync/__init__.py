"""Which payments are due, and asking about many of them.

``next_check_at`` is schedule and lease in one: a batch is claimed by pushing it to the next tier, which is committed
before PayRam is asked. A killed worker's payments come round again by themselves, and no two workers ask about one
payment in one tier. Threads only ask; what they bring back is recorded one by one.

    claim             take due payments
    run               ask about the due payments, or about given ones, and record the answers
    watch             go on with that as payments become due
    announce_pending  tell receivers what they have not been told yet
"""

from __future__ import annotations

from django_payram.resync.claiming import claim
from django_payram.resync.limits import Brake
from django_payram.resync.running import DEFAULT_THREADS, announce_pending, run
from django_payram.resync.summary import Asked, Summary, Told
from django_payram.resync.watching import watch

__all__ = ["DEFAULT_THREADS", "Asked", "Brake", "Summary", "Told", "announce_pending", "claim", "run", "watch"]
