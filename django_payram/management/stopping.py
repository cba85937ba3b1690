"""Ending a command on SIGTERM or Ctrl-C without losing what is under way."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.resync import Brake

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def pulled_by_signals(brake: Brake) -> Iterator[Brake]:
    """Let the first signal pull ``brake``; a second one acts as it always does."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; a command called from another one is stopped by its caller.
        yield brake
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def pull(*_: object) -> None:
        brake.pull()
        restore()

    for number in SIGNALS:
        signal.signal(number, pull)
    try:
        yield brake
    finally:
        restore()
