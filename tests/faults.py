"""Errors raised at any line of the package: what a report of each of them would show."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

import django_payram

PACKAGE = str(Path(django_payram.__file__).parent)


class Fault(Exception):
    """An error that nobody expects."""


@contextmanager
def _traced(on_line):
    """Call ``on_line(frame)`` before each line of ours that this thread executes."""

    def local(frame, event, arg):
        if event == "line":
            on_line(frame)
        return local

    def enter(frame, event, arg):
        return local if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def _place(frame):
    return Path(frame.f_code.co_filename).relative_to(PACKAGE).as_posix(), frame.f_code.co_name, frame.f_lineno


def lines(work):
    """Run ``work`` and return the lines of ours that it executes, as (file, function, line), in order."""
    seen = {}
    with _traced(lambda frame: seen.setdefault(_place(frame))):
        work()
    return list(seen)


@contextmanager
def raising_at(place):
    """Raise a Fault when this thread first comes to ``place``."""

    def raise_there(frame):
        if _place(frame) == place:
            raise Fault("Nobody expected this.")

    with _traced(raise_there):
        yield
