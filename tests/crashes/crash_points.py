"""The moments at which a process is killed: functions of the package, wrapped from outside.

One crash point is armed at a time, by its label in the file that the variable ``CRASH_FILE`` names. The first process
that reaches it deletes the file and kills itself.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CRASH_FILE = "CRASH_FILE"


@dataclass(frozen=True)
class Point:
    """Before or after a call of ``module:name``."""

    when: str
    module: str
    name: str

    def install(self, label):
        """Wrap the function so that its caller is killed there when ``label`` is armed."""
        place = importlib.import_module(self.module)
        *path, name = self.name.split(".")
        for part in path:
            place = getattr(place, part)
        setattr(place, name, self._wrapped(getattr(place, name), label))

    def _wrapped(self, function, label):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if self.when == "before":
                crash_if_armed(label)
            result = function(*args, **kwargs)
            if self.when == "after":
                crash_if_armed(label)
            return result

        return wrapper


def before(place):
    return Point("before", *place.split(":"))


def after(place):
    return Point("after", *place.split(":"))


OPEN = {
    "the row is written and not committed": after("django_payram.models.payment:Payment.save"),
    "the row is committed and PayRam not called": before("django_payram.payments.checkout:create_link"),
    "the request has left and no answer came": before("django_payram.gateway.transport:_Connection.getresponse"),
    "the answer is there and not recorded": before("django_payram.payments.checkout:_record_link"),
    "the link is written and not committed": after("django_payram.payments.transitions:_save"),
    "the link is committed and the customer not led there": after("django_payram.payments.checkout:_record_link"),
}

RECORD = {
    "the webhook is authenticated": after("django_payram.views.webhook:_authenticate"),
    "PayRam is about to be asked": before("django_payram.gateway.client:Client.fetch"),
    "PayRam has answered": after("django_payram.gateway.client:Client.fetch"),
    "the news is decided and not written": before("django_payram.payments.transitions:_save"),
    "the news is written and not announced": after("django_payram.payments.transitions:_save"),
    "a receiver is about to write": before("benchmarks.shop.models:ReceivedSignal.save"),
    "a receiver has written": after("benchmarks.shop.models:ReceivedSignal.save"),
    "all receivers are done and nothing is committed": after("django_payram.payments.notifications:deliver"),
    "all is committed and the webhook not answered": after("django_payram.payments.transitions:apply"),
}

ANNOUNCE = {"on_commit": None}

RESYNC = {
    "payments are claimed": after("django_payram.polling.claims:claim"),
    "PayRam has answered resync": after("django_payram.polling.circuit_breaker:CircuitBreaker.ask"),
    "resync has written and not announced": RECORD["the news is written and not announced"],
    "a receiver has written for resync": RECORD["a receiver has written"],
    "resync has recorded one payment": after("django_payram.polling.worker:_Recorder._record"),
}

PAGE = {
    "the status page has claimed the check": after("django_payram.payments.refresh:_claim_check"),
    "the status page has its answer": RECORD["PayRam has answered"],
}

TOP_UP = {
    "the unknown reference is confirmed": after("django_payram.gateway.client:Client.fetch"),
    "the top-up is saved and not recorded": after("django_payram.payments.matching:_insert"),
    "the top-up is recorded and not committed": after("django_payram.payments.notifications:deliver"),
}

GROUPS = (OPEN, RECORD, ANNOUNCE, RESYNC, PAGE, TOP_UP)


def install():
    """Wrap every function once, in the order of the table."""
    for group in GROUPS:
        for label, point in group.items():
            if point is not None:
                point.install(label)


def crash_if_armed(label):
    """Kill this process if this crash point is armed."""
    armed = Path(os.environ[CRASH_FILE])
    with suppress(FileNotFoundError):
        if armed.read_text() == label:
            armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
