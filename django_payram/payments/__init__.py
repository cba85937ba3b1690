"""What happens to a payment: the verbs that a shop calls.

open_payment   ask for money: the row first, then the call to PayRam
refresh        ask PayRam about one payment and record the answer
adopt          take over a payment that was made in PayRam's own dashboard
"""

from __future__ import annotations

from django_payram.payments.checkout import open_payment
from django_payram.payments.matching import adopt
from django_payram.payments.refresh import refresh

__all__ = ["adopt", "open_payment", "refresh"]
