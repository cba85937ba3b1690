"""Asking PayRam about many payments: which are due, and what it says of them.

``next_check_at`` is schedule and claim in one: a batch is claimed by pushing it to its next tier, which is committed
before PayRam is asked. The payments of a killed worker become due again by themselves, and no two workers ask about one
payment in one tier. Threads only ask; what they bring back is recorded one by one.
"""

from __future__ import annotations
