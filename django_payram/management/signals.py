"""Ending a command on SIGTERM or Ctrl-C without losing what is under way."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.polling.rate_limit import StopSignal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def set_by_signals(stop: StopSignal) -> Iterator[StopSignal]:
    """Let the first signal set ``stop``; a second one acts as it always does."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; a command called from another one is stopped by its caller.
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def end(*_: object) -> None:
        stop.set()
        restore()

    for number in SIGNALS:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        restore()
