"""The moments at which a process dies: places in the code, wrapped from outside, so that the product knows of nothing.

One moment is armed at a time, by its name in the file that the variable ``CRASH_FILE`` names. The first process that
comes there takes the file away and kills itself.
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

    def plant(self, label):
        """Wrap the function so that its caller dies there when ``label`` is armed."""
        place = importlib.import_module(self.module)
        *path, name = self.name.split(".")
        for part in path:
            place = getattr(place, part)
        setattr(place, name, self._wrapped(getattr(place, name), label))

    def _wrapped(self, function, label):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if self.when == "before":
                reach(label)
            result = function(*args, **kwargs)
            if self.when == "after":
                reach(label)
            return result

        return wrapper


def before(place):
    return Point("before", *place.split(":"))


def after(place):
    return Point("after", *place.split(":"))


OPEN = {
    "the row is written and not committed": after("django_payram.models:Payment.save"),
    "the row is committed and PayRam not called": before("django_payram.lifecycle.opening:_create"),
    "the request has left and no answer came": before("django_payram.transport:_Connection.getresponse"),
    "the answer is there and not recorded": before("django_payram.lifecycle.opening:_record_link"),
    "the link is written and not committed": after("django_payram.lifecycle.entry:Entry.save"),
    "the link is committed and the customer not led there": after("django_payram.lifecycle.opening:_record_link"),
}

RECORD = {
    "the webhook is authenticated": after("django_payram.views.webhook:_project"),
    "PayRam is about to be asked": before("django_payram.client:Client.fetch"),
    "PayRam has answered": after("django_payram.client:Client.fetch"),
    "the news is decided and not written": before("django_payram.lifecycle.entry:Entry.save"),
    "the news is written and not announced": after("django_payram.lifecycle.entry:Entry.save"),
    "a receiver is about to write": before("benchmarks.shop.models:Told.save"),
    "a receiver has written": after("benchmarks.shop.models:Told.save"),
    "all receivers are done and nothing is committed": after("django_payram.lifecycle.announcing:tell"),
    "all is committed and the webhook not answered": after("django_payram.lifecycle.asking:record"),
}

ANNOUNCE = {"on_commit": None}

RESYNC = {
    "payments are claimed": after("django_payram.resync.claiming:claim"),
    "PayRam has answered resync": after("django_payram.resync.lines:Line._answer"),
    "resync has written and not announced": RECORD["the news is written and not announced"],
    "a receiver has written for resync": RECORD["a receiver has written"],
    "resync has recorded one payment": after("django_payram.resync.running:_Desk._record"),
}

PAGE = {
    "the status page has taken its turn to ask": after("django_payram.lifecycle.asking:_claim"),
    "the status page has its answer": RECORD["PayRam has answered"],
}

TOP_UP = {
    "the unknown reference is confirmed": after("django_payram.client:Client.fetch"),
    "the top-up is saved and not recorded": after("django_payram.lifecycle.adopting:_save"),
    "the top-up is recorded and not committed": after("django_payram.lifecycle.announcing:tell"),
}

GROUPS = (OPEN, RECORD, ANNOUNCE, RESYNC, PAGE, TOP_UP)


def plant():
    """Wrap every place once, in the order of the table."""
    for group in GROUPS:
        for label, point in group.items():
            if point is not None:
                point.plant(label)


def reach(label):
    """Die here if this is the moment that is armed."""
    armed = Path(os.environ[CRASH_FILE])
    with suppress(FileNotFoundError):
        if armed.read_text() == label:
            armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
