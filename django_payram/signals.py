"""What a shop can listen to. Every signal has ``sender=Payment`` and the argument ``payment``.

One contract holds for all four:

* A signal is sent inside the transaction that records the news, after the last write, in a savepoint of its
  own. What the receivers write to the same database commits together with the payment, exactly once.
* If a receiver raises, the savepoint is undone, the payment's new state commits all the same, the error is kept
  on the payment and shown in the admin, and every later occasion (a repeated webhook, ``payram_resync``, the
  status page, the admin) sends the signal again until the receivers succeed. They are then told the present
  truth, so a receiver should look at ``payment`` rather than count signals.
* Work that leaves the database (a mail, a Celery task, a call to another server) belongs in
  ``transaction.on_commit()`` inside the receiver. A crash between the commit and that callback can lose it; where
  that matters, write a row in the receiver and work it off later.
* Lock the order (``select_for_update``) inside the receiver if the shop edits it elsewhere: the order of locks is
  the payment first, then the order.
* A signal without receivers counts as told.
"""

from __future__ import annotations

from types import MappingProxyType

from django.dispatch import Signal

payment_paid = Signal()
"""Sent once, when a payment first becomes paid in full: also late, too much, or together with its top-ups.

Never sent twice for one order: a second paid payment of the same order is ``review="duplicate"`` instead. Never sent
for a payment held because its amount differs, until a person accepts it in the admin. Arguments: ``payment``.
"""

payment_canceled = Signal()
"""Sent once, when PayRam says that the link is dead, nothing was received, nothing is confirming, and no other payment
of the order is open or paid. Money may still come later: then ``payment_paid`` follows. Arguments: ``payment``.
"""

payment_needs_review = Signal()
"""Sent when ``payment.review`` becomes non-blank, or a weightier reason takes its place.

Arguments: ``payment``, and ``reason``, one of :class:`django_payram.states.Review`.
"""

payment_updated = Signal()
"""Sent for every piece of news: a new state, more money, the first sight of money on the chain.

Confirmations that merely count up are not news. Arguments: ``payment``, and ``previous_state``, the state the
receivers were last told.
"""

# In the order in which they are sent: a bad receiver of payment_updated cannot bar payment_paid.
SIGNALS = MappingProxyType(
    {
        "payment_paid": payment_paid,
        "payment_canceled": payment_canceled,
        "payment_needs_review": payment_needs_review,
        "payment_updated": payment_updated,
    }
)
