"""The gate. All roads by which news of a payment comes end here, and nothing else writes a payment's state or sends a
signal.

    open_payment   a shop asks for money: the row first, then the call to PayRam
    refresh        ask PayRam about one payment and record the answer
    freshen        the same for a page that a customer looks at: throttled, and never for long
    hear           a webhook said something: confirm it, then record it
    hear_left      webhooks that a process was to hear again and did not live to
    adopt          take in a payment that was made in PayRam's own dashboard
    record         the gate itself: lock, decide whether it is news, save, log, announce
    announce       tell receivers what they have not been told yet
    note_checked   the short way for answers that change nothing; update_unlocked does its writing
"""

from __future__ import annotations

from django_payram.lifecycle.adopting import adopt
from django_payram.lifecycle.asking import freshen, refresh
from django_payram.lifecycle.entry import next_check
from django_payram.lifecycle.gate import (
    Recorded,
    accept,
    announce,
    announce_again,
    record,
    resolve,
)
from django_payram.lifecycle.hearing import Heard, hear, keep_unreadable
from django_payram.lifecycle.noting import changes_nothing, note_checked, update_unlocked
from django_payram.lifecycle.opening import open_payment
from django_payram.lifecycle.rehearing import hear_left

__all__ = [
    "Heard",
    "Recorded",
    "accept",
    "adopt",
    "announce",
    "announce_again",
    "changes_nothing",
    "freshen",
    "hear",
    "hear_left",
    "keep_unreadable",
    "next_check",
    "note_checked",
    "open_payment",
    "record",
    "refresh",
    "resolve",
    "update_unlocked",
]
