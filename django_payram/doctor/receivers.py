"""Who listens to the signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from django_payram.doctor.findings import Finding, Level
from django_payram.models import Payment
from django_payram.signals import SIGNALS, payment_paid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal

    from django_payram.doctor.findings import Scope


def listeners(_scope: Scope) -> Iterator[Finding]:
    """Yield the receivers of each signal. A shop without one of payment_paid never marks an order as paid."""
    for name, signal in SIGNALS.items():
        found = sorted(_heard_by(signal))
        if found:
            text = _("%(signal)s is heard by %(receivers)s.") % {"signal": name, "receivers": ", ".join(found)}
            yield Finding("receivers", Level.OK, text)
        elif signal is payment_paid:
            text = _(
                "Nobody listens to payment_paid, so no order is ever marked as paid. "
                "Connect a receiver in a module payram_receivers.py of an installed app."
            )
            yield Finding("receivers", Level.PROBLEM, text)
        else:
            yield Finding("receivers", Level.OK, _("Nobody listens to %(signal)s.") % {"signal": name})


def _heard_by(signal: Signal) -> Iterator[str]:
    # The public attribute holds weak references in tuples whose length differs between Django's versions.
    for group in signal._live_receivers(Payment):  # noqa: SLF001
        yield from (_name(receiver) for receiver in group)


def _name(receiver: Callable[..., object]) -> str:
    named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{named.__module__}.{named.__qualname__}"
