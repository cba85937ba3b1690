"""What a shop can listen to. Every signal has ``sender=Payment`` and the argument ``payment``.

One contract holds for all:

* A signal is sent inside the transaction that records the news, after the last write, in a savepoint of its own. What
  the receivers write to the same database commits together with the payment, exactly once.
* If a receiver raises, the savepoint is undone, the payment's new state commits all the same, the error is kept on the
  payment and shown in the admin, and the signal is sent again (by a repeated webhook, the status page, the admin, and
  by polling with growing pauses) until the receivers succeed. They are then sent what is true at that time, so a
  receiver should look at ``payment`` rather than count signals.
* Work that leaves the database (a mail, a Celery task, a call to another server) belongs in
  ``transaction.on_commit()`` inside the receiver. A crash between the commit and that callback can lose it; where that
  matters, write a row in the receiver and work it off later.
* ``signal.on(Order)`` connects a receiver for the payments of one model alone, and gives it the order, read anew and
  locked: the order of locks is the payment first, then the order.
* A receiver may be a coroutine function. It is run to its end before the transaction commits, as any other.
* A signal without receivers counts as delivered. ``payment_paid`` alone waits up to seven days for a process that has
  a receiver.
"""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.db import router, transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.models import Model

    from django_payram.models import Payment

    Arguments = Callable[[Payment, str], Mapping[str, object]]


class PaymentSignal(Signal):
    """A signal about a payment.

    ``arguments`` returns what is sent beside the payment, from the payment and the state that receivers of
    ``payment_updated`` were last sent.
    """

    def __init__(self, arguments: Arguments = lambda _payment, _previous_state: {}) -> None:
        super().__init__()
        self.arguments = arguments
        self._connected: dict[Any, Any] = {}

    def on(self, model: type[Model]) -> Callable[[Any], Any]:
        """Return a decorator for a receiver of payments whose order is a ``model``.

        The receiver is called as ``receiver(order, payment, **kwargs)``, with the order read anew and its row locked.
        It is not called for payments of other models, of no order, and of an order that is not there any more. It may
        be a coroutine function.
        """

        def connect(receiver: Any) -> Any:
            call = async_to_sync(receiver) if inspect.iscoroutinefunction(receiver) else receiver

            def receive(payment: Payment, **kwargs: Any) -> None:
                # Orders may be in another database than payments, which are in a transaction already.
                using = router.db_for_write(model)
                is_elsewhere = using != payment._state.db  # noqa: SLF001 - Django's documented name
                with transaction.atomic(using=using) if is_elsewhere else nullcontext():
                    if (order := payment.locked_order(model)) is not None:
                        call(order, payment, **kwargs)

            if (receiver, model) in self._connected:
                return receiver
            self._connected[receiver, model] = receive
            self.connect(receive, weak=False)
            return receiver

        return connect

    def disconnect(self, receiver: Any = None, sender: Any = None, dispatch_uid: Any = None) -> bool:
        """Disconnect a receiver, also one that was connected by ``on``. Return whether it was connected."""
        found = False
        for connected, model in [key for key in self._connected if key[0] == receiver]:
            super().disconnect(self._connected.pop((connected, model)))
            found = True
        return super().disconnect(receiver, sender, dispatch_uid) or found


payment_paid = PaymentSignal()
"""Sent once for each order and purpose, when a payment first becomes paid in full: also late, too much, or together
with its top-ups.

Of the payments for one purpose only the first that is paid is announced: the second is ``review="duplicate"`` instead.
Not sent for a payment that is held because its amount differs, until PayRam's own answer is right or a person accepts
it, nor for an order that the shop has deleted. Arguments: ``payment``.
"""

payment_canceled = PaymentSignal()
"""Sent once, when PayRam says that the link is dead, nothing was received, nothing is confirming, and no other payment
of the order is open or paid. Money may still come later: then ``payment_paid`` follows. Arguments: ``payment``.
"""

payment_needs_review = PaymentSignal(lambda payment, _previous_state: {"reason": payment.review})
"""Sent when ``payment.review`` becomes non-blank, or a weightier reason takes its place.

Arguments: ``payment``, and ``reason``, one of :class:`django_payram.models.Review`.
"""

payment_refunded = PaymentSignal()
"""Sent for each refund that the shop has recorded. Arguments: ``payment``, and ``refund``, a
:class:`django_payram.models.Refund`.
"""

payment_updated = PaymentSignal(lambda _payment, previous_state: {"previous_state": previous_state})
"""Sent for every piece of news: a new state, more money, the first sight of money on the chain, a withdrawal, another
order.

Confirmations that merely count up are not news. Arguments: ``payment``, and ``previous_state``, the state that the
receivers were last sent.
"""

# In the order in which they are sent: a bad receiver of payment_updated cannot stop payment_paid. When each of them is
# true is decided by ``payments.rules``.
SIGNALS = MappingProxyType(
    {
        "payment_paid": payment_paid,
        "payment_canceled": payment_canceled,
        "payment_needs_review": payment_needs_review,
        "payment_refunded": payment_refunded,
        "payment_updated": payment_updated,
    }
)
